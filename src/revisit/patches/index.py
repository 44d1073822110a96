"""Makes a collection of the patch stores of its regions: a small index, and a picture of a few samples.

The index counts samples and places on from region to region, and holds what depends on all of them: the
classes, the years, the least distances between the parts of the split.
"""

from collections.abc import Sequence
from itertools import combinations
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np

from revisit import parts, stage
from revisit.cube.labels.worldcover import WORLDCOVER
from revisit.cube.split import PARTS, Split, distance
from revisit.errors import RevisitError
from revisit.files import read_json, write_json
from revisit.job import Job
from revisit.patches.arrays import Files, RegionArray
from revisit.patches.kind import Entry, Kind
from revisit.patches.montage import montage
from revisit.provenance import code_version, config_hash
from revisit.record import Record, read

Store = dict[str, Any]  # what a store says of itself, and its `path`

# What all stores of a collection must have in common, and what to do where they do not.
_COMMON = {
    "kind": "tile them with one entry of the config",
    "patch_pixels": "tile them with one entry of the config",
    "bands": "give every region the same sensors and bands",
    "scaling": "scale all with one limits.json",
    "resolution_m": "make all cubes with one resolution_m",
    "split": "tile them with one split and seed",
    "class_codes": "give labels to all regions or to none",
}


class Settings(Record):
    """What the index of a collection says beside its stores."""

    seed: int
    """The study's."""
    split: Split
    """The geographic split."""
    collection: dict[str, Any]
    """The collection's entry of the config."""
    study: str
    """Name of the study the collection is of."""


def run(job: Job) -> None:
    """The stage: ``stores`` of all regions to their ``index`` and a picture, ``quicklook``."""
    settings = read(Settings, job.settings, "index")
    index(job.names["collection"], job.sources("stores"), job.target("index"), settings)
    montage(job.target("index"), job.target("quicklook"))


def index(name: str, store_paths: Sequence[Path], index_path: Path, settings: Settings) -> None:
    """Write the index of the collection ``name``; its samples are those of the stores, one after the other.

    Raises RevisitError where the stores do not belong together, where a region gives no sample and the
    collection does not allow it, and where a part of the split gets no sample.
    """
    kind: type[Kind[Any]] = parts.find("kind", settings.collection.get("kind", ""))
    entry: Entry = read(kind.Settings, settings.collection, f"collections.{name}")
    all_stores = [_described(path, name) for path in store_paths]
    for store in all_stores:
        _check_common(store, all_stores[0])
    empty = {store["region"]: store["empty_because"] for store in all_stores if not store["samples"]}
    stores = [store for store in all_stores if store["samples"]]
    years = _years(stores)
    if kind.needs_all_years(entry):
        empty |= _without_years(stores, years)
        stores = [store for store in stores if store["region"] not in empty]
    if empty and not entry.allow_empty:
        region, cause = next(iter(empty.items()))
        raise RevisitError(
            f"collection {name}, region {region}: no sample, {cause}; "
            "widen the search or the region, ask for less, or say `allow_empty: true`"
        )
    _check_parts(name, stores, settings.split)
    side = entry.patch_pixels * stores[0]["resolution_m"]
    distances = _distances(stores, side)
    codes = stores[0]["class_codes"]
    shown = {code for store in stores for code in store["training_classes"]}
    classes = (entry.classes or [code for code in codes if code in shown]) if codes else []
    write_json(
        index_path,
        {
            "stage": "patches",
            "study": settings.study,
            "collection": name,
            "kind": entry.kind,
            "regions": [store["region"] for store in stores],
            "empty_regions": empty,
            "classes": [WORLDCOVER[code].name for code in classes],
            "class_codes": classes,
            "label_columns": [codes.index(code) for code in classes] if codes else None,
            **{key: stores[0][key] for key in ("bands", "scaling", "patch_pixels", "resolution_m")},
            "time_axis": stores[0]["time_axis"],
            "years": years,
            "label_year": entry.content().get("label_year"),
            "split": {**settings.split.content(), "seed": settings.seed},
            "split_distance_m": distances,
            "source_cubes": [path for store in stores for path in store["source_cubes"]],
            "stores": [
                {
                    "path": Path(relpath(store["path"], index_path.parent)).as_posix(),
                    **{key: store[key] for key in ("region", "epsg", "samples", "places", "parts", "years")},
                }
                for store in stores
            ],
            "config_hash": config_hash([settings.content(), *(store["config_hash"] for store in stores)]),
            "code_version": code_version(),
        },
    )
    counts = ", ".join(f"{_count(stores, part)} {part}" for part in PARTS)
    spoken = ", ".join(f"{pair} {metres:g} m" for pair, metres in distances.items())
    stage.log.info("%d regions: %s; between the parts: %s", len(stores), counts, spoken)
    for region, cause in empty.items():
        stage.log.info("%s: left out, %s", region, cause)


def _described(path: Path, collection: str) -> Store:
    """What a store says of itself; raises RevisitError where it is no store of this collection."""
    attributes: Store = read_json(path / "zarr.json").get("attributes", {})
    if attributes.get("stage") != "patches" or "samples" not in attributes:
        raise RevisitError(f"{path}: not a finished patch store; remove it and run the stage tile")
    if attributes["collection"] != collection:
        raise RevisitError(f"{path}: of the collection {attributes['collection']}, not {collection}")
    return {**attributes, "path": path}


def _check_common(store: Store, first: Store) -> None:
    for key, remedy in _COMMON.items():
        if store[key] != first[key]:
            raise RevisitError(f"{store['path']}: {key} is not that of {first['path']}; {remedy}")


def _years(stores: Sequence[Store]) -> dict[str, list[int]]:
    """The years that any region has, by sensor; empty where the time axis does not count years."""
    return {
        sensor: sorted({year for store in stores for year in store["years"][sensor]})
        for sensor in (stores[0]["years"] if stores else ())
    }


def _without_years(stores: Sequence[Store], years: dict[str, list[int]]) -> dict[str, str]:
    """The regions that lack a year which others have, and which."""
    lacking = {}
    for store in stores:
        for sensor, wanted in years.items():
            if missing := sorted(set(wanted) - set(store["years"][sensor])):
                lacking[store["region"]] = (
                    f"no date of {sensor} in {', '.join(map(str, missing))}, which other regions have"
                )
                break
    return lacking


def _count(stores: Sequence[Store], part: str) -> int:
    return sum(store["parts"][part] for store in stores)


def _check_parts(name: str, stores: Sequence[Store], split: Split) -> None:
    """Raise RevisitError where a part of the split that should have samples has none."""
    counts = {part: _count(stores, part) for part in PARTS}
    shares = dict(zip(PARTS, split.shares, strict=True))
    if without := [part for part in PARTS if not counts[part] and shares[part] > 0]:
        raise RevisitError(
            f"collection {name}: {' and '.join(without)}: no sample left, of {sum(counts.values())} in all; "
            "use more or larger regions, smaller blocks or a lower min_valid"
        )


def _distances(stores: Sequence[Store], side: float) -> dict[str, float]:
    """Least metres between the edges of patches of two parts, among patches of one reference system."""
    least: dict[str, float] = {}
    for store in stores:
        for pair, metres in store["split_distance_m"].items():
            least[pair] = min(metres, least.get(pair, np.inf))
    files, centres = Files(), dict[str, dict[str, np.ndarray]]()
    for first, second in combinations(PARTS, 2):
        pair = f"{first}-{second}"
        others = [store for store in stores if second in store["bounds"]]
        boxes = np.array([store["bounds"][second] for store in others]).reshape(-1, 4)
        systems = np.array([store["epsg"] for store in others])
        for one in stores:
            if first not in one["bounds"]:
                continue
            apart = _apart(np.array(one["bounds"][first]), boxes, side)
            apart[systems != one["epsg"]] = np.inf
            # Regions that lie over each other are always looked at: their patches may overlap.
            for number in np.flatnonzero((apart == 0) | (apart < least.get(pair, np.inf))):
                other = others[number]
                if other is one or 0 < apart[number] >= least.get(pair, np.inf):
                    continue
                for store in (one, other):
                    if store["region"] not in centres:
                        centres[store["region"]] = _centres(store, files)
                metres = distance(centres[one["region"]][first], centres[other["region"]][second], side)
                least[pair] = min(metres, least.get(pair, np.inf))
    return least


def _apart(one: np.ndarray, others: np.ndarray, side: float) -> np.ndarray:
    """Least metres there can be between patches with centres in a box [x, y, x, y] and in others, (n, 4)."""
    gaps = np.maximum(one[:2] - others[:, 2:], others[:, :2] - one[2:])
    apart: np.ndarray = np.hypot(*np.maximum(gaps - side, 0).T)
    return apart


def _centres(store: Store, files: Files) -> dict[str, np.ndarray]:
    """Centres (sample, 2) in metres of the samples of each part."""
    coordinates, split = (
        RegionArray(store["path"] / name, files).whole() for name in ("coordinates", "split")
    )
    return {name: coordinates[split == part, :2] for part, name in enumerate(PARTS)}
