"""When the satellites pass, on which orbit, how each product was processed and how far it is displaced."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from revisit.archive.biomes import Biome
from revisit.archive.noise import stream

MAX_DISPLACEMENT = 2.0  # pixels, in all
DAY_S = 86_400
OFFSET_SINCE = "04.00"  # the baseline from which DN carry an offset of 1000
BASELINES = (  # first day of each processing baseline
    (date(2015, 1, 1), "02.04"),
    (date(2018, 10, 8), "02.09"),
    (date(2019, 7, 8), "02.13"),
    (date(2020, 2, 4), "02.14"),
    (date(2021, 3, 30), "03.00"),
    (date(2021, 7, 1), "03.01"),
    (date(2022, 1, 25), OFFSET_SINCE),
)
REPROCESSED = "05.00"
# Since this baseline products are laid onto the Global Reference Image. Before, dates lay about 12 m apart
# and 11 m from the map (95 %; ESA, Sentinel-2 L1C Data Quality Reports: multi-temporal registration and
# absolute geolocation), since then 3 to 5 m apart (95 %; ESA expects 5 m in "Forthcoming deployment of the
# Copernicus Sentinel-2 products geometric refinement", 22 March 2021): a third as far.
REFINED_SINCE, REFINED = "03.00", 1 / 3


@dataclass(frozen=True)
class Pass:
    """One product of one pass. ``displacement``: pixels its content lies too far east and south."""

    when: datetime
    platform: str  # like S2A
    relative_orbit: int
    ascending: bool
    displacement: tuple[float, float]
    swath_edge: float = 0.0  # share of the scene's diagonal outside the swath
    cloud_cover: float = 0.0
    baseline: str = ""
    sequence: int = 0
    quality: float = 1.0  # factor on noise

    @property
    def seed(self) -> tuple[str, int]:
        """What the random numbers of the pass depend on; those of a product take its sequence as well."""
        return self.platform[:2], self.when.toordinal()


def sentinel2(
    years: Iterable[int], per_year: int, biome: Biome, place: tuple[float, float], displacement: float,
    reprocessed: float, *key: object,
) -> list[Pass]:  # fmt: skip
    """Passes of Sentinel-2; a share of the older products is there twice, reprocessed with a new baseline."""
    longitude, latitude = place
    orbit = int(stream(*key, "S2 orbits").integers(1, 100))
    result = []
    for day in (day for year in years for day in _days(year, per_year, *key)):
        rng = stream(*key, "S2", day.toordinal())
        platform = "S2B" if day >= date(2017, 7, 1) and rng.random() < 0.5 else "S2A"
        edge = rng.random() < 0.3  # the second orbit sees the place at the edge of its swath
        swath_edge = rng.uniform(0.12, 0.3) if edge and rng.random() < 0.6 else 0.0
        winter = (1 if latitude >= 0 else -1) * (1 if day.month in (11, 12, 1, 2) else -0.5)
        cloudy = min(max(biome.cloudiness + 0.1 * winter, 0.05), 0.95)
        cover = float(rng.beta(1.1 * cloudy, 1.1 * (1 - cloudy)))
        baseline = max(name for since, name in BASELINES if since <= day)
        first = Pass(
            when=_moment(day, 10.5 - longitude / 15, int(rng.integers(0, 600))),
            platform=platform,
            relative_orbit=orbit + 43 * edge,
            ascending=False,
            displacement=_displacement(rng, displacement * (REFINED if baseline >= REFINED_SINCE else 1)),
            swath_edge=swath_edge,
            cloud_cover=cover,
            baseline=baseline,
        )
        if first.baseline < OFFSET_SINCE and rng.random() < reprocessed:
            refined = _displacement(rng, displacement * REFINED)
            again = replace(first, baseline=REPROCESSED, sequence=1, displacement=refined)
            result += [replace(first, quality=2.5), again]
        else:
            result.append(first)
    return result


def sentinel1(
    years: Iterable[int], per_year: int, optical_per_year: int, place: tuple[float, float],
    displacement: float, *key: object,
) -> list[Pass]:  # fmt: skip
    """Passes of Sentinel-1: two thirds are one to four days from one of Sentinel-2, none on its day."""
    orbits = {up: int(stream(*key, "S1 orbits").integers(1, 150)) + 22 * up for up in (False, True)}
    result = []
    for year in years:
        optical = _days(year, optical_per_year, *key)
        taken = set(optical)
        for number, day in enumerate(_days(year, per_year, *key, "S1")):
            rng = stream(*key, "S1", day.toordinal())
            if optical and rng.random() < 0.67:
                near = optical[min(int((number + 0.5) / per_year * len(optical)), len(optical) - 1)]
                day = near + timedelta(days=int(rng.choice([-4, -3, -2, -1, 1, 2, 3, 4])))
            while day in taken or day.year != year:
                day = date(year, 1, 1) if day.year != year else day + timedelta(days=1)
            taken.add(day)
            platform = (
                "S1B" if date(2016, 10, 1) <= day < date(2021, 12, 23) and rng.random() < 0.5 else "S1A"
            )
            ascending = bool(rng.random() < 0.5)
            result.append(
                Pass(
                    when=_moment(
                        day, (17.8 if ascending else 5.9) - place[0] / 15, int(rng.integers(0, 900))
                    ),
                    platform=platform,
                    relative_orbit=orbits[ascending],
                    ascending=ascending,
                    displacement=_displacement(rng, displacement),
                    swath_edge=rng.uniform(0.1, 0.2) if rng.random() < 0.06 else 0.0,
                )
            )
    return sorted(result, key=lambda one: one.when)


def _days(year: int, per_year: int, *key: object) -> list[date]:
    """Days spread over a year, each moved at random within a part of its share; distinct if at most 160."""
    rng = stream(*key, "days", year)
    share = 365 / max(per_year, 1)
    return [
        date(year, 1, 1) + timedelta(days=int((i + rng.uniform(0.22, 0.78)) * share)) for i in range(per_year)
    ]


def _moment(day: date, hour: float, second: int) -> datetime:
    """A moment of a day of UTC, whatever the longitude makes of the hour: products go by that date."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(
        seconds=(round(hour * 3600) + int(second)) % DAY_S
    )


def _displacement(rng: np.random.Generator, sigma: float) -> tuple[float, float]:
    moved = rng.normal(0, sigma, 2)
    moved *= MAX_DISPLACEMENT / max(math.hypot(*moved), MAX_DISPLACEMENT)
    return round(float(moved[0]), 4), round(float(moved[1]), 4)
