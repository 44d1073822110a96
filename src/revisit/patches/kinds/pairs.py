"""Pairs: of one place, a clear Sentinel-2 image and the Sentinel-1 image nearest to it in time."""

from collections.abc import Iterable

import numpy as np
from pydantic import Field

from revisit.patches.kind import Entry, Ground, Kind, Look
from revisit.patches.spread import DAY, clear_dates, spread

SENSORS = RADAR, OPTICAL = "sentinel-1", "sentinel-2"


class PairsEntry(Entry):
    """A collection of pairs."""

    max_days_apart: float = Field(ge=0)
    """Longest time between the two images of a pair, days."""
    samples_per_place: int = Field(ge=1)
    """Most pairs taken of one place."""


class Pairs(Kind[PairsEntry]):
    """One image of each sensor a sample, days apart."""

    Settings = PairsEntry
    needs = SENSORS
    time_axis = False

    @classmethod
    def taken(cls, settings: PairsEntry, available: Iterable[str]) -> list[str]:
        return list(SENSORS)

    def samples(self, ground: Ground) -> tuple[list[dict[str, Look]], str]:
        """Up to ``samples_per_place`` pairs of a place, by sensor a look of one date; or what it lacks.

        A date counts where at least ``min_valid`` of its pixels are valid; the dates of a pair are at most
        ``max_days_apart`` days from each other. Chosen are pairs unlike in season and year, and among them
        one that the land cover holds for, if there is any.
        """
        looks, settings = ground.looks, self.settings
        optical, radar = (clear_dates(looks[sensor], settings.min_valid) for sensor in (OPTICAL, RADAR))
        for sensor, dates in ((OPTICAL, optical), (RADAR, radar)):
            if not len(dates):
                return [], f"a clear date of {sensor}"
        times = looks[OPTICAL].times[optical]
        apart = np.abs(times[:, None] - looks[RADAR].times[radar]) / DAY
        candidates = np.flatnonzero(apart.min(axis=1) <= settings.max_days_apart)
        if not len(candidates):
            return [], "dates near each other"
        partners = radar[apart.argmin(axis=1)]
        near = self.near_labels(times) & self.near_labels(looks[RADAR].times[partners])
        seed = [self.seed, int(ground.x), int(ground.y)]
        chosen = spread(times[candidates], settings.samples_per_place, seed, near[candidates])
        return [
            {RADAR: _at(looks[RADAR], partners[index]), OPTICAL: _at(looks[OPTICAL], optical[index])}
            for index in candidates[chosen]
        ], ""


def _at(look: Look, date: int) -> Look:
    return Look(*(part[date : date + 1] for part in look))


KIND = Pairs
