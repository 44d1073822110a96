"""A picture of a patch store: a few samples of each part of the split, by each sensor and by the labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from matplotlib.figure import Figure

from revisit.cube.labels.worldcover import WORLDCOVER
from revisit.cube.quicklook import save
from revisit.cube.split import PARTS

SAMPLES = 5  # of each part
PANEL_INCHES = 0.9


def montage(patches_path: str | Path, picture: str | Path) -> None:
    """Draw samples of a patch store, evenly from each part, as a PNG; of yearly ones the label's year."""
    group = zarr.open_group(patches_path, mode="r")
    attrs: dict[str, Any] = dict(group.attrs)
    split = _read(group, "split", slice(None))
    chosen = [_evenly(np.flatnonzero(split == part)) for part in range(len(PARTS))]
    samples = np.concatenate(chosen)
    rows = [
        *(_images(group, attrs, sensor, samples) for sensor in attrs["bands"]),
        _land_cover(group, samples),
    ]
    names = [*attrs["bands"], "land cover"]
    figure = Figure(
        figsize=(PANEL_INCHES * len(samples) + 1, PANEL_INCHES * len(rows) + 0.7), layout="constrained"
    )
    panels = figure.subplots(len(rows), len(samples), squeeze=False)
    for row, images, name in zip(panels, rows, names, strict=True):
        row[0].set_ylabel(name, fontsize=7)
        for axes, image in zip(row, images, strict=True):
            axes.imshow(image, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
    for axes, sample in zip(panels[0], samples, strict=True):
        axes.set_title(PARTS[split[sample]], fontsize=7)
    counts = ", ".join(f"{(split == part).sum()} {name}" for part, name in enumerate(PARTS))
    size = attrs["patch_pixels"] * attrs["resolution_m"]
    figure.suptitle(f"{attrs['collection']}: {counts} samples of {size:g} m", fontsize=8)
    save(figure, picture)


def _evenly(indices: np.ndarray) -> np.ndarray:
    return indices[
        np.unique(np.linspace(0, len(indices) - 1, min(SAMPLES, len(indices))).round().astype(int))
    ]


def _read(group: zarr.Group, name: str, chosen: Any) -> np.ndarray:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return np.asarray(array.oindex[chosen])


def _images(group: zarr.Group, attrs: dict[str, Any], sensor: str, samples: np.ndarray) -> np.ndarray:
    """Colours (sample, y, x, 3): red, green, blue where the sensor has them; VV, VH and their difference."""
    years, bands = attrs["years"].get(sensor), attrs["bands"][sensor]
    values = _read(group, sensor, samples)[:, years.index(attrs["label_year"]) if years else 0]
    if {"red", "green", "blue"} <= set(bands):
        return _colours(values, [bands.index(name) for name in ("red", "green", "blue")])
    if {"vv", "vh"} <= set(bands):
        vv, vh = (values[:, bands.index(name)].astype(int) for name in ("vv", "vh"))
        return np.stack([vv, vh, np.clip(128 + vv - vh, 0, 255)], axis=-1).astype(np.uint8)
    return _colours(values, [0, 0, 0])


def _colours(values: np.ndarray, bands: Sequence[int]) -> np.ndarray:
    return np.moveaxis(values[:, bands], 1, -1)


def _land_cover(group: zarr.Group, samples: np.ndarray) -> np.ndarray:
    palette = np.full((256, 3), 255, np.uint8)
    for code, land_cover in WORLDCOVER.items():
        palette[code] = list(bytes.fromhex(land_cover.colour[1:]))
    return palette[_read(group, "land_cover", samples)]
