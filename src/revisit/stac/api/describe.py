"""What a STAC Collection says of its items: extent, summaries of their properties, assets they have alike."""

from collections.abc import Iterable, Sequence
from typing import Any

from revisit.cube.degrees import WORLD

Item = dict[str, Any]
MOST_VALUES = 16  # of a property with more, such as an id, a list says nothing
MOMENTS = ("datetime", "created", "updated")


def described(collection: dict[str, Any], items: Sequence[Item]) -> dict[str, Any]:
    """The collection with what its items tell, where it does not tell it itself."""
    told = {"summaries": summaries(items), "item_assets": item_assets(items)}
    if "extent" not in collection:
        told["extent"] = extent(items)
    # item_assets are part of the core since 1.1
    return {**{name: value for name, value in told.items() if value}, **collection, "stac_version": "1.1.0"}


def extent(items: Sequence[Item]) -> dict[str, Any]:
    """Bounds in space and time; over the 180th meridian all longitudes, without any place the world."""
    known = [item["bbox"] for item in items if item.get("bbox")]
    boxes = [box if box[0] <= box[2] else WORLD for box in known] or [WORLD]
    wests, souths, easts, norths = zip(*boxes, strict=True)
    times = [item["properties"] for item in items]
    starts = [about.get("start_datetime") or about["datetime"] for about in times]
    ends = [about.get("end_datetime") or about["datetime"] for about in times]
    return {
        "spatial": {"bbox": [[min(wests), min(souths), max(easts), max(norths)]]},
        "temporal": {"interval": [[min(starts), max(ends)]]},
    }


def summaries(items: Iterable[Item]) -> dict[str, Any]:
    """Values of every property that has few, else the range of its numbers; times are in the extent."""
    values: dict[str, list[Any]] = {}
    for item in items:
        for name, value in item["properties"].items():
            if not name.endswith(MOMENTS):
                values.setdefault(name, []).append(value)
    return {name: told for name, found in sorted(values.items()) if (told := _summary(found))}


def _summary(values: list[Any]) -> Any:
    if all(isinstance(value, list) for value in values):
        values = [part for value in values for part in value]
        if not all(isinstance(value, str) for value in values):
            return None  # numbers of a list mean something in their order alone
    if all(isinstance(value, str | int) for value in values):
        distinct = sorted(set(values), key=lambda value: (isinstance(value, str), value))
        if len(distinct) <= MOST_VALUES:
            return distinct
    if all(isinstance(value, int | float) for value in values):
        return {"minimum": min(values), "maximum": max(values)}
    return None


def item_assets(items: Iterable[Item]) -> dict[str, dict[str, Any]]:
    """Of every asset by name, what all items that have it say of it, two things at least."""
    alike: dict[str, dict[str, Any]] = {}
    for item in items:
        for name, asset in item["assets"].items():
            known = alike.setdefault(name, {key: value for key, value in asset.items() if key != "href"})
            alike[name] = {key: value for key, value in known.items() if asset.get(key) == value}
    return {name: asset for name, asset in alike.items() if len(asset) > 1}
