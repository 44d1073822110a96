"""Make the embedded archive of one region: COGs, STAC items and collections, and the truth behind them.

    python -m revisit.archive.make --region R --settings '{"bbox": [w, s, e, n], …}' --out FOLDER

The folder holds ``items.json`` (FeatureCollection, addresses relative to the folder), ``collections.json``
(list of STAC Collections) and ``truth.json``. Acquisitions are made and written one by one, so memory does
not grow with the length of the series.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from revisit import stage
from revisit.archive import faults, schedule
from revisit.archive import items as catalogue
from revisit.archive.biomes import BIOMES
from revisit.archive.geometry import scene_grid, tile_grids
from revisit.archive.land import Land
from revisit.archive.land_cover import write_truth, write_worldcover
from revisit.archive.scenes import Region, write_sentinel1, write_sentinel2
from revisit.archive.weather import Weather
from revisit.errors import RevisitError
from revisit.files import atomic, write_json

DEFAULTS: dict[str, Any] = {
    "seed": 1,
    "epsg": None,  # of the scenes; by default the zone of the bbox's centre
    "biome": "temperate",
    "years": {
        "sentinel-1": list(range(2015, 2023)),
        "sentinel-2": list(range(2017, 2023)),
        "worldcover": [2020],
    },
    "dates_per_year": {"sentinel-1": 6, "sentinel-2": 6},
    "displacement_pixels": 0.6,  # deviation of the acquisitions' displacement, along each axis
    "tiles": 1,  # 2: Sentinel-2 comes in two overlapping tiles, in two zones where the bbox spans them
    "reprocessed": 0.08,  # share of the products before baseline 04.00 that are there twice
    "faults": [],  # see revisit.archive.faults
}
SIGN = (
    "[dx, dy] in pixels of 10 m: the content of the scene lies dx columns too far east and dy rows too far "
    "south; scene(row, column) shows the place (row - dy, column - dx) of the map"
)


def build(region: str, settings: dict[str, Any], out: str | Path) -> None:
    """Make the archive of a region in the folder ``out``.

    Settings: ``bbox`` ([west, south, east, north] in degrees) and any of ``DEFAULTS``. Raises RevisitError
    where a setting is missing, unknown or out of range.
    """
    settings = _checked(settings)
    years, per_year = settings["years"], settings["dates_per_year"]
    bbox, key = tuple(settings["bbox"]), (settings["seed"], region)
    biome = BIOMES[settings["biome"]]
    grid = scene_grid(bbox, settings["epsg"])
    place = ((bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2)
    sigma = settings["displacement_pixels"]
    optical = schedule.sentinel2(
        years["sentinel-2"], per_year["sentinel-2"], biome, place, sigma, settings["reprocessed"], *key
    )
    radar = schedule.sentinel1(
        years["sentinel-1"], per_year["sentinel-1"], per_year["sentinel-2"], place, sigma, *key
    )
    items: list[catalogue.Item] = []
    truth: dict[str, Any] = {"sign": SIGN, "displacement_pixels": {}, "clear_fraction": {}}

    def note(one: schedule.Pass, item: catalogue.Item, clear: float) -> None:
        items.append(item)
        truth["displacement_pixels"][item["id"]] = list(one.displacement)
        truth["clear_fraction"][item["id"]] = round(clear, 6)

    with atomic(out) as folder:
        folder.mkdir()
        made = Region(
            key=key,
            folder=folder,
            grid=grid,
            tiles=tile_grids(grid, bbox, settings["tiles"]),
            latitude=place[1],
            land=Land(grid.shape, biome, *key),
            weather=Weather(biome, place[1] < 0, *key),
        )
        for one in stage.progress(optical, f"{region} Sentinel-2"):
            for item, clear in write_sentinel2(made, one):
                note(one, item, clear)
        for one in stage.progress(radar, f"{region} Sentinel-1"):
            note(one, *write_sentinel1(made, one))
        seen = sorted({*years["sentinel-1"], *years["sentinel-2"], *years["worldcover"]})
        items += [write_truth(made, year) for year in seen]
        items += [write_worldcover(made, year) for year in years["worldcover"]]
        items.sort(key=lambda item: (item["collection"], *_when(item), item["id"]))
        write_json(folder / "items.json", {"type": "FeatureCollection", "features": items})
        write_json(folder / "collections.json", catalogue.collections(items))
        write_json(folder / "truth.json", truth)
        faults.spoil(folder, settings["faults"])
    stage.log.info("%s: %d items of %s, EPSG:%d", region, len(items), settings["biome"], grid.epsg)


def _when(item: catalogue.Item) -> tuple[str]:
    return (item["properties"]["datetime"] or item["properties"]["start_datetime"],)


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with the defaults filled in, keys and ranges checked."""
    stage.setting(settings, "bbox")
    for given, known, where in (
        (settings, {*DEFAULTS, "bbox"}, "archive"),
        (settings.get("years", {}), DEFAULTS["years"], "archive: years"),
        (settings.get("dates_per_year", {}), DEFAULTS["dates_per_year"], "archive: dates_per_year"),
    ):
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise RevisitError(f"{where}: unknown keys {unknown}; known are {sorted(known)}")
    full = {**DEFAULTS, **settings}
    for key in ("years", "dates_per_year"):
        full[key] = {**DEFAULTS[key], **settings.get(key, {})}
    if full["biome"] not in BIOMES:
        raise RevisitError(f"archive: no biome {full['biome']!r}; there are {sorted(BIOMES)}")
    if full["tiles"] not in (1, 2):
        raise RevisitError(f"archive: tiles must be 1 or 2, not {full['tiles']!r}")
    wrong = [year for years in full["years"].values() for year in years if not 2015 <= year <= 2025]
    if wrong:
        raise RevisitError(f"archive: years {wrong}: the simulated Earth exists from 2015 to 2025")
    return full


def build_from_arguments(arguments: argparse.Namespace) -> None:
    build(arguments.region, arguments.settings, arguments.out)


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--region", required=True, help="the region's name")
    parser.add_argument("--out", required=True, type=Path, help="the archive's folder")
    return stage.main(build_from_arguments, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
