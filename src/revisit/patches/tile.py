"""Cuts the scaled cubes of a region into its store of a collection, with labels and a geographic split.

Patches lie on the grid of the split's blocks, so none crosses from one part into another. The region is
read block by block, so memory does not grow with it; and no other region is touched. What depends on all
regions of a collection is in its index (``revisit.patches.index``).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from revisit import parts, stage
from revisit.cube.labels.worldcover import WORLDCOVER
from revisit.cube.split import PARTS, TRAIN, Split, distance
from revisit.errors import RevisitError
from revisit.files import atomic
from revisit.job import Job
from revisit.patches.ground import Region, grounds, open_region, sensed
from revisit.patches.kind import LAND_COVER, Entry, Kind
from revisit.patches.writer import Place, StoreWriter
from revisit.provenance import code_version, config_hash
from revisit.record import Record, read


class Settings(Record):
    """What a region's patches are cut by."""

    seed: int
    """The study's."""
    split: Split
    """The geographic split."""
    collection: dict[str, Any]
    """The collection's entry of the config."""
    years: dict[str, list[int]]
    """The years searched, by sensor."""


def run(job: Job) -> None:
    """The stage: ``cubes`` of a region's sensors and its ``labels``, if any, to its store ``patches``."""
    settings = read(Settings, job.settings, "tile")
    collection, region = job.names["collection"], job.names["region"]
    tile(collection, region, job.sources("cubes"), job.sources("labels"), job.target("patches"), settings)


def tile(
    name: str,
    region_name: str,
    cube_paths: Sequence[Path],
    label_paths: Sequence[Path],
    patches_path: Path,
    settings: Settings,
) -> None:
    """Write the patch store of a region for the collection ``name``.

    Raises RevisitError where the cubes do not belong together or lack what the collection asks for, and
    where no sample is left, unless the collection allows it.
    """
    kind_class: type[Kind[Any]] = parts.find("kind", settings.collection.get("kind", ""))
    entry: Entry = read(kind_class.Settings, settings.collection, f"collections.{name}")
    region = open_region(region_name, cube_paths, label_paths, settings.split, settings.seed)
    searched = dict(settings.years)
    if region.labels is not None:
        searched[LAND_COVER] = region.labels.attrs["years"]
    kind_class.check(name, entry, searched, settings.split.block_pixels)
    region = _with_sensors(region, kind_class.taken(entry, region.cubes))
    about = {sensor: sensed(cube) for sensor, cube in region.cubes.items()}
    kind = kind_class(entry, about, settings.seed)
    pixels, resolution = entry.patch_pixels, region.grid.resolution
    with atomic(patches_path) as aside:
        writer = StoreWriter(aside)
        cause, shown = _write_samples(writer, region, kind, settings.split)
        if cause and not entry.allow_empty:
            raise RevisitError(
                f"collection {name}, region {region_name}: no sample, {cause}; "
                "widen the search or the region, ask for less, or say `allow_empty: true`"
            )
        placed = _by_part(writer.places)
        distances = _distances(placed, pixels * resolution)
        writer.finish(
            region.grid.epsg,
            {
                "stage": "patches",
                "kind": entry.kind,
                "collection": name,
                "region": region_name,
                "samples": len(writer.places),
                "places": len({place.position for place in writer.places}),
                "parts": {part: len(placed[part]) for part in PARTS},
                "empty_because": cause,
                "class_codes": list(WORLDCOVER) if region.labels is not None else None,
                "training_classes": shown,
                "bands": {
                    sensor: list(sensor_about.scaling["bands"]) for sensor, sensor_about in about.items()
                },
                "scaling": {sensor: sensor_about.scaling for sensor, sensor_about in about.items()},
                "patch_pixels": pixels,
                "resolution_m": resolution,
                "time_axis": kind.time_axis,
                "years": kind.years,
                "split": {**settings.split.content(), "seed": settings.seed},
                "split_distance_m": distances,
                "bounds": {part: _bounds(centres) for part, centres in placed.items() if len(centres)},
                "source_cubes": [Path(path).as_posix() for path in cube_paths],
                "config_hash": config_hash(settings.content()),
                "code_version": code_version(),
            },
        )
    spoken = ", ".join(f"{pair} {metres:g} m" for pair, metres in distances.items())
    stage.log.info("%d samples; between the parts: %s", len(writer.places), spoken or "-")


def _with_sensors(region: Region, sensors: Sequence[str]) -> Region:
    if missing := [sensor for sensor in sensors if sensor not in region.cubes]:
        raise RevisitError(
            f"region {region.name}: no cube of {' or '.join(missing)} given, "
            f"only of {', '.join(region.cubes)}"
        )
    return replace(region, cubes={sensor: region.cubes[sensor] for sensor in sensors})


def _write_samples(
    writer: StoreWriter, region: Region, kind: Kind[Any], split: Split
) -> tuple[str, list[int]]:
    """Write all samples. Returns why there are none ("" where there are), and the classes training shows."""
    kept, lost = Counter[str](), Counter[str]()
    entry: Entry = kind.settings
    training = np.zeros(len(WORLDCOVER), bool)
    for ground in grounds(region, entry.patch_pixels, split.block_pixels):
        samples, cause = kind.samples(ground)
        if not samples:
            lost[cause] += 1
            continue
        labels = _cover(ground.land_cover) >= entry.min_class_fraction
        place = Place(ground.x, ground.y, kept.total(), ground.part)
        for looks in samples:
            land_cover = None if region.labels is None else ground.land_cover
            writer.append(looks, place, land_cover, labels.astype(np.uint8))
        if ground.part == TRAIN:
            training |= labels
        kept[PARTS[ground.part]] += 1
    found = ", ".join(f"{kept[part]} {part}" for part in PARTS)
    without = "".join(f"; {count} without {cause}" for cause, count in lost.most_common(5))
    stage.log.info("%s: places: %s%s", region.name, found, without)
    shown = [code for code, there in zip(WORLDCOVER, training, strict=True) if there]
    return _cause(kept, lost), shown if region.labels is not None else []


def _cause(kept: Mapping[str, int], lost: Counter[str]) -> str:
    if any(kept.values()):
        return ""
    if not lost:
        return "no patch lies wholly in one part of the split"
    cause, count = lost.most_common(1)[0]
    return f"{count} of {lost.total()} places are without {cause}"


def _cover(land_cover: np.ndarray) -> np.ndarray:
    """Share of the patch that each class of WorldCover covers: (11,)."""
    counts = np.bincount(land_cover.ravel(), minlength=256)
    shares: np.ndarray = counts[list(WORLDCOVER)] / land_cover.size
    return shares


def _by_part(places: Sequence[Place]) -> dict[str, np.ndarray]:
    """Centres (sample, 2) in metres of the samples of each part."""
    return {
        name: np.array([(place.x, place.y) for place in places if place.split == part]).reshape(-1, 2)
        for part, name in enumerate(PARTS)
    }


def _bounds(centres: np.ndarray) -> list[float]:
    """Least and greatest x and y of centres: [x, y, x, y], metres."""
    return [*centres.min(axis=0).tolist(), *centres.max(axis=0).tolist()]


def _distances(placed: Mapping[str, np.ndarray], side: float) -> dict[str, float]:
    """Least metres between the edges of patches of two parts, of pairs of parts that both have patches."""
    return {
        f"{one}-{other}": distance(placed[one], placed[other], side)
        for one, other in combinations(PARTS, 2)
        if len(placed[one]) and len(placed[other])
    }
