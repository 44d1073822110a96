"""Reflectance as cubes keep it: int16 steps of 1e-4, as most products come."""

import numpy as np

# reflectance = integer * step
REFLECTANCE_STEP = 1e-4
REFLECTANCE_MISSING = -32768
MOST_STEPS = 32767


def pack_reflectance(values: np.ndarray) -> np.ndarray:
    """Float reflectance to int16 steps; NaN to the missing value, the rest held within the type."""
    steps = np.rint(values * np.float32(1 / REFLECTANCE_STEP))
    np.clip(steps, -MOST_STEPS, MOST_STEPS, out=steps)
    np.nan_to_num(steps, copy=False, nan=REFLECTANCE_MISSING)
    return steps.astype(np.int16)


def unpack_reflectance(steps: np.ndarray) -> np.ndarray:
    """int16 steps to float32 reflectance; the missing value to NaN."""
    values: np.ndarray = steps * np.float32(REFLECTANCE_STEP)
    values[steps == REFLECTANCE_MISSING] = np.nan
    return values
