"""A map beside the image it was made of and beside the truth, reduced to the size of a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from revisit.cube.composites import COMPOSITES, PANEL_PIXELS, RATIO, limits_of, stretch, thinned
from revisit.cube.grid import Block
from revisit.cube.labels.legend import BY_YEAR, NO_LABEL
from revisit.cube.quicklook import save
from revisit.prediction.blend import Mapped
from revisit.prediction.images import Place
from revisit.prediction.map_file import legend_of

LEGEND_COLUMNS = 6


class Preview:
    """Every so many pixels of a map and of its image; ``counts`` of all pixels by code."""

    def __init__(self, place: Place, card: Mapping[str, Any]) -> None:
        self.place, self.legend = place, legend_of(card)
        self.step = -(-max(place.shape) // PANEL_PIXELS)
        self.bands = list(card["bands"])
        self.names = next(
            (names for names in COMPOSITES if set(self.bands) >= set(names) - {RATIO}),
            (self.bands[0], self.bands[0], self.bands[0]),
        )
        height, width = (-(-length // self.step) for length in place.shape)
        self.codes = np.zeros((height, width), np.uint8)
        self.image = np.zeros((3, height, width), np.float32)
        self.counts = np.zeros(256, np.int64)

    def add(self, block: Block, mapped: Mapped) -> None:
        """Take up a block of the map."""
        first = tuple(-part.start % self.step for part in block)
        every = slice(first[0], None, self.step), slice(first[1], None, self.step)
        codes = mapped.codes[every]
        top, left = ((part.start + start) // self.step for part, start in zip(block, first, strict=True))
        here = slice(top, top + codes.shape[0]), slice(left, left + codes.shape[1])
        self.codes[here] = codes
        shown = [
            mapped.image[self.bands.index(name), *every].astype(np.float32)
            for name in self.names
            if name != RATIO
        ]
        if RATIO in self.names:
            shown.append(shown[0] - shown[1])
        self.image[:, *here] = shown
        self.counts += np.bincount(mapped.codes.ravel(), minlength=256)

    def shares(self) -> dict[str, float]:
        """The share of each class of the pixels with data, by name; empty where there are none."""
        total = self.counts[1:].sum()
        return {name: self.counts[code] / total for code, name in self.legend.names.items()} if total else {}


def truth_of(labels: xr.Dataset, year: int, step: int) -> NDArray[Any]:
    """Every ``step``-th code of a label cube (y, x), 0 where there is none.

    Where maps of several years overlap it is that of the one nearest to ``year``, of two the earlier.
    """
    codes = thinned(labels["land_cover"], step)
    if BY_YEAR in labels:
        for own in sorted(labels["year"].values, key=lambda own: (abs(own - year), own), reverse=True):
            of_year = thinned(labels[BY_YEAR].sel(year=own), step)
            codes = np.where(of_year != 0, of_year, codes)
    return codes


def draw(
    preview: Preview, card: Mapping[str, Any], truth: NDArray[Any] | None, path: Path, title: str
) -> None:
    """Draw image, ``truth`` (codes of labels at the preview's pixels, if any) and map beside each other."""
    legend, codes = preview.legend, preview.codes
    colours = stretch(preview.image, limits_of(preview.image[None], (codes > 0)[None]))
    colours[codes == 0] = 255
    empty = bool((codes == 0).any())
    panels = {f"image ({', '.join(preview.names)})": colours}
    if truth is not None:
        numbers = merged(truth, card["codes"])
        panels["labels"], empty = legend.painted(numbers), empty or bool((numbers == 0).any())
    panels["map"] = legend.painted(codes)
    tall = codes.shape[0] / codes.shape[1]
    figure = Figure(figsize=(4 * len(panels), 4 * tall + 1.1), layout="constrained")
    for axes, (name, picture) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        axes.imshow(picture, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(name, fontsize=15)
    figure.suptitle(title, fontsize=18)
    patches = [
        Patch(facecolor=legend.colours[code], edgecolor="0.4", label=name)
        for code, name in legend.names.items()
    ]
    if empty:
        patches.append(Patch(facecolor=NO_LABEL, edgecolor="0.4", label="no data, no label"))
    figure.legend(
        handles=patches,
        loc="outside lower center",
        ncols=min(len(patches), LEGEND_COLUMNS),
        frameon=False,
        fontsize=14,
    )
    save(figure, path)


def merged(labels: np.ndarray, codes: list[list[int]]) -> np.ndarray:
    """Codes of a label cube as those of a map: class number + 1, 0 for what is in no class."""
    numbers = np.zeros(labels.shape, np.uint8)
    for number, own in enumerate(codes, start=1):
        numbers[np.isin(labels, own)] = number
    return numbers
