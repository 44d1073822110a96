"""Annual composites of a place: the year's mean backscatter, the year's median reflectance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from revisit.cube.averages import mean_of_power, median_of_valid
from revisit.cube.scaling.scaled_values import from_scaled, rounded, to_scaled
from revisit.errors import RevisitError
from revisit.patches.kind import (
    LABELS,
    NO_TIME,
    Entry,
    Ground,
    Kind,
    Look,
    Sensed,
    check_year,
    years_of,
)

GAP_REACH = 2  # pixels around a gap that it is filled from


class YearlyEntry(Entry):
    """A collection of annual composites."""

    label_year: int
    """Year whose land cover is the label, of several maps that of the nearest year; a place without a
    composite of it has no labels."""
    required_years: list[int] = []
    """Years without which, of any sensor, a place is no sample; any other that a place lacks is masked."""


class Yearly(Kind[YearlyEntry]):
    """A composite a year of each sensor a sample, one sample a place."""

    Settings = YearlyEntry
    time_axis = True

    def __init__(
        self,
        settings: YearlyEntry,
        sensors: Mapping[str, Sensed],
        seed: int,
        label_years: Sequence[Sequence[int]] = (),
    ) -> None:
        super().__init__(settings, sensors, seed, label_years)
        self.years = {name: list(sensed.years) for name, sensed in sensors.items()}

    @classmethod
    def check(
        cls, name: str, settings: YearlyEntry, searched: Mapping[str, Sequence[int]], block_pixels: int
    ) -> None:
        super().check(name, settings, searched, block_pixels)
        check_year(name, settings.label_year, searched)
        for sensor, years in searched.items():
            if sensor != LABELS and (unknown := sorted({*settings.required_years} - {*years})):
                raise RevisitError(
                    f"collections.{name}.required_years: {unknown}, but {sensor} is searched in "
                    f"{list(years)}; search them or leave them out"
                )

    def samples(self, ground: Ground) -> tuple[list[dict[str, Look]], str]:
        sample = {}
        for sensor, look in ground.looks.items():
            years = self.years[sensor]
            composites = annual(look, years, self.sensors[sensor].scaling)
            enough = composites.valid.mean(axis=(1, 2)) >= self.settings.min_valid
            seen = {year for year, there in zip(years, enough, strict=True) if there}
            if lacking := sorted({*self.settings.required_years} - seen):
                return [], f"enough of {sensor} in {lacking[0]}"
            if not seen:
                return [], f"enough of {sensor} in any year"
            sample[sensor] = masked(composites, enough)
        return [sample], ""

    def label_map(self, ground: Ground, sample: Mapping[str, Look]) -> np.ndarray | None:
        """That of the label's year, or of the nearest near enough, where a sensor has a composite of it."""
        times = np.concatenate([look.times for look in sample.values()])
        there = bool((years_of(times) == self.settings.label_year).any())
        return self.map_of(ground, self.settings.label_year) if there else None


def masked(composites: Look, there: np.ndarray) -> Look:
    """The composites with those years invalid and without a date that are not ``there`` (time,)."""
    return Look(
        composites.values,
        composites.valid & there[:, None, None],
        np.where(there, composites.times, NO_TIME),
    )


def annual(look: Look, years: Sequence[int], scaling: Mapping[str, Any]) -> Look:
    """Composites of these years, dated 1 July: the mean of backscatter in power, the median of reflectance.

    A pixel without a valid date in a year gets the median of the pixels within 2 of it that have one,
    and is valid; where there is none either it is not. Composites are of the type that dates are.
    """
    values, valid = [], []
    for year in years:
        dates = years_of(look.times) == year
        filled = _fill_gaps(_composite(look.values[dates], look.valid[dates], scaling))
        valid.append(~np.isnan(filled).any(axis=0))
        values.append(rounded(np.nan_to_num(filled), look.values.dtype))
    dated = np.array([f"{year}-07-01" for year in years], "datetime64[ns]")
    return Look(np.stack(values), np.stack(valid), dated)


def _composite(scaled: np.ndarray, valid: np.ndarray, scaling: Mapping[str, Any]) -> np.ndarray:
    """One image (band, y, x) of several, from 0 to 255, NaN where no date is valid."""
    if not valid.any():
        return np.full(scaled.shape[1:], np.nan, np.float32)
    if scaling["source_unit"] != "dB":
        return median_of_valid(scaled, valid)
    lower, upper = (
        np.array([band[limit] for band in scaling["bands"].values()]) for limit in ("lower", "upper")
    )
    mean = mean_of_power(from_scaled(scaled, lower, upper), valid)
    return np.where(np.isnan(mean), np.float32(np.nan), to_scaled(mean, lower, upper, scaled.dtype))


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


KIND = Yearly
