"""What of the data of a study was lost on the way, and why: scenes at download, patches at tiling."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Row = dict[str, Any]
CAUSE_LETTERS = 200  # of a cause that are shown


def scenes(manifests: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Scenes that a download left out: a row per region, sensor, year and cause."""
    rows = []
    for manifest in manifests:
        items: dict[str, set[str]] = defaultdict(set)
        for entry in manifest["quarantine"]:
            items[_short(entry["cause"], entry)].add(entry["item"])
        for name in manifest["without_data"]:
            items["no valid pixel over the region"].add(name)
        where = {name: manifest[name] for name in ("region", "sensor", "year")}
        kept = len(manifest["scenes"])
        rows += [
            {**where, "left out": len(names), "kept": kept, "cause": cause} for cause, names in items.items()
        ]
        if not kept:
            rows.append({**where, "left out": 0, "kept": 0, "cause": "nothing is left of this year"})
    return rows


def patches(indexes: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Places that tiling lost: a row per collection, region and cause; and regions left without any."""
    rows: list[Row] = []
    for index in indexes:
        name, empty = index["collection"], index["empty_regions"]
        kept = {store["region"]: store["places"] for store in index["stores"]}
        lost: Mapping[str, Mapping[str, int]] = index.get("lost_by_region", {})
        for region in dict.fromkeys((*kept, *lost, *empty)):
            where = {"collection": name, "region": region}
            causes = Counter(lost.get(region, {})) or Counter({empty[region]: 0} if region in empty else {})
            rows += [
                {**where, "places lost": count, "places kept": kept.get(region, 0), "cause": cause}
                for cause, count in causes.most_common()
            ]
    return rows


def _short(cause: str, entry: Mapping[str, str]) -> str:
    """A cause without what names the one file, so that equal causes count together."""
    text = cause.replace(entry["item"], "…")
    return text if len(text) <= CAUSE_LETTERS else f"{text[:CAUSE_LETTERS]}…"
