"""A picture of a collection: a few samples of each part of the split, by each sensor and by the labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from revisit.cube.labels.legend import NO_LABEL
from revisit.cube.quicklook import save
from revisit.cube.scaling.scaled_values import rounded
from revisit.patches.store import PARTS, PatchStore

SAMPLES = 5  # of each part
PANEL_INCHES = 0.9
LEGEND_COLUMNS = 4


class Images(NamedTuple):
    """Colours (sample, y, x, 3) of samples, and what the colours mean."""

    colours: np.ndarray
    meaning: str


def montage(patches_path: str | Path, picture: str | Path) -> None:
    """Draw samples of a collection, evenly from each part, as a PNG; of yearly ones the label's year.

    Below each stand the numbers of its classes, which the legend names with their colours.
    """
    store = PatchStore(patches_path, memory_mb=0)
    of_part = [store.indices(part) for part in PARTS]
    samples = np.concatenate([_evenly(indices) for indices in of_part])
    titles = [part for part, indices in zip(PARTS, of_part, strict=True) for _ in _evenly(indices)]
    images = {sensor: _images(store, sensor, samples) for sensor in store.bands}
    codes = store.land_cover(samples)
    rows = [*(image.colours for image in images.values()), _painted(store, codes)]
    names = [*(f"{sensor}\n{image.meaning}" for sensor, image in images.items()), "land cover"]
    present = np.unique(codes)
    legend_rows = -(-len(present) // LEGEND_COLUMNS)
    figure = Figure(
        figsize=(PANEL_INCHES * len(samples) + 1.3, PANEL_INCHES * len(rows) + 1.1 + 0.16 * legend_rows),
        layout="constrained",
    )
    panels = figure.subplots(len(rows), len(samples), squeeze=False)
    for row, shown, name in zip(panels, rows, names, strict=True):
        row[0].set_ylabel(name, fontsize=7, rotation=0, ha="right", va="center")
        for axes, image in zip(row, shown, strict=True):
            axes.imshow(image, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title, fontsize=7)
    for axes, text in zip(panels[-1], _labels(store, samples), strict=True):
        axes.set_xlabel(text, fontsize=7)
    counts = ", ".join(f"{len(indices)} {part}" for part, indices in zip(PARTS, of_part, strict=True))
    size = store.patch_pixels * store.attrs["resolution_m"]
    figure.suptitle(
        f"{store.attrs['collection']}: {counts} samples of {size:g} m; grey values as stored, 0 to 255 "
        "between the limits of each band",
        fontsize=8,
    )
    figure.legend(
        handles=_legend(store, present), loc="outside lower center", ncols=LEGEND_COLUMNS, fontsize=7,
        frameon=False,
    )  # fmt: skip
    save(figure, picture)


def _evenly(indices: np.ndarray) -> np.ndarray:
    chosen = np.unique(np.linspace(0, len(indices) - 1, min(SAMPLES, len(indices))).round().astype(int))
    evenly: np.ndarray = indices[chosen]
    return evenly


def _images(store: PatchStore, sensor: str, samples: np.ndarray) -> Images:
    """Red, green, blue where the sensor has them; VV, VH and their difference; else its first band."""
    bands, years = store.bands[sensor], store.attrs["years"].get(sensor, ())
    labelled = store.attrs["label_year"]
    time = years.index(labelled) if labelled in years else 0
    year = str(years[time]) if years else ""
    values = rounded(store.images(samples, bands, time), np.uint8)
    if {"red", "green", "blue"} <= set(bands):
        three = [bands.index(name) for name in ("red", "green", "blue")]
        return Images(_colours(values, three), f"red, green, blue\n{year}".strip())
    if {"vv", "vh"} <= set(bands):
        vv, vh = (values[:, bands.index(name)].astype(int) for name in ("vv", "vh"))
        colours = np.stack([vv, vh, np.clip(128 + vv - vh, 0, 255)], axis=-1).astype(np.uint8)
        return Images(colours, f"VV, VH, VV − VH\n{year}".strip())
    return Images(_colours(values, [0, 0, 0]), f"{bands[0]}\n{year}".strip())


def _colours(values: np.ndarray, bands: Sequence[int]) -> np.ndarray:
    return np.moveaxis(values[:, bands], 1, -1)


def _painted(store: PatchStore, codes: np.ndarray) -> np.ndarray:
    """Land cover (sample, y, x) in the colours of the legend, blank where there is none."""
    return store.legend.painted(codes) if store.legend else np.full((*codes.shape, 3), 255, np.uint8)


def _labels(store: PatchStore, samples: np.ndarray) -> list[str]:
    """Numbers of the classes that each sample is labelled with, by their order in the index."""
    if store.attrs["label_columns"] is None:
        return [""] * len(samples)
    return [", ".join(map(str, np.flatnonzero(shown) + 1)) for shown in store.multi_label(samples)]


def _legend(store: PatchStore, codes: np.ndarray) -> list[Patch]:
    """The land cover in the picture; classes of the collection with their numbers."""
    numbers = {code: f"{number} " for number, code in enumerate(store.attrs["class_codes"], start=1)}
    names, colours = (store.legend.names, store.legend.colours) if store.legend else ({}, {})
    return [
        Patch(
            facecolor=colours.get(code, NO_LABEL),
            edgecolor="0.4",
            label=numbers.get(code, "") + names.get(code, "no label"),
        )
        for code in codes.tolist()
    ]
