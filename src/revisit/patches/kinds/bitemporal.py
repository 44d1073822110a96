"""Bitemporal: two images of a place from two years, and what has changed on the ground between them.

The label of a pixel is whether its class is another in the later year's label map. In a store the images are
times 0 and 1, the earlier first, each with its date; the label map has the codes of
``revisit.cube.labels.change``. Pairs with a ready map of change (OSCD) are of this layout too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from revisit.cube.labels.change import CHANGE, change
from revisit.cube.labels.legend import Legend
from revisit.errors import RevisitError
from revisit.patches.kind import LABELS, Entry, Ground, Kind, Look, Sensed, check_sensors, years_of
from revisit.patches.spread import DAY, YEAR_DAYS, clear_dates


class BitemporalEntry(Entry):
    """A collection of image pairs and their change; `label_years_apart` says nothing here."""

    years: Annotated[list[int], Field(min_length=2, max_length=2)]
    """The two years, the earlier first; images and label maps are of just these."""
    max_season_apart: float = Field(45, ge=0)
    """Most days between the two images' days of the year; a place without such images is lost."""
    sensors: list[str] | None = Field(None, min_length=1)
    """Sensors to take, each with images of its own dates; all that are searched if absent."""


class Bitemporal(Kind[BitemporalEntry]):
    """Of each sensor a clear date of either year, as near to each other in season as there are."""

    Settings = BitemporalEntry
    time_axis = True

    def __init__(
        self,
        settings: BitemporalEntry,
        sensors: Mapping[str, Sensed],
        seed: int,
        label_years: Sequence[Sequence[int]] = (),
    ) -> None:
        super().__init__(settings, sensors, seed, label_years)
        of_years = [[own for own in label_years if year in own] for year in settings.years]
        if of_years[0] and of_years[0] == of_years[1]:
            raise RevisitError(
                f"one label map holds for both {settings.years[0]} and {settings.years[1]}, so that nothing "
                "has changed; give each year its own"
            )

    @classmethod
    def legend(cls, legend: Legend) -> Legend:
        return CHANGE

    @classmethod
    def taken(cls, settings: BitemporalEntry, available: Iterable[str]) -> list[str]:
        return sorted(settings.sensors or available)

    @classmethod
    def check(
        cls, name: str, settings: BitemporalEntry, searched: Mapping[str, Sequence[int]], block_pixels: int
    ) -> None:
        super().check(name, settings, searched, block_pixels)
        first, second = settings.years
        if first >= second:
            raise RevisitError(f"collections.{name}.years: {settings.years}; give two, the earlier first")
        check_sensors(name, settings.sensors or (), searched)
        for sensor, years in searched.items():
            if sensor != LABELS and sensor not in cls.taken(settings, searched):
                continue
            if missing := [year for year in settings.years if year not in years]:
                how = "there are labels of" if sensor == LABELS else f"{sensor} is searched in"
                raise RevisitError(
                    f"collections.{name}.years: {missing[0]}, but {how} {list(years)}; change is between two "
                    "years that have both, search for them"
                )

    def samples(self, ground: Ground) -> tuple[list[dict[str, Look]], str]:
        sample = {}
        for sensor, look in ground.looks.items():
            clear = clear_dates(look, self.settings.min_valid)
            before, after = (clear[years_of(look.times[clear]) == year] for year in self.settings.years)
            for year, dates in zip(self.settings.years, (before, after), strict=True):
                if not len(dates):
                    return [], f"a clear date of {sensor} in {year}"
            apart = season_apart(look.times[before], look.times[after])
            if apart.min() > self.settings.max_season_apart:
                return [], f"dates of {sensor} near each other in season"
            one, other = np.unravel_index(int(np.argmin(apart)), apart.shape)
            sample[sensor] = Look(*(part[[before[one], after[other]]] for part in look))
        return [sample], ""

    def label_map(self, ground: Ground, sample: Mapping[str, Look]) -> np.ndarray | None:
        """Where the maps of the two years differ."""
        if not set(self.settings.years) <= ground.by_year.keys():
            return None
        changed = change(*(ground.by_year[year] for year in self.settings.years))
        return changed if changed.any() else None


KIND = Bitemporal


def season_apart(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Days between the days of the year of all pairs of times, at most half a year: (before, after)."""
    days = [(times - times.astype("datetime64[Y]")) / DAY for times in (before, after)]
    apart = np.abs(days[0][:, None] - days[1])
    nearest: np.ndarray = np.minimum(apart, YEAR_DAYS - apart)
    return nearest
