"""Faults on demand: spoil files and items of a finished archive, as real archives have them spoilt."""

import copy
import re
from collections.abc import Collection, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal

from revisit.errors import RevisitError
from revisit.files import read_json, write_json
from revisit.record import Record


class Fault(Record):
    """One fault of one item."""

    kind: Literal["truncated", "corrupt", "not-a-raster", "missing-file", "missing-asset", "duplicate"]
    """truncated: file cut short. corrupt: it opens, but its pixels do not decode. not-a-raster: an error page
    in place of the file. missing-file: listed, not there. missing-asset: not listed, not there.
    duplicate: the item is listed again under another id, as a product made anew."""
    item: int | str
    """The item's id, or its index in items.json."""
    asset: str | None = None
    """The asset to spoil; none of a duplicate."""


def spoil(folder: str | Path, faults: Sequence[Fault]) -> None:
    """Spoil an archive in place; raises RevisitError for an item or asset that does not exist."""
    folder = Path(folder)
    catalogue = read_json(folder / "items.json")
    items = catalogue["features"]
    targets = [_find(items, fault.item) for fault in faults]  # before duplicates move indices
    for fault, item in zip(faults, targets, strict=True):
        if fault.kind == "duplicate":
            again = _again(item, {known["id"] for known in items})
            items.insert(items.index(item) + 1, again)
            _tell_truth(folder / "truth.json", item["id"], again["id"])
            continue
        assets = item["assets"]
        if fault.asset not in assets:
            raise RevisitError(
                f"archive faults: item {item['id']} has no asset {fault.asset!r}; it has {', '.join(assets)}"
            )
        _spoil_file(folder / assets[fault.asset]["href"], fault.kind)
        if fault.kind == "missing-asset":
            del assets[fault.asset]
    write_json(folder / "items.json", catalogue)


def _again(item: dict[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """A copy under the next free id; catalogues number the products of one acquisition before the level."""
    stem, end = item["id"], ""
    if match := re.fullmatch(r"(.+)_\d+(_L2A)", stem):
        stem, end = match.groups()
    name = next(name for number in count(1) if (name := f"{stem}_{number}{end}") not in taken)
    return {**copy.deepcopy(item), "id": name}


def _tell_truth(path: Path, name: str, again: str) -> None:
    """What is true of an acquisition is true of its copy; nothing is told of maps, nor by other archives."""
    truth = read_json(path) if path.exists() else {}
    for key in ("displacement_pixels", "clear_fraction"):
        if name in truth.get(key, ()):
            truth[key][again] = truth[key][name]
            write_json(path, truth)


def _find(items: list[dict[str, Any]], which: int | str) -> dict[str, Any]:
    for index, item in enumerate(items):
        if which in (index, item["id"]):
            return item
    raise RevisitError(f"archive faults: no item {which!r} among {len(items)}")


def _spoil_file(path: Path, kind: str) -> None:
    content = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "corrupt":  # the header at the front stays whole
        path.write_bytes(content[: len(content) // 4] + bytes([0xA5]) * (len(content) - len(content) // 4))
    elif kind == "not-a-raster":
        path.write_text('<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>\n')
    else:
        path.unlink()
