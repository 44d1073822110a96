"""Dates: single clear images of one sensor, each a sample of its own with the label map of its year.

What maps through the year are learnt from (DynamicEarthNet, of which every month has its map), and scenes
seen by one sensor.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pydantic import Field

from revisit.patches.kind import Entry, Ground, Kind, Look, check_sensors, years_of
from revisit.patches.spread import clear_dates, spread


class DatesEntry(Entry):
    """A collection of single dates, each labelled by the map of the year nearest to its own."""

    sensor: str = "sentinel-2"
    """The sensor whose images are taken."""
    samples_per_place: int = Field(ge=1)
    """Most dates taken of one place, unlike in season and year."""


class Dates(Kind[DatesEntry]):
    """One image a sample, several samples a place."""

    Settings = DatesEntry
    time_axis = False

    @classmethod
    def taken(cls, settings: DatesEntry, available: Iterable[str]) -> list[str]:
        return [settings.sensor]

    @classmethod
    def check(
        cls, name: str, settings: DatesEntry, searched: Mapping[str, Sequence[int]], block_pixels: int
    ) -> None:
        super().check(name, settings, searched, block_pixels)
        check_sensors(name, [settings.sensor], searched)

    def samples(self, ground: Ground) -> tuple[list[dict[str, Look]], str]:
        sensor, settings = self.settings.sensor, self.settings
        look = ground.looks[sensor]
        clear = clear_dates(look, settings.min_valid)
        if not len(clear):
            return [], f"a clear date of {sensor}"
        seed = [self.seed, int(ground.x), int(ground.y)]
        years = years_of(look.times[clear]).tolist()
        labelled = np.array([self._nearest(ground, year) is not None for year in years])
        chosen = clear[spread(look.times[clear], settings.samples_per_place, seed, labelled)]
        return [{sensor: Look(*(part[date : date + 1] for part in look))} for date in chosen], ""

    def label_map(self, ground: Ground, sample: Mapping[str, Look]) -> np.ndarray | None:
        """That of the year nearest to the image's, of two the earlier, if it is near enough."""
        (own,) = years_of(sample[self.settings.sensor].times).tolist()
        year = self._nearest(ground, own)
        return ground.by_year[year] if year is not None and ground.by_year[year].any() else None

    def _nearest(self, ground: Ground, own: int) -> int | None:
        """The year of the map that labels an image of the year ``own``; None where none is near enough."""
        near = [year for year in ground.by_year if abs(year - own) <= self.settings.label_years_apart]
        return min(near, key=lambda year: (abs(year - own), year), default=None)


KIND = Dates
