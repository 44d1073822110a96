"""Make the embedded archive of one region: COGs, STAC items and collections, and the truth behind them.

The folder holds ``items.json`` (FeatureCollection, addresses relative to the folder), ``collections.json``
(list of STAC Collections) and ``truth.json``. Acquisitions are made and written one by one, so memory does
not grow with the length of the series.

Job: ``names`` region; output ``archive`` (a folder); settings: ``Settings``.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from revisit import stage
from revisit.archive import items as catalogue
from revisit.archive import schedule
from revisit.archive.biomes import BIOMES
from revisit.archive.faults import Fault, spoil
from revisit.archive.geometry import scene_grid, tile_grids
from revisit.archive.land import FIRST_YEAR, LAST_YEAR, Land
from revisit.archive.land_cover import write_truth, write_worldcover
from revisit.archive.scenes import Place, write_sentinel1, write_sentinel2
from revisit.archive.weather import Weather
from revisit.cube.grid import Region
from revisit.errors import RevisitError
from revisit.files import atomic, write_json
from revisit.job import Job
from revisit.record import Record, read

# Passes of a sensor in a year, at most: every one of both sensors has a day of its own.
MOST_DATES = 120
SIGN = (
    "[dx, dy] in pixels of 10 m: the content of the scene lies dx columns too far east and dy rows too far "
    "south; scene(row, column) shows the place (row - dy, column - dx) of the map"
)


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


def run(job: Job) -> None:
    """Make an archive as the job says."""
    build(job.names["region"], read(Settings, job.settings, "archive"), job.target("archive"))


def check_years(years: Mapping[str, Collection[int]]) -> None:
    """Raise RevisitError where ``years`` (by sensor) has some that the simulated Earth has not."""
    for sensor, wanted in years.items():
        try:
            _simulated(sorted(wanted))
        except ValueError as error:
            raise RevisitError(f"search.{sensor}.years: {error}; leave the others out") from error


def build(region: str, settings: Settings, out: str | Path) -> None:
    """Make the archive of a region in the folder ``out``."""
    years, per_year = settings.years, settings.dates_per_year
    west, south, east, north = settings.bbox
    bbox = west, south, east, north
    # Land and weather belong to a place, whatever it is called.
    key = settings.seed, " ".join(f"{edge:.4f}" for edge in bbox)
    biome = BIOMES[settings.biome]
    grid = scene_grid(bbox, settings.epsg)
    centre = ((west + east) / 2, (south + north) / 2)
    sigma = settings.displacement_pixels
    optical = schedule.sentinel2(
        years.sentinel_2, per_year.sentinel_2, biome, centre, sigma, settings.reprocessed, *key
    )
    radar = schedule.sentinel1(
        years.sentinel_1, per_year.sentinel_1, per_year.sentinel_2, centre, sigma, *key
    )
    items: list[catalogue.Item] = []
    truth: dict[str, Any] = {"sign": SIGN, "displacement_pixels": {}, "clear_fraction": {}}

    def note(one: schedule.Pass, item: catalogue.Item, clear: float) -> None:
        items.append(item)
        truth["displacement_pixels"][item["id"]] = list(one.displacement)
        truth["clear_fraction"][item["id"]] = round(clear, 6)

    with atomic(out) as folder:
        folder.mkdir()
        place = Place(
            key=key,
            folder=folder,
            grid=grid,
            tiles=tile_grids(grid, bbox, settings.tiles),
            latitude=centre[1],
            land=Land(grid.shape, biome, *key),
            weather=Weather(biome, centre[1] < 0, *key),
        )
        for one in stage.progress(optical, f"{region} Sentinel-2"):
            for item, clear in write_sentinel2(place, one):
                note(one, item, clear)
        for one in stage.progress(radar, f"{region} Sentinel-1"):
            note(one, *write_sentinel1(place, one))
        seen = sorted({*years.sentinel_1, *years.sentinel_2, *years.worldcover})
        items += [write_truth(place, year) for year in seen]
        items += [write_worldcover(place, year) for year in years.worldcover]
        items.sort(key=lambda item: (item["collection"], _when(item), item["id"]))
        write_json(folder / "items.json", {"type": "FeatureCollection", "features": items})
        write_json(folder / "collections.json", catalogue.collections(items))
        write_json(folder / "truth.json", truth)
        spoil(folder, settings.faults)
    stage.log.info("%s: %d items of %s, EPSG:%d", region, len(items), settings.biome, grid.epsg)


def _when(item: catalogue.Item) -> str:
    return str(item["properties"]["datetime"] or item["properties"]["start_datetime"])
