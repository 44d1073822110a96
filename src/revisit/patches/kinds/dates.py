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
        labelled = np.array([self.nearest_map(ground, year) is not None for year in years])
        chosen = clear[spread(look.times[clear], settings.samples_per_place, seed, labelled)]
        return [{sensor: Look(*(part[date : date + 1] for part in look))} for date in chosen], ""

    def label_map(self, ground: Ground, sample: Mapping[str, Look]) -> np.ndarray | None:
        (own,) = years_of(sample[self.settings.sensor].times).tolist()
        return self.map_of(ground, own)


KIND = Dates
