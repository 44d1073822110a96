"""Physical values scaled to 8 bit between limits, and back."""

import numpy as np


def to_uint8(values: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Scale (..., band, y, x) to uint8: 0 at ``lower`` and below, 255 at ``upper`` and above; NaN becomes 0.

    ``lower`` and ``upper`` (band,) are in the unit of ``values``.
    """
    low, high = (np.asarray(limit, np.float32)[:, None, None] for limit in (lower, upper))
    shares = np.nan_to_num((values - low) / (high - low))
    scaled: np.ndarray = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return scaled


def from_uint8(scaled: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Undo ``to_uint8``: float32 in the unit of the limits, right to half a step for values between them."""
    low, high = (np.asarray(limit, np.float32)[:, None, None] for limit in (lower, upper))
    values: np.ndarray = low + scaled.astype(np.float32) / 255 * (high - low)
    return values
