"""Annual composites of a place: the year's mean backscatter, the year's median reflectance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from revisit.cube.composite import mean_of_power, median_of_valid
from revisit.cube.scaling.scale import from_uint8, to_uint8
from revisit.patches.ground import years_of
from revisit.patches.writer import Look

GAP_REACH = 2  # pixels around a gap that it is filled from


def yearly(
    looks: Mapping[str, Look],
    years: Mapping[str, Sequence[int]],
    scaling: Mapping[str, Any],
    min_valid: float,
) -> tuple[list[dict[str, Look]], str]:
    """The one sample of a place, a look of all years by sensor; or none, and what the place lacks.

    ``years`` and ``scaling`` are by sensor. Every year must show at least ``min_valid`` of the pixels.
    """
    sample = {}
    for sensor, look in looks.items():
        sample[sensor] = annual(look, years[sensor], scaling[sensor])
        for year, valid in zip(years[sensor], sample[sensor].valid, strict=True):
            if valid.mean() < min_valid:
                return [], f"enough of {sensor} in {year}"
    return [sample], ""


def annual(look: Look, years: Sequence[int], scaling: Mapping[str, Any]) -> Look:
    """Composites of these years, dated 1 July: the mean of backscatter in power, the median of reflectance.

    A pixel without a valid date in a year gets the median of the pixels within 2 of it that have one,
    and is valid; where there is none either it is not.
    """
    values, valid = [], []
    for year in years:
        dates = years_of(look.times) == year
        filled = _fill_gaps(_composite(look.values[dates], look.valid[dates], scaling))
        valid.append(~np.isnan(filled).any(axis=0))
        values.append(np.rint(np.nan_to_num(filled)).astype(np.uint8))
    dated = np.array([f"{year}-07-01" for year in years], "datetime64[ns]")
    return Look(np.stack(values), np.stack(valid), dated)


def _composite(scaled: np.ndarray, valid: np.ndarray, scaling: Mapping[str, Any]) -> np.ndarray:
    """One image (band, y, x) of several, in steps of 8 bit, NaN where no date is valid."""
    if not valid.any():
        return np.full(scaled.shape[1:], np.nan, np.float32)
    if scaling["source_unit"] != "dB":
        return median_of_valid(scaled, valid)
    lower, upper = (
        np.array([band[limit] for band in scaling["bands"].values()]) for limit in ("lower", "upper")
    )
    mean = mean_of_power(from_uint8(scaled, lower, upper), valid)
    return np.where(np.isnan(mean), np.float32(np.nan), to_uint8(mean, lower, upper))


def _fill_gaps(image: np.ndarray) -> np.ndarray:
    gaps = np.isnan(image).any(axis=0)
    if not gaps.any() or gaps.all():
        return image
    side = 2 * GAP_REACH + 1
    reach = ((0, 0), (GAP_REACH, GAP_REACH), (GAP_REACH, GAP_REACH))
    around = sliding_window_view(np.pad(image, reach, constant_values=np.nan), (side, side), axis=(1, 2))
    near = around[:, gaps].reshape(len(image), -1, side * side)
    some = ~np.isnan(near).all(axis=(0, 2))
    rows, columns = (index[some] for index in np.nonzero(gaps))
    image = image.copy()
    image[:, rows, columns] = np.nanmedian(near[:, some], axis=2)
    return image
