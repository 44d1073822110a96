"""Make the embedded archive of one region: COGs, STAC items and collections, and the truth behind them.

The folder holds ``items.json`` (FeatureCollection, addresses relative to the folder), ``collections.json``
(list of STAC Collections) and ``truth.json``. Acquisitions are made and written one by one, so memory does
not grow with the length of the series.

Job: ``names`` region; output ``archive`` (a folder); settings: ``Settings``.
"""

from pathlib import Path
from typing import Any

from revisit import stage
from revisit.archive import items as catalogue
from revisit.archive import schedule
from revisit.archive.biomes import BIOMES
from revisit.archive.faults import spoil
from revisit.archive.geometry import scene_grid, tile_grids
from revisit.archive.land import Land
from revisit.archive.land_cover import write_truth, write_worldcover
from revisit.archive.scenes import Place, write_sentinel1, write_sentinel2
from revisit.archive.settings import Settings
from revisit.archive.weather import Weather
from revisit.files import atomic, write_json
from revisit.job import Job
from revisit.record import read

SIGN = (
    "[dx, dy] in pixels of 10 m: the content of the scene lies dx columns too far east and dy rows too far "
    "south; scene(row, column) shows the place (row - dy, column - dx) of the map"
)


def run(job: Job) -> None:
    """Make an archive as the job says."""
    build(job.names["region"], read(Settings, job.settings, "archive"), job.target("archive"))


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
        seen = sorted({*years.sentinel_1, *years.sentinel_2, *years.worldcover, *years.truth})
        items += [write_truth(place, year) for year in seen]
        items += [item for year in years.worldcover for item in write_worldcover(place, year)]
        items.sort(key=lambda item: (item["collection"], _when(item), item["id"]))
        write_json(folder / "items.json", {"type": "FeatureCollection", "features": items})
        write_json(folder / "collections.json", catalogue.collections(items))
        write_json(folder / "truth.json", truth)
        spoil(folder, settings.faults)
    stage.log.info("%s: %d items of %s, EPSG:%d", region, len(items), settings.biome, grid.epsg)


def _when(item: catalogue.Item) -> str:
    return str(item["properties"]["datetime"] or item["properties"]["start_datetime"])
