"""Series: several clear dates of a place, spread over years and seasons, with their times.

What contrast over time learns from (SeCo, CACo, GSSL): views of one place that differ in season or year. The
dates of two sensors are chosen each for itself; the same slot of both is not one date.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pydantic import Field, model_validator

from revisit.patches.kind import NO_TIME, Entry, Ground, Kind, Look, check_sensors
from revisit.patches.spread import clear_dates, spread


class SeriesEntry(Entry):
    """A collection of series."""

    dates: int = Field(ge=1)
    """Most dates taken of one place, of each sensor."""
    min_dates: int = Field(1, ge=1)
    """Fewest dates a place must have, of each sensor; what it has less than `dates` is masked."""
    sensors: list[str] | None = Field(None, min_length=1)
    """Sensors to take; all that are searched if absent."""

    @model_validator(mode="after")
    def _in_order(self) -> "SeriesEntry":
        if self.min_dates > self.dates:
            raise ValueError(f"min_dates is {self.min_dates}, more than dates, {self.dates}; lower it")
        return self


class Series(Kind[SeriesEntry]):
    """Up to so many dates of each sensor a sample, one sample a place."""

    Settings = SeriesEntry
    time_axis = True

    @classmethod
    def taken(cls, settings: SeriesEntry, available: Iterable[str]) -> list[str]:
        return sorted(settings.sensors or available)

    @classmethod
    def check(
        cls, name: str, settings: SeriesEntry, searched: Mapping[str, Sequence[int]], block_pixels: int
    ) -> None:
        super().check(name, settings, searched, block_pixels)
        check_sensors(name, settings.sensors or (), searched)

    def samples(self, ground: Ground) -> tuple[list[dict[str, Look]], str]:
        seed = [self.seed, int(ground.x), int(ground.y)]
        sample = {}
        for sensor, look in ground.looks.items():
            clear = clear_dates(look, self.settings.min_valid)
            if len(clear) < self.settings.min_dates:
                return [], f"{self.settings.min_dates} clear dates of {sensor}"
            sample[sensor] = _slots(
                look, clear[spread(look.times[clear], self.settings.dates, seed)], self.settings.dates
            )
        return [sample], ""


def _slots(look: Look, chosen: np.ndarray, slots: int) -> Look:
    """The chosen dates of a look, in order of time, and behind them slots without a date."""
    chosen = chosen[np.argsort(look.times[chosen], kind="stable")]
    empty = slots - len(chosen)
    times = np.concatenate([look.times[chosen].astype("datetime64[ns]"), np.full(empty, NO_TIME)])
    values, valid = (np.zeros((slots, *part.shape[1:]), part.dtype) for part in (look.values, look.valid))
    values[: len(chosen)], valid[: len(chosen)] = look.values[chosen], look.valid[chosen]
    return Look(values, valid, times)


KIND = Series
