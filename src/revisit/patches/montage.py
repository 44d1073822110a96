"""A picture of a collection: a few samples of each part of the split, by each sensor and by the labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from revisit.cube.labels.worldcover import WORLDCOVER
from revisit.cube.quicklook import save
from revisit.patches.store import PARTS, PatchStore

SAMPLES = 5  # of each part
PANEL_INCHES = 0.9


def montage(patches_path: str | Path, picture: str | Path) -> None:
    """Draw samples of a collection, evenly from each part, as a PNG; of yearly ones the label's year."""
    store = PatchStore(patches_path, memory_mb=0)
    of_part = [store.indices(part) for part in PARTS]
    samples = np.concatenate([_evenly(indices) for indices in of_part])
    titles = [part for part, indices in zip(PARTS, of_part, strict=True) for _ in _evenly(indices)]
    rows = [
        *(_images(store, sensor, samples) for sensor in store.bands),
        _land_cover(store, samples),
    ]
    names = [*store.bands, "land cover"]
    figure = Figure(
        figsize=(PANEL_INCHES * len(samples) + 1, PANEL_INCHES * len(rows) + 0.7), layout="constrained"
    )
    panels = figure.subplots(len(rows), len(samples), squeeze=False)
    for row, images, name in zip(panels, rows, names, strict=True):
        row[0].set_ylabel(name, fontsize=7)
        for axes, image in zip(row, images, strict=True):
            axes.imshow(image, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title, fontsize=7)
    counts = ", ".join(f"{len(indices)} {part}" for part, indices in zip(PARTS, of_part, strict=True))
    size = store.patch_pixels * store.attrs["resolution_m"]
    figure.suptitle(f"{store.attrs['collection']}: {counts} samples of {size:g} m", fontsize=8)
    save(figure, picture)


def _evenly(indices: np.ndarray) -> np.ndarray:
    chosen = np.unique(np.linspace(0, len(indices) - 1, min(SAMPLES, len(indices))).round().astype(int))
    evenly: np.ndarray = indices[chosen]
    return evenly


def _images(store: PatchStore, sensor: str, samples: np.ndarray) -> np.ndarray:
    """Colours (sample, y, x, 3): red, green, blue where the sensor has them; VV, VH and their difference."""
    bands, years = store.bands[sensor], store.attrs["years"].get(sensor, ())
    labelled = store.attrs["label_year"]
    time = years.index(labelled) if labelled in years else 0
    values = store.images(samples, bands, time)
    if {"red", "green", "blue"} <= set(bands):
        return _colours(values, [bands.index(name) for name in ("red", "green", "blue")])
    if {"vv", "vh"} <= set(bands):
        vv, vh = (values[:, bands.index(name)].astype(int) for name in ("vv", "vh"))
        return np.stack([vv, vh, np.clip(128 + vv - vh, 0, 255)], axis=-1).astype(np.uint8)
    return _colours(values, [0, 0, 0])


def _colours(values: np.ndarray, bands: Sequence[int]) -> np.ndarray:
    return np.moveaxis(values[:, bands], 1, -1)


def _land_cover(store: PatchStore, samples: np.ndarray) -> np.ndarray:
    palette = np.full((256, 3), 255, np.uint8)
    for code, land_cover in WORLDCOVER.items():
        palette[code] = list(bytes.fromhex(land_cover.colour[1:]))
    colours: np.ndarray = palette[store.land_cover(samples)]
    return colours
