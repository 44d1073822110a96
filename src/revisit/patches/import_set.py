"""Imports a benchmark set, or a part of it, into a patch store: scaled, with labels and the set's own split.

A store of a set says the same of itself as one cut from cubes; its centres are in metres of an equal-area
projection of the whole Earth, as a set may lie in many zones, and not a number where the set does not say.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from pyproj import Transformer

from revisit import stage
from revisit.cube.scaling.scaled_values import to_scaled
from revisit.cube.split import PARTS
from revisit.cube.zones import EARTH
from revisit.errors import RevisitError
from revisit.files import atomic, read_json
from revisit.job import Job
from revisit.patches.benchmark import Benchmark, Entry, Reading, Sample
from revisit.patches.kind import Look
from revisit.patches.survey import ahead, open_set, read_samples
from revisit.patches.tally import Tally, cover, told
from revisit.patches.writer import Place, StoreWriter
from revisit.provenance import code_version, config_hash
from revisit.record import Record, read


class Settings(Record):
    """What is imported."""

    entry: dict[str, Any]
    """The entry of the config's `imports`."""
    number: int = Field(ge=1)
    """Which of the collection's stores this is, from 1 on."""


def run(job: Job) -> None:
    """The stage: ``samples`` and ``limits`` of a set, and its folder, to one store ``patches``."""
    settings = read(Settings, job.settings, "import_set")
    import_set(
        job.names["collection"],
        job.names["region"],
        read_samples(job.source("samples")),
        read_json(job.source("limits"))["scaling"],
        job.target("patches"),
        settings,
        job.threads,
    )


def import_set(
    name: str,
    region: str,
    samples: Sequence[Sample],
    scaling: Mapping[str, Any],
    path: Path,
    settings: Settings,
    processes: int = 1,
) -> None:
    """Write the patch store ``region`` of the collection ``name``: its share of all samples of the set.

    ``scaling``: limits of each sensor's bands. Raises RevisitError where a file cannot be read, or is not
    what the set says, and where there are more stores than places.
    """
    benchmark = open_set(name, settings.entry)
    entry: Entry = benchmark.settings
    own = _share(name, samples, settings.number, entry.stores)
    kept = [sample for sample in own if not sample.left_out]
    places = {place: number for number, place in enumerate(dict.fromkeys(one.place for one in kept))}
    codes = benchmark.legend.codes
    tally = Tally([sum(one.part == part for one in own) for part in PARTS], len(own), len(codes))
    for sample in own:
        if sample.left_out:
            tally.lose(PARTS.index(sample.part), sample.left_out)
    # By the bands' order, which JSON does not keep.
    limits = {
        sensor: tuple(
            np.array([scaling[sensor]["bands"][band][key] for band in has.bands])
            for key in ("lower", "upper")
        )
        for sensor, has in benchmark.taken.items()
    }
    to_metres = Transformer.from_crs(4326, EARTH, always_xy=True)
    with atomic(path) as aside:
        writer = StoreWriter(aside)
        readings = ahead(partial(_scaled, benchmark, limits), kept, processes)
        for sample, reading in stage.progress(zip(kept, readings, strict=True), "samples", len(kept)):
            part = PARTS.index(sample.part)
            labels = reading.labels
            if reading.label_map is not None and not reading.label_map.any():
                reading = reading._replace(label_map=None)  # labels that the set has beside maps stay
            elif reading.label_map is not None and labels is None:
                labels = (cover(reading.label_map, codes) >= entry.min_class_fraction).astype(np.uint8)
            place = Place(*to_metres.transform(*reading.centre), places[sample.place], part)
            writer.append(reading.looks, place, reading.label_map, labels)
            dated = {
                sensor: look for sensor, look in reading.looks.items() if sensor not in benchmark.undated
            }
            tally.sample(part, dated, labels)
        tally.places = len(places)
        writer.finish(
            EARTH,
            {
                "stage": "patches",
                "kind": benchmark.kind,
                "collection": name,
                "region": region,
                "samples": len(kept),
                "places": tally.places,
                "parts": {part: sum(one.part == part for one in kept) for part in PARTS},
                "empty_because": "",
                **tally.attributes({}),
                "class_codes": codes,
                "legend": benchmark.legend.described(),
                "label_maps": benchmark.label_maps,
                "label_years": [],
                "bands": {sensor: list(has.bands) for sensor, has in benchmark.taken.items()},
                "scaling": scaling,
                "patch_pixels": benchmark.patch_pixels,
                "resolution_m": benchmark.resolution_m,
                "time_axis": benchmark.time_axis,
                "years": {},
                "undated": list(benchmark.undated),
                "period": list(benchmark.period),
                "split": {"set": entry.set},
                "whole_region_in": None,
                "split_distance_m": {},  # of the whole collection only: the index says them
                "source_cubes": [],
                "source_set": benchmark.source.name,
                "config_hash": config_hash(settings.content()),
                "code_version": code_version(),
            },
        )
    stage.log.info("%d samples of %d places; %s", len(kept), tally.places, told(tally.lost))


def _share(name: str, samples: Sequence[Sample], number: int, stores: int) -> list[Sample]:
    """The samples of one of so many stores: whole places, in order.

    Places that are left out are shared out by themselves, so that no store is without a sample.
    """
    there = dict.fromkeys(sample.place for sample in samples if not sample.left_out)
    if len(there) < stores:
        raise RevisitError(
            f"imports.{name}.stores: {stores}, but there are samples of {len(there)} places; ask for no more "
            "stores than that"
        )
    gone = dict.fromkeys(sample.place for sample in samples if sample.place not in there)
    own = {
        place
        for places in (there, gone)
        for place in np.array_split(list(places), stores)[number - 1].tolist()
    }
    return [sample for sample in samples if sample.place in own]


def _scaled(benchmark: Benchmark[Any], limits: Mapping[str, Any], sample: Sample) -> Reading:
    """A sample with its values scaled to uint8."""
    reading = benchmark.take(sample)
    looks = {}
    for sensor, (lower, upper) in limits.items():
        look = reading.looks[sensor]
        if look.values.shape[-2:] != (benchmark.patch_pixels,) * 2 or look.values.shape[1] != len(lower):
            raise RevisitError(
                f"{benchmark.folder / sample.files[0]}: {sensor} is of the shape {look.values.shape}, not of "
                f"{len(lower)} bands of {benchmark.patch_pixels} pixels a side"
            )
        looks[sensor] = Look(to_scaled(look.values, lower, upper), look.valid, look.times)
    if reading.label_map is not None and reading.label_map.shape != (benchmark.patch_pixels,) * 2:
        raise RevisitError(
            f"{benchmark.folder / sample.files[-1]}: the map is of the shape {reading.label_map.shape}, not "
            f"of {benchmark.patch_pixels} pixels a side"
        )
    return reading._replace(looks=looks)
