"""Images of cubes as colours: which bands are shown as red, green and blue, and one stretch for all dates."""

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from revisit.cube.contract import grid_of, values_of

PANEL_PIXELS = 400
BLOCK = 1024  # pixels a side that are read at a time, with all bands: whole chunks
GAMMA = 0.7  # land is dark beside sand and roofs
RATIO = "vv - vh"
# The first of these that a cube has the bands for is shown as red, green, blue.
COMPOSITES = [
    ("red", "green", "blue"),
    ("nir", "red", "green"),
    ("swir16", "nir", "red"),
    ("vv", "vh", RATIO),
]
SCALE_BARS_M = [100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000]


def composite_names(cube: xr.Dataset) -> tuple[str, ...]:
    """What is shown as red, green and blue: bands, or ``RATIO``."""
    bands = cube["band"].values.tolist()
    for names in COMPOSITES:
        if set(bands) >= set(names) - {RATIO}:
            return names
    return tuple(bands[:1] * 3)


def step_of(cube: xr.Dataset, pixels: int = PANEL_PIXELS) -> int:
    """Every how many pixels to read so that a picture has at most ``pixels`` a side."""
    return -(-max(cube.sizes["y"], cube.sizes["x"]) // pixels)


def composites(
    cube: xr.Dataset, names: Sequence[str], dates: Iterable[int], step: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Images (date, 3, y, x) float32, and which of their pixels are valid (date, y, x)."""
    bands = cube["band"].values.tolist()
    index = [bands.index(name) for name in names if name != RATIO]
    images, valid = [], []
    for date in dates:
        image = thinned(values_of(cube)[date], step)[index].astype(np.float32)
        images.append(np.stack([*image, image[0] - image[1]]) if RATIO in names else image)
        valid.append(thinned(cube["valid"][date], step).astype(bool))
    return np.stack(images), np.stack(valid)


def thinned(image: xr.DataArray, step: int) -> np.ndarray:
    """Every ``step``-th pixel of (..., y, x), read in blocks: picking pixels from chunks takes longer."""
    height, width = image.shape[-2:]

    def part(top: int, left: int) -> np.ndarray:
        block = image[..., top : top + BLOCK, left : left + BLOCK].values
        chosen: np.ndarray = block[..., -top % step :: step, -left % step :: step]
        return chosen.copy()  # or the whole block would stay

    rows = [
        np.concatenate([part(top, left) for left in range(0, width, BLOCK)], axis=-1)
        for top in range(0, height, BLOCK)
    ]
    return np.concatenate(rows, axis=-2)


def limits_of(images: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """2nd and 98th percentile of the valid pixels, (2, 3): one stretch for all dates."""
    chosen = np.moveaxis(images, 1, -1)[valid] if valid.any() else np.zeros((1, 3))
    limits: np.ndarray = np.percentile(chosen, (2, 98), axis=0)
    return limits


def stretch(images: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Images (..., 3, y, x) as colours (..., y, x, 3), uint8."""
    low, high = limits
    shares = (np.nan_to_num(np.moveaxis(images, -3, -1)) - low) / np.maximum(high - low, 1e-6)
    colours: np.ndarray = (255 * np.clip(shares, 0, 1) ** GAMMA).astype(np.uint8)
    return colours


def scale_bar(cube: xr.Dataset, step: int) -> tuple[float, str]:
    """Length in shown pixels of a bar of a round length, a third of the picture at most; what it says."""
    pixel = grid_of(cube).resolution * step
    wide = cube.sizes["x"] / step * pixel
    length = max(n for n in SCALE_BARS_M if n <= max(wide / 3, SCALE_BARS_M[0]))
    return length / pixel, f"{length / 1000:g} km"


def heading(cube: xr.Dataset, what: str) -> str:
    """Title of a picture of a cube."""
    return f"{cube.attrs['region']}, {cube.attrs['sensor']}, {cube.attrs['stage']}: {what}"
