"""The results of a study as STAC Items in collections: scenes, cubes, label maps, features, predicted maps.

Every stage leaves the Items of what it made beside it. Here they are read where they lie, whatever of the
study has run so far; ids and collections are made unique over all regions, and the links between them led to
where the API has them.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from revisit.files import read_json

Item = dict[str, Any]
MANIFESTS, SCENES = "scenes/*/*/*/manifest.json", "items.json"
STORES = ("cubes/*/*.zarr", "cubes/*/*/*.zarr")
VARIANTS = "variants/*/*/*/*.zarr"
FEATURES = "features/*/*/*/*/*.npz"
MAPS = "maps/*/*.tif"
FEATURES_COLLECTION = "features"
NAMING = ("revisit:variant", "revisit:sensor", "revisit:stage")  # what the name of a collection is made of
ABOUT = {
    "scenes": "Scenes clipped to the regions, as they came from the provider: digital numbers",
    "raw": "Cubes of scenes snapped to one grid, in physical units, masked by `valid`",
    "aligned": "Cubes whose dates are moved onto each other",
    "scaled": "Cubes of 0 to 255 between the limits of their band, as encoders take them",
    "labels": "Land cover on the grid of the region's cubes",
    "dem": "Elevation on the grid of the region's cubes, in metres",
    "maps": "Classes of every pixel of a region by the best model of an experiment",
    FEATURES_COLLECTION: "Features of all patches of a collection by one encoder",
}


def is_study(folder: Path) -> bool:
    """Whether results of a study lie in a folder."""
    return any(next(folder.glob(pattern), None) for pattern in (MANIFESTS, *STORES, FEATURES, MAPS))


def products(folder: Path) -> tuple[list[dict[str, Any]], list[Item]]:
    """Collections and Items of the products in a folder, hrefs relative to it.

    Collections have no extent, which is that of their items. Links between products lead to
    ``collections/{collection}/items/{id}``; those to a product that is not there are left out.
    """
    found = [*_scenes(folder), *_beside(folder)]
    places: dict[tuple[Path, str | None], str] = {}
    for file, name, item in found:
        place = quote(f"collections/{item['collection']}/items/{item['id']}")
        places[file, name] = place
        if file.name != SCENES:  # the one Item of its file, which a link need not name
            places[file, None] = place
    items = []
    for file, _, item in found:
        links = []
        for link in item.get("links", []):
            target = Path(os.path.normpath(file.parent / link["href"])), link.get("title")
            if link["rel"] == "license":
                links.append(link)
            elif link["rel"] == "derived_from" and target in places:
                links.append({**link, "href": places[target]})
        items.append({**_located(item, file.parent.relative_to(folder)), "links": links})
    kinds = {item["collection"]: item["properties"].get("revisit:stage", "scenes") for item in items}
    return [_collection(name, kind) for name, kind in sorted(kinds.items())], items


def _scenes(folder: Path) -> Iterator[tuple[Path, str, Item]]:
    """File, id in it, and Item of every scene; one that two regions share is clipped to each."""
    for manifest in sorted(folder.glob(MANIFESTS)):
        region, sensor = manifest.parts[-4:-2]
        file = manifest.with_name(SCENES)
        for item in read_json(file)["features"]:
            if not all((manifest.parent / asset["href"]).exists() for asset in item["assets"].values()):
                continue  # clips that the study does not keep
            about = {**item["properties"], "revisit:region": region}
            own = {"id": f"{region}-{item['id']}", "collection": f"{sensor}-scenes"}
            yield file, item["id"], {**item, **own, "properties": about}


def _beside(folder: Path) -> Iterator[tuple[Path, str, Item]]:
    """File, id in it, and Item of every cube, label map, elevation, file of features and predicted map."""
    for pattern in (*STORES, VARIANTS, FEATURES, MAPS):
        for product in sorted(folder.glob(pattern)):
            file = product.with_suffix(".json")
            if file.is_file():
                item = read_json(file)
                about = item["properties"]
                if pattern == VARIANTS:
                    about = {"revisit:variant": product.relative_to(folder).parts[1], **about}
                names = [about[key] for key in NAMING if key in about]
                collection = "-".join(dict.fromkeys(names))  # sensor and stage of elevation are both dem
                yield file, item["id"], {**item, "collection": collection, "properties": about}


def _located(item: Item, folder: Path) -> Item:
    """The Item with hrefs relative to the study's folder instead of ``folder`` in it."""
    assets = {
        name: asset if "://" in asset["href"] else {**asset, "href": os.path.normpath(folder / asset["href"])}
        for name, asset in item["assets"].items()
    }
    return {**item, "assets": assets}


def _collection(name: str, kind: str) -> dict[str, Any]:
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "title": name,
        "description": ABOUT[kind],
        "license": "other",
        "links": [],
    }
