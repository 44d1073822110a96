"""The state of the land on one day: canopy, wetness, snow. Optics and radar both look at this."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from revisit.archive.kinds import DAYS, KINDS, calendar, number, table
from revisit.archive.land import Land
from revisit.archive.noise import Field, stream
from revisit.archive.patterns import OF_CANOPY
from revisit.archive.weather import Weather

GREEN, DRY = calendar("green"), calendar("dry")
GRAIN, HEIGHT = table("grain"), table("height")
CANOPY = np.array([kind.pattern in OF_CANOPY for kind in KINDS.values()])


@dataclass(frozen=True)
class State:
    """Fields (y, x): ``kinds``, shares of ``green`` and ``dry`` canopy, ``moisture`` and ``snow`` 0 to 1.

    ``pattern`` is what varies within parcels, of the deviation the kind has. The shares of canopy hold it
    where it is one of canopy; ``shade`` is the rest of it, a relative variation of light.
    """

    land: Land
    day: date
    kinds: NDArray[np.uint8]
    green: Field
    dry: Field
    moisture: Field
    snow: Field
    pattern: Field
    shade: Field
    wind: float


def state(land: Land, weather: Weather, day: date) -> State:
    """The land on a day."""
    kinds = land.kinds(day.year)
    when = np.mod(weather.calendar_day(day) - land.timing, DAYS)
    place = kinds.astype(np.int32) * DAYS + when
    green, dry = GREEN.take(place), DRY.take(place)
    luck = stream(*land.key, "harvest", day.year).normal(0, 0.05)
    pattern = GRAIN[kinds] * land.pattern(day.year)
    dense = 1 + pattern * CANOPY[kinds]
    green = np.clip(green * land.vigour * (1 + luck) * dense, 0, 0.97)
    dry = np.minimum(dry * dense, 1 - green)
    shade = pattern * np.where(CANOPY[kinds], 0.6 * (1 - green - dry), 1)
    today = weather.index(day)
    moisture = np.clip(weather.moisture[today] * (0.6 + 0.8 * land.low), 0, 1).astype(np.float32)
    cold = weather.snow[today]
    snow = np.zeros(land.shape, dtype=np.float32)
    if cold > 0.05:  # patchy when thin; trees and water hide or lack it
        open_ground = 1 - 0.8 * np.minimum(HEIGHT[kinds] / 12, 1)
        snow = np.clip(cold * 2.2 - 0.6 - 0.4 * land.tint + 0.4 * land.low, 0, 1) * open_ground
        snow[kinds == number("sea")] = 0
        snow[kinds == number("river")] = 0
    wind = float(weather.wind[today])
    snow = snow.astype(np.float32)
    return State(land, day, kinds, green, dry, moisture, snow, pattern, shade, wind)
