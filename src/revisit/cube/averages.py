"""Composites: many looks at one place made into one, by what the sensor's noise asks for."""

import numpy as np


def median_of_valid(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Per-pixel median over dates: float32 (band, y, x), NaN where no date is valid.

    ``values`` (time, band, y, x), ``valid`` (time, y, x) bool. For reflectance: it passes over the clouds
    and shadows that the mask missed.
    """
    # nanmedian walks pixel by pixel; with the invalid sorted to the end the middle is a look-up.
    ordered = np.where(valid[:, None], values, np.float32(np.inf)).astype(np.float32, copy=False)
    ordered.sort(axis=0)
    count = valid.sum(axis=0)[None, None]
    below, above = (
        np.take_along_axis(ordered, np.broadcast_to(place, (1, *values.shape[1:])), axis=0)[0]
        for place in (np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(values) - 1))
    )
    with np.errstate(invalid="ignore"):
        middle = (below + above) / 2
    return np.where(count[0] > 0, middle, np.float32(np.nan))


def mean_of_valid(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Per-pixel mean over dates: float32 (band, y, x), NaN where no date is valid.

    ``values`` (time, band, y, x), ``valid`` (time, y, x) bool. For dB: speckle is alike in dark and bright
    places there.
    """
    count = valid.sum(axis=0, dtype=np.float32)
    total = np.where(valid[:, None], values, 0).sum(axis=0)
    mean: np.ndarray = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean


def mean_of_power(decibels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Per-pixel mean over dates in linear power, as dB: float32 (band, y, x), NaN where no date is valid.

    ``decibels`` (time, band, y, x), ``valid`` (time, y, x) bool. Speckle averages out in power; a mean of
    decibels would lie below it.
    """
    power = np.where(valid[:, None], np.power(10, np.nan_to_num(decibels) / 10, dtype=np.float32), 0)
    count = valid.sum(axis=0, dtype=np.float32)[None]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = 10 * np.log10(power.sum(axis=0) / count)
    return np.where(count > 0, mean, np.float32(np.nan)).astype(np.float32)
