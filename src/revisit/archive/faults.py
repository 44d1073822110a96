"""Faults on demand: spoil files and items of a finished archive, as real archives have them spoilt.

Kinds: ``truncated`` (file cut short), ``corrupt`` (opens, but its pixels do not decode), ``not-a-raster``
(an error page in place of the file), ``missing-file`` (listed, not there), ``missing-asset`` (not listed,
not there), ``duplicate`` (the item is listed twice).
"""

import copy
from pathlib import Path
from typing import Any

from revisit.errors import RevisitError
from revisit.files import read_json, write_json

KINDS = ("truncated", "corrupt", "not-a-raster", "missing-file", "missing-asset", "duplicate")


def spoil(folder: str | Path, faults: list[dict[str, Any]]) -> None:
    """Spoil an archive in place.

    A fault has ``kind``, ``item`` (an id, or an index into items.json) and, but for ``duplicate``, ``asset``.
    Raises RevisitError for a kind, item or asset that does not exist.
    """
    folder = Path(folder)
    catalogue = read_json(folder / "items.json")
    items = catalogue["features"]
    targets = [_find(items, fault.get("item")) for fault in faults]  # before duplicates move indices
    for fault, item in zip(faults, targets, strict=True):
        kind, asset = fault.get("kind"), fault.get("asset")
        if kind not in KINDS:
            raise RevisitError(f"archive faults: no kind {kind!r}; the kinds are {', '.join(KINDS)}")
        if kind == "duplicate":
            items.insert(items.index(item) + 1, copy.deepcopy(item))
            continue
        if asset not in item["assets"]:
            raise RevisitError(
                f"archive faults: item {item['id']} has no asset {asset!r}; it has {list(item['assets'])}"
            )
        _spoil_file(folder / item["assets"][asset]["href"], kind)
        if kind == "missing-asset":
            del item["assets"][asset]
    write_json(folder / "items.json", catalogue)


def _find(items: list[dict[str, Any]], which: Any) -> dict[str, Any]:
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
