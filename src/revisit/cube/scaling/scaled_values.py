"""Physical values scaled to 0 to 255 between limits, rounded to 8 bit or kept as float32, and back.

Not float16: from 128 on its steps are 1/8, as wide as those that reflectance is packed in once limits are 0.2
apart (255 / 2040 steps of 0.0001), so it would round too. Float32 is right to 1e-5 of a step of 8 bit.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from revisit.cube.packing import unpack_reflectance

ScaledDtype = Literal["uint8", "float32"]
ROUNDED: ScaledDtype = "uint8"
ROWS = 64  # of 2048 columns: as places of the table they are a megabyte, which fits the cache


def dtype_of(scaling: Mapping[str, Any]) -> np.dtype[Any]:
    """The type of values that a sensor's scaling or limits.json tells of: what says none is of 8 bit."""
    dtype: np.dtype[Any] = np.dtype(scaling.get("dtype", ROUNDED))
    return dtype


def dtype_of_all(scaling: Mapping[str, Mapping[str, Any]]) -> np.dtype[Any]:
    """The type of the values of a patch store or a card, whose sensors share one."""
    return dtype_of(next(iter(scaling.values())))


def told(dtype: DTypeLike) -> dict[str, str]:
    """What a sensor's scaling or limits.json says of the type, for ``dtype_of``."""
    return {} if np.dtype(dtype) == ROUNDED else {"dtype": np.dtype(dtype).name}


def rounded(values: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Values from 0 to 255 as this type holds them: in uint8 the nearest whole ones, else as they are."""
    if values.dtype == dtype:
        return values
    return (np.rint(values) if np.dtype(dtype) == ROUNDED else values).astype(dtype)


def to_scaled(
    values: np.ndarray, lower: np.ndarray, upper: np.ndarray, dtype: DTypeLike = ROUNDED
) -> np.ndarray:
    """Scale (..., band, y, x) to ``dtype``: 0 at ``lower`` and below, 255 at ``upper`` and above; NaN is 0.

    ``lower`` and ``upper`` (band,) are in the unit of ``values``.
    """
    low, high = (np.asarray(limit, np.float32)[:, None, None] for limit in (lower, upper))
    shares = np.nan_to_num((values - low) / (high - low))
    return rounded(np.clip(shares, 0, 1) * 255, dtype)


def steps_to_scaled(
    steps: np.ndarray, lower: np.ndarray, upper: np.ndarray, dtype: DTypeLike = ROUNDED
) -> np.ndarray:
    """``to_scaled`` of int16 steps of reflectance (band, y, x), quicker: by a table of all there are."""
    values = unpack_reflectance(np.arange(2**16, dtype=np.uint16).view(np.int16))
    bands = np.broadcast_to(values[None, None], (len(lower), 1, 2**16))
    scaled = np.empty(steps.shape, dtype)
    tables = to_scaled(bands, lower, upper, dtype)
    for table, band, into in zip(tables, steps.view(np.uint16), scaled, strict=True):
        for top in range(0, len(band), ROWS):
            np.take(table[0], band[top : top + ROWS], out=into[top : top + ROWS], mode="clip")
    return scaled


def from_scaled(scaled: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Undo ``to_scaled``: float32 in the unit of the limits, for values between them.

    Right to half a step where they were rounded.
    """
    low, high = (np.asarray(limit, np.float32)[:, None, None] for limit in (lower, upper))
    values: np.ndarray = low + scaled.astype(np.float32) / 255 * (high - low)
    return values
