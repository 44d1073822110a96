"""Searches a STAC API for one sensor over one region and freezes what it found.

    python -m revisit.stac.search --region north --sensor sentinel-2 --out items/north/sentinel-2.json \\
        --settings '{"provider": "planetary-computer", "bbox": [11.0, 48.0, 11.1, 48.1],
                     "years": [2020, 2021], "cloud_cover_max": 60}'

Settings: provider, providers, bbox, years, bands, and optionally months, cloud_cover_max (percent) and
orbit_state. Writes a STAC ItemCollection by time and id, one item an acquisition, without links that age.
Hrefs of a folder that revisit serves itself are kept as ``served:///path``.
"""

import logging
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pystac
from pystac_client import Client, ConformanceClasses
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry

from revisit import files, stage
from revisit.errors import RevisitError
from revisit.stac import adapter
from revisit.stac.local import endpoint, frozen
from revisit.stac.providers import Source, source

Item = dict[str, Any]
TRIES, BACKOFF_S, TIMEOUT_S = 6, 0.5, 60
PAGE = 100
LASTING_LINKS = ("derived_from", "license")


def search(region: str, sensor: str, settings: dict[str, Any], folder: Path | None = None) -> list[Item]:
    """The items of a sensor over a region, by time and id, duplicates dropped.

    Raises RevisitError where the catalogue cannot be reached, nothing is found or no item has the bands.
    """
    origin = source(stage.setting(settings, "provider"), sensor, settings.get("providers"))
    with endpoint(origin, folder) as url:
        found = _ask(url, origin, settings)
        items = [_frozen(item, url) for item in found if _is_wanted(item, settings)]
    if not items:
        raise RevisitError(_nothing(region, origin, settings, len(found)))
    kept = _with_bands(adapter.drop_duplicates(items), origin, settings.get("bands"))
    counts = Counter(int(adapter.moment(item)[:4]) for item in kept)
    years = ", ".join(f"{year}: {counts[year]}" for year in sorted(settings["years"]))
    stage.log.info(
        "%s of %s from %s (%s): %d items (%s); %d left out as duplicates or without the bands",
        *(sensor, region, origin.provider, origin.collection, len(kept), years, len(items) - len(kept)),
    )
    if missing := [year for year in sorted(settings["years"]) if not counts[year]]:
        stage.log.warning("%s of %s: no items in %s", sensor, region, ", ".join(map(str, missing)))
    return kept


def _ask(url: str, origin: Source, settings: dict[str, Any]) -> list[Item]:
    years = stage.setting(settings, "years")
    limits = _limits(settings)
    retry = Retry(
        total=TRIES - 1,
        backoff_factor=BACKOFF_S,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,  # searches are posted
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its word on each try is longer than ours
    try:
        client = Client.open(url, stac_io=StacApiIO(max_retries=retry, timeout=TIMEOUT_S))
        found = client.search(
            collections=[origin.collection],
            bbox=stage.setting(settings, "bbox"),
            datetime=f"{min(years)}-01-01T00:00:00Z/{max(years)}-12-31T23:59:59Z",
            limit=PAGE,
            **_conditions(client, limits),
        )
        pages = stage.progress(found.pages_as_dicts(), f"search {origin.sensor}")
        return [item for page in pages for item in page["features"]]
    except (APIError, pystac.STACError, ValueError, KeyError, NotImplementedError) as error:
        text = " ".join(str(error).split())
        cause = text.partition("Caused by ")[2] or text
        tries = f" in {TRIES} tries" if "Max retries" in text else ""
        raise RevisitError(
            f"search: {url} did not answer a search of {origin.collection}{tries}: {cause[:300]}; "
            f"check the address and the network, or try again later"
        ) from error


def _limits(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The property limits asked for, in the form of the `query` extension."""
    limits: dict[str, dict[str, Any]] = {}
    if settings.get("cloud_cover_max") is not None:
        limits["eo:cloud_cover"] = {"lte": settings["cloud_cover_max"]}
    if settings.get("orbit_state"):
        limits["sat:orbit_state"] = {"eq": settings["orbit_state"]}
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


def _is_wanted(item: Item, settings: dict[str, Any]) -> bool:
    """Year, month, cloud and orbit, whatever the catalogue made of the conditions."""
    properties, when = item["properties"], adapter.moment(item)
    cloud, state = settings.get("cloud_cover_max"), settings.get("orbit_state")
    return (
        int(when[:4]) in settings["years"]
        and (not settings.get("months") or int(when[5:7]) in settings["months"])
        and (cloud is None or properties.get("eo:cloud_cover", 0) <= cloud)
        and (not state or str(properties.get("sat:orbit_state")).lower() == state)
    )


def _frozen(item: Item, url: str) -> Item:
    """The item without links that age, and without the address of a server that lives as long as this job."""
    assets = {name: {**asset, "href": frozen(asset["href"], url)} for name, asset in item["assets"].items()}
    links = [link for link in item.get("links", []) if link["rel"] in LASTING_LINKS]
    return {**item, "assets": assets, "links": links}


def _with_bands(items: list[Item], origin: Source, bands: Sequence[str] | None) -> list[Item]:
    """The items that have an asset for every band: single-polarised scenes, say, are left out and named."""
    kept, lacking = [], []
    for item in items:
        try:
            adapter.scene(item, origin, adapter.wanted(origin.sensor, bands))
            kept.append(item)
        except RevisitError as error:
            lacking.append(error)
    if not kept:
        raise lacking[0]
    for reason in lacking:
        stage.log.warning("left out: %s", reason)
    return kept


def _nothing(region: str, origin: Source, settings: dict[str, Any], found: int) -> str:
    limits = {
        name: settings[name] for name in ("months", "cloud_cover_max", "orbit_state") if settings.get(name)
    }
    return (
        f"search: region {region}: no items of {origin.collection} at {origin.provider} "
        f"in {settings['years']} over bbox {settings['bbox']} with {limits or 'no further limits'} "
        f"({found} answered, none of them within the limits); "
        f"widen years or bbox (west, south, east, north in degrees) or raise cloud_cover_max"
    )


def run(arguments: Namespace) -> None:
    items = search(arguments.region, arguments.sensor, arguments.settings, arguments.folder)
    files.write_json(arguments.out, {"type": "FeatureCollection", "features": items})


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--region", required=True)
    parser.add_argument("--sensor", required=True)
    parser.add_argument("--folder", type=Path, help="folder of items to serve, for providers without a url")
    parser.add_argument("--out", type=Path, required=True)
    return stage.main(run, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
