"""Physical values scaled to 8 bit between limits, and back."""

import numpy as np

from revisit.cube.packing import unpack_reflectance

ROWS = 64  # of 2048 columns: as places of the table they are a megabyte, which fits the cache


def to_uint8(values: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Scale (..., band, y, x) to uint8: 0 at ``lower`` and below, 255 at ``upper`` and above; NaN becomes 0.

    ``lower`` and ``upper`` (band,) are in the unit of ``values``.
    """
    low, high = (np.asarray(limit, np.float32)[:, None, None] for limit in (lower, upper))
    shares = np.nan_to_num((values - low) / (high - low))
    scaled: np.ndarray = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return scaled


def steps_to_uint8(steps: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """``to_uint8`` of int16 steps of reflectance (band, y, x), quicker: by a table of all there are."""
    values = unpack_reflectance(np.arange(2**16, dtype=np.uint16).view(np.int16))
    bands = np.broadcast_to(values[None, None], (len(lower), 1, 2**16))
    scaled = np.empty(steps.shape, np.uint8)
    for table, band, into in zip(to_uint8(bands, lower, upper), steps.view(np.uint16), scaled, strict=True):
        for top in range(0, len(band), ROWS):
            np.take(table[0], band[top : top + ROWS], out=into[top : top + ROWS], mode="clip")
    return scaled


def from_uint8(scaled: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Undo ``to_uint8``: float32 in the unit of the limits, right to half a step for values between them."""
    low, high = (np.asarray(limit, np.float32)[:, None, None] for limit in (lower, upper))
    values: np.ndarray = low + scaled.astype(np.float32) / 255 * (high - low)
    return values
