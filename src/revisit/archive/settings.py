"""Settings of the embedded archive: of a whole study, and of one region.

Planning reads them, so nothing is imported here that only the making of imagery needs.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from revisit.archive.biomes import BIOMES, FIRST_YEAR, LAST_YEAR
from revisit.archive.faults import Fault
from revisit.cube.grid import Region
from revisit.errors import RevisitError
from revisit.record import Record

# Passes of a sensor in a year, at most: every one of both sensors has a day of its own.
MOST_DATES = 120


def _known_biome(name: str) -> str:
    if name not in BIOMES:
        raise ValueError(f"no biome {name!r}; there is {', '.join(BIOMES)}")
    return name


def _simulated(years: list[int]) -> list[int]:
    if wrong := [year for year in years if not FIRST_YEAR <= year <= LAST_YEAR]:
        raise ValueError(
            f"{', '.join(map(str, wrong))}: the simulated Earth exists from {FIRST_YEAR} to {LAST_YEAR}"
        )
    return years


Biome = Annotated[str, AfterValidator(_known_biome), Field(json_schema_extra={"enum": list(BIOMES)})]
Tiles = Literal[1, 2]
Years = Annotated[list[int], AfterValidator(_simulated)]


class DatesPerYear(Record):
    """Acquisitions per year of each sensor."""

    sentinel_1: int = Field(default=6, alias="sentinel-1", ge=1, le=MOST_DATES)
    """Passes of Sentinel-1."""
    sentinel_2: int = Field(default=6, alias="sentinel-2", ge=1, le=MOST_DATES)
    """Passes of Sentinel-2."""


class YearsOf(Record):
    """Years of each sensor; none where the study does not search for it."""

    sentinel_1: Years = Field(default=[], alias="sentinel-1")
    sentinel_2: Years = Field(default=[], alias="sentinel-2")
    worldcover: Years = []
    truth: Years = []


class _Earth(Record):
    """What holds for all regions."""

    dates_per_year: DatesPerYear = DatesPerYear()
    """Acquisitions per year of each sensor."""
    displacement_pixels: float = Field(default=0.6, ge=0)
    """Standard deviation of acquisitions' displacement along each axis, pixels of 10 m; at most 2 in all."""
    reprocessed: float = Field(default=0.08, ge=0, le=1)
    """Share of the Sentinel-2 products before baseline 04.00 that are there twice."""


class Archive(_Earth):
    """What the simulated Earth is like."""

    biomes: dict[str, Biome] = {}
    """Biome of each region; temperate where none is named."""
    tiles: dict[str, Tiles] = {}
    """2 for regions in two overlapping Sentinel-2 tiles (of two zones where they span them); else 1."""
    faults: dict[str, list[Fault]] = {}
    """What to spoil in the finished archive of each region; nothing where none is named."""


class Settings(_Earth, Region):
    """Settings of one region's archive."""

    seed: int = Field(ge=0)
    """Seed of all that is random."""
    biome: Biome = "temperate"
    """Kinds of surface, seasons and skies."""
    tiles: Tiles = 1
    """Sentinel-2 tiles the region lies in."""
    years: YearsOf
    """Years of each sensor."""
    faults: list[Fault] = []
    """What to spoil in the end."""


def check_years(years: Mapping[str, Collection[int]]) -> None:
    """Raise RevisitError where ``years`` (by sensor) has some that the simulated Earth has not."""
    for sensor, wanted in years.items():
        try:
            _simulated(sorted(wanted))
        except ValueError as error:
            raise RevisitError(f"search.{sensor}.years: {error}; leave the others out") from error
