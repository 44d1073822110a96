"""Searches a STAC API for one sensor over one region and freezes what it found.

Writes a STAC ItemCollection by time and id, one item per acquisition, without links that age. Hrefs of a
folder that revisit serves itself are kept as ``served:///path``.

Job: ``names`` region, sensor; input ``folder`` (what our own API serves; none for a remote one); output
``found``; settings: ``Settings``.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import pystac
from pydantic import AfterValidator, Field, model_validator
from pystac_client import Client, ConformanceClasses
from pystac_client.exceptions import APIError

from revisit import files, stage
from revisit.cube.degrees import boxes_in_degrees
from revisit.cube.grid import Region, utm_zones
from revisit.errors import RevisitError
from revisit.job import Job
from revisit.record import Record, read
from revisit.stac import adapter, patient_api
from revisit.stac.dates import thin
from revisit.stac.failures import OutageError
from revisit.stac.local import endpoint, frozen
from revisit.stac.patience import Patience, Patient
from revisit.stac.patient_api import PatientApi
from revisit.stac.providers import Provider, Source, Stated, source
from revisit.stac.slots import Shared

Item = dict[str, Any]
PAGE = 100
LASTING_LINKS = ("derived_from", "license")


def _from(first: int, last: int | None = None) -> AfterValidator:
    """Years within a mission: from its first to its last, or to this year."""

    def check(years: list[int]) -> list[int]:
        end = last or date.today().year
        if wrong := [year for year in years if not first <= year <= end]:
            raise ValueError(f"there is no data of {', '.join(map(str, wrong))}, only of {first} to {end}")
        return _once(years)

    return AfterValidator(check)


def _once(numbers: list[int]) -> list[int]:
    if len(set(numbers)) < len(numbers):
        raise ValueError("names one twice")
    return numbers


class _Items(Record):
    """Which items to search for."""

    skip: list[str] = []
    """Items to leave out, by their id: unusable ones, or such as cannot be downloaded."""


class _Series(_Items):
    """Which dates of a series of images to search for."""

    months: Annotated[list[Annotated[int, Field(ge=1, le=12)]], AfterValidator(_once)] | None = Field(
        None, min_length=1
    )
    """Only these months of every year, 1 to 12."""
    dates_per_year: int | None = Field(None, ge=1)
    """Keep at most so many dates per year: spread over it, the least cloudy first."""


class Sentinel1Search(_Series):
    """Which Sentinel-1 scenes to search for."""

    years: Annotated[list[int], Field(min_length=1), _from(2014)]
    """Years of the scenes."""
    orbits: Annotated[list[Annotated[int, Field(ge=1, le=175)]], AfterValidator(_once)] | None = Field(
        None, min_length=1
    )
    """Only scenes of these relative orbits, 1 to 175."""
    orbit_state: Literal["ascending", "descending"] | None = None
    """Only scenes of this orbit state."""


class Sentinel2Search(_Series):
    """Which Sentinel-2 scenes to search for."""

    years: Annotated[list[int], Field(min_length=1), _from(2015)]
    """Years of the scenes."""
    orbits: Annotated[list[Annotated[int, Field(ge=1, le=143)]], AfterValidator(_once)] | None = Field(
        None, min_length=1
    )
    """Only scenes of these relative orbits, 1 to 143."""
    cloud_cover_max: float | None = Field(None, ge=0, le=100)
    """Leave out scenes with more clouds than this, per cent."""


class WorldCoverSearch(_Items):
    """Which WorldCover maps to search for."""

    years: Annotated[list[int], Field(min_length=1), _from(2020, 2021)]
    """Years of the maps."""


class ImpactObservatorySearch(_Items):
    """Which maps of Impact Observatory to search for."""

    years: Annotated[list[int], Field(min_length=1), _from(2017)]
    """Years of the maps."""


class LabelMapSearch(_Items):
    """Which label maps to search for."""

    years: Annotated[list[int], Field(min_length=1), AfterValidator(_once)]
    """Years of the maps."""


class ElevationSearch(_Items):
    """Which tiles of Copernicus DEM to search for."""

    years: Annotated[list[int], Field(min_length=1), _from(2021, 2021)] = [2021]
    """The year its items bear in catalogues; the radar measured from 2011 to 2015."""


class Search(Stated):
    """What to ask the catalogue for: the sensors of the study, each with its years and limits."""

    sentinel_1: Sentinel1Search | None = Field(None, alias="sentinel-1")
    """Radar: Sentinel-1."""
    sentinel_2: Sentinel2Search | None = Field(None, alias="sentinel-2")
    """Optical: Sentinel-2."""
    worldcover: WorldCoverSearch | None = None
    """Labels: ESA WorldCover."""
    io_lulc: ImpactObservatorySearch | None = Field(None, alias="io-lulc")
    """Labels: annual land cover of Impact Observatory and Esri."""
    truth: LabelMapSearch | None = None
    """Labels: the land cover that the scenes of the provider `embedded` are made from."""
    land_cover: LabelMapSearch | None = Field(None, alias="land-cover")
    """Labels: any other map, a collection of one of your `providers`; `labels` says what its codes mean."""
    dem: ElevationSearch | None = None
    """Elevation: Copernicus DEM GLO-30, which becomes `cubes/{region}/dem.zarr` and the band `elevation` of
    every collection, for modalities such as s1+s2+dem."""

    @model_validator(mode="after")
    def _any(self) -> "Search":
        if not self.content():
            raise ValueError("names no sensor; add sentinel-1 or sentinel-2")
        return self


class Settings(Sentinel1Search, Sentinel2Search, Patient, Shared):
    """Settings of one search; a sensor has only the limits that its part of the config may set."""

    years: list[int] = Field(min_length=1)
    """Years of the items."""
    orbits: list[int] | None = None
    """Relative orbits of the items."""
    provider: str
    """Name of the provider."""
    providers: dict[str, Provider] = Field(default_factory=dict)
    """Own providers, by name."""
    bbox: list[float] = Field(min_length=4, max_length=4)
    """West, south, east, north in degrees."""
    bands: list[str] = Field(min_length=1)
    """Bands that an item must have, that of its mask too."""


def run(job: Job) -> None:
    """Search as the job says and write the items."""
    settings = read(Settings, job.settings, "search")
    folder = next(iter(job.sources("folder")), None)
    items = search(job.names["region"], job.names["sensor"], settings, folder)
    files.write_json(job.target("found"), {"type": "FeatureCollection", "features": items})


def search(region: str, sensor: str, settings: Settings, folder: Path | None = None) -> list[Item]:
    """The items of a sensor over a region, by time and id, duplicates dropped.

    Raises RevisitError where the catalogue cannot be reached, nothing is found or no item has the bands.
    """
    origin = source(settings.provider, sensor, settings.providers)
    with endpoint(origin, folder) as url:
        found = _sound(_ask(url, origin, settings), origin)
        items = [_frozen(item, url) for item in found if _is_wanted(item, settings)]
    if not items:
        raise RevisitError(_nothing(region, origin, settings, len(found)))
    whole = adapter.drop_duplicates(_with_bands(items, origin, settings.bands))
    kept = thin(whole, settings.dates_per_year, settings.months) if settings.dates_per_year else whole
    counts = Counter(int(adapter.moment(item)[:4]) for item in kept)
    years = ", ".join(f"{year}: {counts[year]}" for year in sorted(settings.years))
    stage.log.info(
        "%s of %s from %s (%s): %d items (%s); %d left out as duplicates or without the bands%s",
        *(sensor, region, origin.provider, origin.collection, len(kept), years, len(items) - len(whole)),
        f", {len(whole) - len(kept)} by dates_per_year" if settings.dates_per_year else "",
    )
    if missing := [year for year in sorted(settings.years) if not counts[year]]:
        stage.log.warning("%s of %s: no items in %s", sensor, region, ", ".join(map(str, missing)))
    return kept


def _ask(url: str, origin: Source, settings: Settings) -> list[Item]:
    patience = Patience(settings.patience_s)
    try:
        # Opening would take the limit of silence away from what it is given.
        client = Client.open(
            url, stac_io=PatientApi(origin, settings, patience), timeout=patient_api.TIMEOUT_S
        )
        # Not every API knows a box over the 180th meridian: each side is asked for. Some items are on both.
        searches = [
            client.search(
                collections=[origin.collection],
                bbox=box,
                datetime=f"{min(settings.years)}-01-01T00:00:00Z/{max(settings.years)}-12-31T23:59:59Z",
                limit=PAGE,
                **_conditions(client, _limits(settings)),
            )
            for box in boxes_in_degrees(settings.bbox)
        ]
        pages = chain.from_iterable(_ended(found.pages_as_dicts()) for found in searches)
        shown = stage.progress(pages, f"search {origin.sensor}")
        return [item for page in shown for item in page["features"]]
    except OutageError as error:
        what, mend = f" for {error.lasted}: {error}", "check the address and the network, or run again later"
    except (APIError, pystac.STACError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        what, mend = f": {error}", "check the address"
    raise RevisitError(f"search: {url} did not answer a search of {origin.collection}{what[:300]}; {mend}")


def _ended(pages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The pages of a search; raises ValueError where one comes again, as then there is no end."""
    before: set[int] = set()
    for page in pages:
        content = hash(json.dumps(page["features"], sort_keys=True))
        if content in before:
            raise ValueError("its pages go in a circle")
        before.add(content)
        yield page


def _sound(items: Iterable[Any], origin: Source) -> list[Item]:
    """Each item once; those that cannot be understood, or are of another collection, are named."""
    sound: dict[str, Item] = {}
    for item in items:
        if cause := adapter.flaw(item):
            stage.log.warning("left out: %s: %s", origin.provider, cause)
        elif item.get("collection", origin.collection) != origin.collection:
            stage.log.warning(
                "left out: %s: item %s is of %s", origin.provider, item["id"], item["collection"]
            )
        else:
            sound[item["id"]] = item
    return list(sound.values())


def _limits(settings: Settings) -> dict[str, dict[str, Any]]:
    """The property limits asked for, in the form of the `query` extension."""
    limits: dict[str, dict[str, Any]] = {}
    if settings.cloud_cover_max is not None:
        limits["eo:cloud_cover"] = {"lte": settings.cloud_cover_max}
    if settings.orbit_state:
        limits["sat:orbit_state"] = {"eq": settings.orbit_state}
    return limits


def _conditions(client: Client, limits: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The limits in a form that the API knows; if it knows none, they are held to after the search."""
    if limits and client.conforms_to(ConformanceClasses.QUERY):
        return {"query": limits}
    if limits and client.conforms_to(ConformanceClasses.FILTER):
        signs = {"lte": "<=", "eq": "="}
        terms = [
            {"op": signs[operator], "args": [{"property": name}, value]}
            for name, condition in limits.items()
            for operator, value in condition.items()
        ]
        return {
            "filter": {"op": "and", "args": terms} if len(terms) > 1 else terms[0],
            "filter_lang": "cql2-json",
        }
    return {}


def _is_wanted(item: Item, settings: Settings) -> bool:
    """Id, year, month, cloud (if known) and orbit, whatever the catalogue made of the conditions.

    A relative orbit is no condition: where the catalogue does not state it, it is in the product's name.
    """
    when, cover = adapter.moment(item), adapter.cloud_cover(item)
    cloud, state = settings.cloud_cover_max, settings.orbit_state
    return (
        item["id"] not in settings.skip
        and int(when[:4]) in settings.years
        and (not settings.months or int(when[5:7]) in settings.months)
        and (cloud is None or cover is None or cover <= cloud)
        and (not settings.orbits or adapter.relative_orbit(item) in settings.orbits)
        and (not state or str(item["properties"].get("sat:orbit_state")).lower() == state)
    )


def _frozen(item: Item, url: str) -> Item:
    """The item without links that age, and without the address of a server that lives as long as this job."""
    assets = adapter.readdressed(item["assets"], lambda href: frozen(href, url))
    links = [link for link in item.get("links", []) if link["rel"] in LASTING_LINKS]
    return {**item, "assets": assets, "links": links}


def _with_bands(items: list[Item], origin: Source, bands: Sequence[str]) -> list[Item]:
    """The items that have an asset for every band: single-polarised scenes, say, are left out and named."""
    kept, lacking = [], []
    for item in items:
        try:
            adapter.scene(item, origin, bands)
            kept.append(item)
        except RevisitError as error:
            lacking.append(error)
    if not kept:
        raise lacking[0]
    for reason in lacking:
        stage.log.warning("left out: %s", reason)
    return kept


def _nothing(region: str, origin: Source, settings: Settings, found: int) -> str:
    limits = settings.model_dump(
        include={"months", "orbits", "cloud_cover_max", "orbit_state"}, exclude_none=True, mode="json"
    )
    return (
        f"search: region {region}: no items of {origin.collection} at {origin.provider} "
        f"in {settings.years} over bbox {settings.bbox} with {limits or 'no further limits'} "
        f"({found} answered, none of them within the limits); "
        f"widen years or bbox (west, south, east, north in degrees), raise cloud_cover_max "
        f"or name other orbits{'' if found else _exchanged(settings.bbox)}"
    )


def _exchanged(bbox: Sequence[float]) -> str:
    """The doubt that a box lies elsewhere than was meant; nothing where the exchanged one is no box."""
    west, south, east, north = bbox
    other = [south, west, north, east]
    try:
        Region(bbox=other, epsg=utm_zones(other)[0])
    except ValueError:
        return ""
    return f"; or longitude and latitude are exchanged, and {other} is meant"
