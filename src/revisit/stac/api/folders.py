"""Folders of STAC items in memory: what the local API answers from.

A folder holds ``collections.json`` (a list of STAC Collections), ``items.json`` (a FeatureCollection)
and the files that the items' assets name by hrefs relative to the folder; or it holds the results of a study,
whose Items lie beside what they describe.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import shapely
import shapely.geometry

from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.stac.adapter import readdressed
from revisit.stac.api import study
from revisit.stac.api.describe import described
from revisit.stac.api.query import Search, sort_key
from revisit.stac.period import span


class Catalogue:
    """The collections and items of one or more folders.

    Raises RevisitError where a folder lacks its files or two items of a collection share an id.
    """

    def __init__(self, folders: Sequence[str | Path]) -> None:
        self.folders = [Path(folder).resolve() for folder in folders]
        self.collections: dict[str, dict[str, Any]] = {}
        self._described: dict[str, dict[str, Any]] = {}
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for number, folder in enumerate(self.folders):
            collections, items = _read(folder)
            for collection in collections:
                self._add_collection(collection)
            for item in items:
                name = (item["collection"], item["id"])
                if name in found:
                    raise RevisitError(
                        f"{folder}: item {name[1]} of {name[0]} is there twice; give it one id each"
                    )
                if name[0] not in self.collections:
                    raise RevisitError(
                        f"{folder}: item {name[1]}: no collection {name[0]} in collections.json"
                    )
                found[name] = _locate(item, number)
        self.items = sorted(found.values(), key=lambda item: (span(item)[0], item["collection"], item["id"]))
        self._by_name = found
        self._geometries = np.array([_shape(item) for item in self.items], dtype=object)

    def item(self, collection: str, name: str) -> dict[str, Any] | None:
        return self._by_name.get((collection, name))

    def description(self, name: str) -> dict[str, Any]:
        """A collection with what its items tell of it; made when it is first asked for."""
        if name not in self._described:
            own = [item for item in self.items if item["collection"] == name]
            self._described[name] = described(self.collections[name], own)
        return self._described[name]

    def search(self, search: Search) -> list[dict[str, Any]]:
        """Every item that answers a search, in its order, pages not yet cut."""
        items = self.items
        if search.area is not None:
            near = shapely.intersects(self._geometries, search.area)
            items = [item for item, hit in zip(items, near, strict=True) if hit]
        items = [item for item in items if search.matches(item)]
        for name, descending in reversed(search.sortby):
            items = sorted(items, key=lambda item, name=name: sort_key(item, name), reverse=descending)  # type: ignore[misc]
        return items

    def properties(self, collection: str | None = None) -> dict[str, dict[str, str]]:
        """JSON-schema types of the properties that items have, to filter by."""
        types: dict[str, dict[str, str]] = {}
        for item in self.items:
            if collection in (None, item["collection"]):
                for name, value in item["properties"].items():
                    if value is not None:
                        types.setdefault(name, {"type": _json_type(value)})
        return dict(sorted(types.items()))

    def file(self, number: int, path: str) -> Path | None:
        """The file a relative href names; None where there is none or it lies outside its folder."""
        if not 0 <= number < len(self.folders) or "\0" in path:
            return None
        folder = self.folders[number]
        file = (folder / path).resolve()
        return file if file.is_relative_to(folder) and file.is_file() else None

    def _add_collection(self, collection: dict[str, Any]) -> None:
        known = self.collections.setdefault(collection["id"], collection)
        if known is not collection and "extent" in known:  # the same collection over another region
            extents = [known["extent"], collection["extent"]]
            boxes = [box for extent in extents for box in extent["spatial"]["bbox"]]
            times = [time for extent in extents for time in extent["temporal"]["interval"]]
            starts, ends = [start for start, _ in times], [end for _, end in times]
            around = [min(box[0] for box in boxes), min(box[1] for box in boxes)]
            around += [max(box[2] for box in boxes), max(box[3] for box in boxes)]
            interval = [None if None in starts else min(starts), None if None in ends else max(ends)]
            extent = {"spatial": {"bbox": [around]}, "temporal": {"interval": [interval]}}
            self.collections[collection["id"]] = {**known, "extent": extent}


def _read(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Collections and items of a folder, hrefs relative to it."""
    if study.is_study(folder):
        return study.products(folder)
    if not (folder / "collections.json").is_file():
        raise RevisitError(
            f"{folder}: neither a study (results, results/my-study) nor a folder with collections.json and "
            "items.json, such as results/archive/plain"
        )
    return read_json(folder / "collections.json"), read_json(folder / "items.json")["features"]


def _locate(item: dict[str, Any], number: int) -> dict[str, Any]:
    """Hrefs as paths below the API's root; those with a scheme of their own stay."""

    def located(href: str) -> str:
        return href if "://" in href else f"assets/{number}/{quote(href)}"

    return {**item, "assets": readdressed(item["assets"], located)}


def _shape(item: dict[str, Any]) -> shapely.Geometry | None:
    return shapely.geometry.shape(item["geometry"]) if item.get("geometry") else None


def _json_type(value: Any) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}
    return kinds.get(type(value), "object")
