"""Makes a collection of the patch stores of its regions: a small index, and a picture of a few samples.

The index counts samples and places on from region to region, and holds what depends on all of them: the
classes, the years, the least distances between the parts of the split, and what was lost and why.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np

from revisit import parts, stage
from revisit.cube.labels.legend import Legend
from revisit.cube.split import PARTS, Split
from revisit.errors import RevisitError
from revisit.files import read_json, write_json
from revisit.job import Job
from revisit.patches.apart import distances
from revisit.patches.kind import Entry, Kind
from revisit.patches.montage import montage
from revisit.patches.store import check_layout
from revisit.patches.tally import told
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
    "legend": "label them by one legend",
}
# What the index says of each store.
_OF_STORES = ("region", "epsg", "samples", "places", "parts", "labelled", "whole_region_in", "years")


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

    Beside what reading needs it says: ``labelled`` samples by part, and of each class in ``class_samples``;
    patches ``lost`` by cause, and ``lost_by_region``; by sensor and time, samples in which it is ``masked``;
    the least distances between parts, ``split_distance_m``, and whether ``parts_touch``.
    Raises RevisitError where the stores do not belong together, where patches of two parts are nearer than
    the split's gap, and where a region, a part of the split or a class asked for gives no sample, unless the
    collection allows it.
    """
    kind: type[Kind[Any]] = parts.find("kind", settings.collection.get("kind", ""))
    entry: Entry = read(kind.Settings, settings.collection, f"collections.{name}")
    all_stores = [described(path, name) for path in store_paths]
    about = summary(name, all_stores, entry.classes, entry.allow_empty, index_path)
    _check_parts(name, all_stores, entry, settings.split)
    stores, resolution = [store for store in all_stores if store["samples"]], about["resolution_m"]
    least = distances(stores, entry.patch_pixels * resolution, settings.split.gap_pixels * resolution)
    content = {
        **about,
        "study": settings.study,
        **{key: entry.content().get(key) for key in ("label_year", "max_days_apart")},
        "split": {**settings.split.content(), "seed": settings.seed},
        "split_distance_m": least,
        "parts_touch": 0 in least.values(),
        "config_hash": config_hash([settings.content(), *(store["config_hash"] for store in stores)]),
        "code_version": code_version(),
    }
    write_json(index_path, content)
    tell(content)
    if content["parts_touch"]:
        stage.log.warning(
            "parts of the split touch, as split.gap_pixels is 0: test ground borders on training"
        )
    if about["label_columns"] is not None and not any(about["labelled"].values()):
        stage.log.warning("no image is near enough in time to the land cover: see label_years_apart")


def summary(
    name: str, all_stores: Sequence[Store], asked: Sequence[int] | None, allow_empty: bool, index_path: Path
) -> dict[str, Any]:
    """What the index of the collection ``name`` says of its stores, whatever they were made from.

    ``asked``: the classes asked for, if any. Raises RevisitError where the stores do not belong together, and
    where a store or a class asked for has no sample, unless ``allow_empty``.
    """
    for store in all_stores:
        _check_common(store, all_stores[0])
    empty = {store["region"]: store["empty_because"] for store in all_stores if not store["samples"]}
    stores = [store for store in all_stores if store["samples"]]
    years = _years(stores)
    if empty and (not allow_empty or not stores):
        region, cause = next(iter(empty.items()))
        raise RevisitError(
            f"collection {name}, region {region}: no sample; {cause}; "
            "widen the search or the region, ask for less, or say `allow_empty: true`"
        )
    return {
        "stage": "patches",
        "collection": name,
        "kind": stores[0]["kind"],
        "regions": [store["region"] for store in stores],
        "empty_regions": empty,
        **_classes(name, stores, asked, allow_empty),
        "labelled": {part: sum(store["labelled"][part] for store in stores) for part in PARTS},
        "lost": _lost(all_stores),
        "lost_by_region": {store["region"]: store["lost"] for store in all_stores},
        "masked": _masked(stores, years),
        **{key: stores[0][key] for key in ("bands", "scaling", "patch_pixels", "resolution_m")},
        "time_axis": stores[0]["time_axis"],
        "years": years,
        "source_cubes": [path for store in stores for path in store["source_cubes"]],
        "stores": [
            {
                "path": Path(relpath(store["path"], index_path.parent)).as_posix(),
                **{key: store[key] for key in _OF_STORES},
            }
            for store in stores
        ],
    }


def tell(about: Mapping[str, Any]) -> None:
    """Log what an index says: samples by part, the least distances, labels, and what was lost."""
    stores = about["stores"]
    counts = ", ".join(f"{_count(stores, part)} {part}" for part in PARTS)
    spoken = ", ".join(f"{pair} {metres:g} m" for pair, metres in about["split_distance_m"].items())
    stage.log.info("%d regions: %s; between the parts: %s", len(stores), counts, spoken or "-")
    stage.log.info("labelled: %s", ", ".join(f"{about['labelled'][part]} {part}" for part in PARTS))
    stage.log.info("patches: %s", told(about["lost"]))
    for region, cause in about["empty_regions"].items():
        stage.log.info("%s: left out, %s", region, cause)
    for part, shown in about["class_samples"].items():
        if without := [title for title, n in zip(about["classes"], shown, strict=True) if not n]:
            stage.log.warning("no labelled sample in %s of %s", part, ", ".join(without))


def described(path: Path, collection: str) -> Store:
    """What a store says of itself; raises RevisitError where it is no store of this collection."""
    attributes: Store = read_json(path / "zarr.json").get("attributes", {})
    if attributes.get("stage") != "patches" or "samples" not in attributes:
        raise RevisitError(f"{path}: not a finished patch store; remove it and run the stage tile")
    if attributes["collection"] != collection:
        raise RevisitError(f"{path}: of the collection {attributes['collection']}, not {collection}")
    check_layout(path, attributes)
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


def _count(stores: Sequence[Store], *chosen: str) -> int:
    return sum(store["parts"][part] for store in stores for part in chosen)


def _check_parts(name: str, stores: Sequence[Store], entry: Entry, split: Split) -> None:
    """Raise RevisitError where a part of the split that should have samples has none."""
    for part in split.wanted(store["region"] for store in stores):
        if not _count(stores, part) and not entry.allow_empty:
            causes = [f"{s['region']} {told(s['lost_in'][part])}" for s in stores if s["cut"][part]]
            raise RevisitError(
                f"collection {name}: no sample in {part}, of {_count(stores, *PARTS)} in all; "
                f"patches there: {'; '.join(causes) or 'none in any region'}; use more or larger regions, "
                "smaller blocks or a lower min_valid, or say `allow_empty: true`"
            )


def _classes(
    name: str, stores: Sequence[Store], asked: Sequence[int] | None, allow_empty: bool
) -> dict[str, Any]:
    """Which classes are labels, where they stand among those of the stores, and their samples by part.

    Raises RevisitError where a class asked for has no labelled sample to train or to test on.
    """
    about = stores[0]["legend"]
    names, codes = (Legend.of(about).names, stores[0]["class_codes"]) if about else ({}, [])
    shown = {
        part: dict(
            zip(codes, np.sum([store["class_samples"][part] for store in stores], axis=0), strict=True)
        )
        for part in PARTS
        if codes
    }
    classes = asked or [code for code in codes if shown["train"][code]]
    for code in asked or ():
        for part in ("train", "test"):
            if not (shown and shown[part][code]) and not allow_empty:
                labelled = sum(store["labelled"][part] for store in stores)
                raise RevisitError(
                    f"collection {name}: no sample of class {code} ({names[code]}) in {part}, of "
                    f"{labelled} labelled in {', '.join(store['region'] for store in stores)}; leave it out "
                    "of classes, add regions that show it, or say `allow_empty: true`"
                )
    any_labels = any(store["label_years"] or any(store["labelled"].values()) for store in stores)
    return {
        "classes": [names[code] for code in classes] if any_labels else [],
        "class_codes": classes if any_labels else [],
        "legend": about if any_labels else None,
        "label_columns": [codes.index(code) for code in classes] if any_labels else None,
        "class_samples": {
            part: [int(counts[code]) for code in classes] if any_labels else []
            for part, counts in shown.items()
        },
    }


def _lost(stores: Sequence[Store]) -> dict[str, int]:
    """Patches lost by cause, over all regions, most first."""
    causes = sum((Counter(store["lost"]) for store in stores), Counter[str]())
    return dict(causes.most_common())


def _masked(stores: Sequence[Store], years: dict[str, list[int]]) -> dict[str, dict[str, int]]:
    """By sensor, samples without a time, by year or number; in a region without that year, all of them."""
    found: dict[str, dict[str, int]] = {}
    for sensor in stores[0]["masked"]:
        counts = sum((Counter(store["masked"][sensor]) for store in stores), Counter[str]())
        for store in stores:
            for year in set(years.get(sensor, ())) - set(store["years"].get(sensor, ())):
                counts[str(year)] += store["samples"]
        found[sensor] = {time: counts[time] for time in sorted(counts, key=int)}
    return found
