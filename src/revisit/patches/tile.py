"""Cuts the scaled cubes of a region into its store of a collection, with labels and a geographic split.

Patches are cut from each area of the split for itself, so none crosses from one part into another or into
the gap between. The region is read in pieces, so memory does not grow with it; and no other region is
touched. What depends on all regions of a collection is in its index (``revisit.patches.index``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from revisit import parts, stage
from revisit.cube.bands import ELEVATION
from revisit.cube.in_order import in_turn
from revisit.cube.labels.legend import Legend
from revisit.cube.split import PARTS, Area, Split, count_patches, distance
from revisit.errors import RevisitError
from revisit.files import atomic
from revisit.job import Job
from revisit.patches.ground import Region, grounds, open_region, sensed, windows
from revisit.patches.kind import LABELS, Entry, Ground, Kind, Look, check_classes
from revisit.patches.tally import Tally, cover, told
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
    legend: Legend | None = None
    """What the study's labels mean, for a region that has none; none where the study has no labels."""


def run(job: Job) -> None:
    """The stage: ``cubes`` of a region's sensors and its ``labels``, if any, to its store ``patches``.

    ``elevation``: its elevation and the limits of that, if any.
    """
    settings = read(Settings, job.settings, "tile")
    collection, region = job.names["collection"], job.names["region"]
    cubes, labels, elevation = (job.sources(name) for name in ("cubes", "labels", "elevation"))
    tile(collection, region, cubes, labels, job.target("patches"), settings, elevation, job.threads)


def tile(
    name: str,
    region_name: str,
    cube_paths: Sequence[Path],
    label_paths: Sequence[Path],
    patches_path: Path,
    settings: Settings,
    elevation_paths: Sequence[Path] = (),
    threads: int = 1,
) -> None:
    """Write the patch store of a region for the collection ``name``; it is read and cut in ``threads``.

    ``elevation_paths``: the cube of its elevation and its limits, for a store that is to hold it too.
    Raises RevisitError where the cubes do not belong together or lack what the collection asks for, and
    where no sample is left, unless the collection allows it.
    """
    kind_class: type[Kind[Any]] = parts.find("kind", settings.collection.get("kind", ""))
    entry: Entry = read(kind_class.Settings, settings.collection, f"collections.{name}")
    split, seed = settings.split, settings.seed
    region = open_region(region_name, cube_paths, label_paths, split, seed, elevation_paths)
    of_maps = region.legend or settings.legend
    legend = kind_class.legend(of_maps) if of_maps else None
    label_years = sorted({year for own in region.label_years for year in own})
    searched = dict(settings.years) | ({LABELS: label_years} if label_years else {})
    check_classes(name, entry.classes, legend)
    kind_class.check(name, entry, searched, settings.split.block_pixels)
    region = _with_sensors(region, kind_class.taken(entry, region.cubes))
    about = {sensor: sensed(cube) for sensor, cube in region.cubes.items()}
    kind = kind_class(entry, about, settings.seed, region.label_years)
    scaling = {sensor: sensor_about.scaling for sensor, sensor_about in about.items()}
    if region.elevation:
        scaling[ELEVATION] = region.elevation.scaling
    pixels, resolution = entry.patch_pixels, region.grid.resolution
    with atomic(patches_path) as aside:
        writer = StoreWriter(aside)
        tally = _write_samples(writer, region, kind, legend, threads)
        cause = "" if writer.places else f"patches: {told(tally.lost)}"
        if cause and not entry.allow_empty:
            raise RevisitError(
                f"collection {name}, region {region_name}: no sample; {cause}; "
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
                "places": tally.places,
                "parts": {part: len(placed[part]) for part in PARTS},
                "empty_because": cause,
                **tally.attributes(kind.years),
                "class_codes": legend.codes if legend else [],
                "legend": legend.described() if legend else None,
                "label_years": label_years,
                "bands": {sensor: list(own["bands"]) for sensor, own in scaling.items()},
                "scaling": scaling,
                "patch_pixels": pixels,
                "resolution_m": resolution,
                "time_axis": kind.time_axis,
                "years": kind.years,
                "split": settings.split.described(settings.seed),
                "whole_region_in": settings.split.regions.get(region_name),
                "split_distance_m": distances,
                "bounds": {
                    part: _bounds(centres, pixels * resolution)
                    for part, centres in placed.items()
                    if len(centres)
                },
                "source_cubes": [Path(path).as_posix() for path in (*cube_paths, *elevation_paths[:1])],
                "config_hash": config_hash(settings.content()),
                "code_version": code_version(),
            },
        )
    spoken = ", ".join(f"{pair} {metres:g} m" for pair, metres in distances.items())
    stage.log.info(
        "%d samples of %d places; %s; between the parts: %s",
        len(writer.places), tally.places, told(tally.lost), spoken or "-",
    )  # fmt: skip
    for sensor, times in tally.attributes(kind.years)["masked"].items():
        if times:
            counts = ", ".join(f"{time}: {count}" for time, count in times.items())
            stage.log.info("samples with a masked time of %s: %s", sensor, counts)


def _with_sensors(region: Region, sensors: Sequence[str]) -> Region:
    if missing := [sensor for sensor in sensors if sensor not in region.cubes]:
        raise RevisitError(
            f"region {region.name}: no cube of {' or '.join(missing)} given, "
            f"only of {', '.join(region.cubes)}"
        )
    return replace(region, cubes={sensor: region.cubes[sensor] for sensor in sensors})


class _Sample(NamedTuple):
    """Looks by sensor, the same with the elevation if any, land cover (y, x) and labels (class,) if any."""

    looks: Mapping[str, Look]
    stored: Mapping[str, Look]
    label_map: np.ndarray | None
    labels: np.ndarray | None


class _Cut(NamedTuple):
    """What is kept of a patch of ground: its samples with their label maps and labels, or what they lack."""

    x: float
    y: float
    part: int
    samples: list[_Sample]
    cause: str


def _write_samples(
    writer: StoreWriter, region: Region, kind: Kind[Any], legend: Legend | None, threads: int
) -> Tally:
    """Write all samples, and count them and what is lost."""
    codes = legend.codes if legend else []
    pixels = kind.settings.patch_pixels
    height, width = region.grid.shape
    cut, uncut = count_patches(region.areas, pixels), (height // pixels) * (width // pixels)
    tally = Tally(cut, uncut, len(codes))

    def make(window: Area) -> list[_Cut]:
        return [_cut(ground, kind, codes) for ground in grounds(region, window, pixels)]

    def take(patches: list[_Cut]) -> None:
        for patch in patches:
            if not patch.samples:
                tally.lose(patch.part, f"without {patch.cause}")
                continue
            place = Place(patch.x, patch.y, tally.places, patch.part)
            for looks, stored, label_map, labels in patch.samples:
                writer.append(stored, place, label_map, labels)
                tally.sample(patch.part, looks, labels)
            tally.keep()

    in_turn(make, take, windows(region, pixels), threads)
    return tally


def _cut(ground: Ground, kind: Kind[Any], codes: Sequence[int]) -> _Cut:
    """The samples of a patch of ground."""
    entry: Entry = kind.settings
    samples, cause = kind.samples(ground)
    if samples and ground.elevation and ground.elevation.valid.mean() < entry.min_valid:
        samples, cause = [], "enough elevation"
    made = []
    for looks in samples:
        label_map, labels = kind.label_map(ground, looks), None
        if label_map is not None:
            labels = (cover(label_map, codes) >= entry.min_class_fraction).astype(np.uint8)
        stored = looks | {ELEVATION: ground.elevation} if ground.elevation else looks
        made.append(_Sample(looks, stored, label_map, labels))
    return _Cut(ground.x, ground.y, ground.part, made, cause)


def _by_part(places: Sequence[Place]) -> dict[str, np.ndarray]:
    """Centres (sample, 2) in metres of the samples of each part."""
    return {
        name: np.array([(place.x, place.y) for place in places if place.split == part]).reshape(-1, 2)
        for part, name in enumerate(PARTS)
    }


def _bounds(centres: np.ndarray, side: float) -> list[float]:
    """Left, bottom, right and top of squares with these centres, metres."""
    return [*(centres.min(axis=0) - side / 2).tolist(), *(centres.max(axis=0) + side / 2).tolist()]


def _distances(placed: Mapping[str, np.ndarray], side: float) -> dict[str, float]:
    """Least metres between the edges of patches of two parts, of pairs of parts that both have patches."""
    return {
        f"{one}-{other}": distance(placed[one], placed[other], side)
        for one, other in combinations(PARTS, 2)
        if len(placed[one]) and len(placed[other])
    }
