"""How much imagery a study has: scenes and dates of each region, sensor and year, as found or as is usual."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from revisit.files import read_json
from revisit.plan.plan import Plan
from revisit.stac.adapter import moment, relative_orbit

# Both satellites of a mission in orbit; one alone halves it.
SENTINEL_2_PASSES = 73  # a year over a tile on one orbit: every 5 days
SENTINEL_1_PASSES = 61  # a year over a place on one orbit: every 6 days
SENTINEL_1_ORBITS = 2  # over a place: one ascending, one descending
ASSUMED = (
    f"Sentinel-2 on {SENTINEL_2_PASSES} dates a year and orbit, Sentinel-1 on {SENTINEL_1_PASSES} on each of "
    f"{SENTINEL_1_ORBITS} orbits (simulated: as `archive` says), one scene a date, all amounts of cloud alike"
)


class Series(NamedTuple):
    """The imagery of a sensor over a region in a year: ``found`` by the search, or assumed."""

    region: str
    sensor: str
    year: int
    scenes: float
    dates: float
    found: bool


def imagery(plan: Plan) -> Iterator[Series]:
    """Each download of a study."""
    downloads: dict[tuple[str, str], list[int]] = {}
    for path in plan.downloads():
        region, sensor, its_year = path.split("/")[-4:-1]
        downloads.setdefault((region, sensor), []).append(int(its_year))
    for (region, sensor), years in downloads.items():
        found = Path(f"{plan.root}/items/{region}/{sensor}.json")
        if found.is_file():
            yield from _found(read_json(found)["features"], region, sensor, years)
        else:
            scenes, dates = _usual(plan, region, sensor)
            yield from (Series(region, sensor, year, scenes, dates, found=False) for year in years)


def _found(items: list[dict[str, Any]], region: str, sensor: str, years: list[int]) -> Iterator[Series]:
    for year in years:
        mine = [item for item in items if moment(item).startswith(f"{year}-")]
        dates = {(moment(item)[:10], relative_orbit(item)) for item in mine}
        yield Series(region, sensor, year, len(mine), len(dates), found=True)


def _usual(plan: Plan, region: str, sensor: str) -> tuple[float, float]:
    """Scenes and dates of a year."""
    if sensor not in plan.sensors:  # a map
        return 1, 1
    search, simulated = plan.config["search"][sensor], plan.simulates(sensor)
    if simulated:
        dates = float(plan.config["archive"]["dates_per_year"][sensor])
    elif sensor == "sentinel-1":
        every = 1 if search["orbit_state"] else SENTINEL_1_ORBITS
        dates = SENTINEL_1_PASSES * len(search["orbits"] or range(every))
    else:
        dates = SENTINEL_2_PASSES * len(search["orbits"] or range(1))
    dates *= len(search["months"] or range(12)) / 12
    if search.get("cloud_cover_max") is not None:
        dates *= search["cloud_cover_max"] / 100
    dates = min(dates, search["dates_per_year"] or dates)
    tiles = plan.config["archive"]["tiles"].get(region, 1) if simulated and sensor == "sentinel-2" else 1
    return dates * tiles, dates
