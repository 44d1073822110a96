"""The weather of every day: radar and optical dates close in time see the same wet ground and snow."""

from datetime import date

import numpy as np

from revisit.archive.biomes import Biome
from revisit.archive.kinds import day_of_year
from revisit.archive.noise import stream

START = date(2014, 1, 1)
DAYS = 366 * 14


class Weather:
    """Daily series of a region: ``moisture`` and ``snow`` (share of open ground) 0 to 1, ``wind`` in m/s."""

    def __init__(self, biome: Biome, south: bool, *key: object) -> None:
        rng = stream(*key, "weather")
        season = -np.cos(2 * np.pi * (np.arange(DAYS) % 365.25 - 20) / 365.25) * (-1 if south else 1)
        warmth = biome.winter + 9.5 * (season + 1) + _memory(rng.normal(0, 1.1, DAYS), 0.85)
        rain = (rng.random(DAYS) < biome.rain) * rng.gamma(0.9, 6, DAYS)
        moisture, snow, depth = np.zeros(DAYS), np.zeros(DAYS), 0.0
        wet = 0.5
        for day in range(DAYS):
            drying = 0.035 + 0.006 * max(warmth[day], 0)
            wet = min(1.0, wet * (1 - drying) + 0.018 * rain[day])
            depth = max(0.0, depth + (rain[day] if warmth[day] < 0 else -3 * warmth[day]))
            moisture[day], snow[day] = wet, min(1.0, depth / 25)
        self.moisture, self.snow = moisture, snow
        self.wind = np.abs(_memory(rng.normal(0, 3.2, DAYS), 0.5)) + 1.5
        self._lateness = rng.normal(0, 6, DAYS // 365 + 2)
        self._shift = biome.season_shift + (183 if south else 0)

    def calendar_day(self, day: date) -> int:
        """The day of the year that plants behave like: shifted by biome, hemisphere and the year's spring."""
        behaves: float = day_of_year(day) - self._shift - self._lateness[day.year - START.year]
        return round(behaves)

    def index(self, day: date) -> int:
        return (day - START).days


def _memory(values: np.ndarray, share: float) -> np.ndarray:
    """Autoregressive series: every day keeps a share of the day before."""
    result = np.empty_like(values)
    last = 0.0
    for i, value in enumerate(values):
        last = share * last + value
        result[i] = last
    return result
