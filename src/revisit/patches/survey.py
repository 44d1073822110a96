"""Surveys a benchmark set: lists its samples, and measures the limits that scale its bands to 8 bit.

``samples.csv`` holds every sample of the set's lists, its part of the split, and why it is left out if it is.
``limits.json`` is as that of cubes: a band's mean, less and plus ``clip_sigma`` standard deviations, over the
valid pixels of the training split.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import joblib
import numpy as np
from pydantic import Field

from revisit import parts, stage
from revisit.cube.scaling.sums import Moments
from revisit.cube.split import PARTS
from revisit.errors import RevisitError
from revisit.files import read_json, write_json, write_rows
from revisit.job import Job
from revisit.patches.benchmark import Benchmark, Entry, Reading, Sample, check_split
from revisit.provenance import code_version, config_hash
from revisit.record import Record, read

ENOUGH = 200  # samples that each process must have
BATCH = 8  # of them in one message
PATIENCE_S = 20  # after which a process that has nothing to do ends, as where its parent was killed
BETWEEN = "|"  # file names of a sample
NOT_THERE = "not among the files"

One = TypeVar("One")
Other = TypeVar("Other")


class Settings(Record):
    """What is imported."""

    entry: dict[str, Any]
    """The entry of the config's `imports`."""
    clip_sigma: float = Field(gt=0)
    """Standard deviations from the mean to either limit."""


def run(job: Job) -> None:
    """The stage: the set's folder to ``samples`` (CSV) and ``limits`` (JSON).

    ``cube_limits``: those of the study's cubes, where they are to hold for the set.
    """
    settings = read(Settings, job.settings, "survey")
    name = job.names["collection"]
    benchmark = open_set(name, settings.entry)
    samples = listed(name, benchmark)
    write_samples(job.target("samples"), samples)
    given = job.sources("cube_limits")
    made = (
        cube_limits(name, benchmark, given)
        if given
        else limits(name, benchmark, samples, settings.clip_sigma, job.threads)
    )
    about = {"config_hash": config_hash(settings.content()), "code_version": code_version()}
    write_json(job.target("limits"), {"scaling": made, **about})


def open_set(name: str, entry: dict[str, Any]) -> Benchmark[Any]:
    """The importer of the entry ``name``; raises RevisitError where its settings are wrong."""
    kind: type[Benchmark[Any]] = parts.find("benchmark", entry["set"])
    return kind(read(kind.Settings, entry, f"imports.{name}"))


def listed(name: str, benchmark: Benchmark[Any]) -> list[Sample]:
    """The samples of a set, those without a file left out where the entry allows it.

    Raises RevisitError where files are missing and it does not, and where a part of the split is empty.
    """
    samples = benchmark.samples()
    check_split(samples, name)
    entry: Entry = benchmark.settings
    found, missing, first = [], Counter[str](), Path()
    for sample in stage.progress(samples, "files"):
        if not sample.left_out and (gone := benchmark.absent(sample)):
            first = first if missing else gone
            missing[sample.part] += 1
            sample = sample._replace(left_out=NOT_THERE)
        found.append(sample)
    if missing and not entry.partial:
        raise benchmark.missing(
            f"{first}, with it files of {missing.total()} of {len(samples)} samples (say `partial: true` to "
            "take the others),"
        )
    for sample_part in PARTS:
        of_part = [sample for sample in found if sample.part == sample_part]
        if all(sample.left_out for sample in of_part) and not entry.allow_empty:
            causes = Counter(sample.left_out for sample in of_part).most_common()
            spoken = ", ".join(f"{count} {cause}" for cause, count in causes) or "none is listed"
            raise RevisitError(
                f"imports.{name}: no sample in {sample_part}: {spoken}; take more of the set or another split"
            )
    for cause, count in Counter(sample.left_out for sample in found).most_common():
        stage.log.info("%d samples%s", count, f" left out: {cause}" if cause else "")
    return found


def limits(
    name: str, benchmark: Benchmark[Any], samples: Sequence[Sample], sigma: float, processes: int
) -> dict[str, Any]:
    """Limits of each sensor's bands, over the valid pixels of the training samples.

    The order in which pixels are added up does not depend on ``processes``. Raises RevisitError where a band
    has no valid training pixel, or but one value.
    """
    training = [sample for sample in samples if sample.part == "train" and not sample.left_out]
    total = {sensor: Moments.of(np.empty((len(own.bands), 0))) for sensor, own in benchmark.taken.items()}
    for moments in stage.progress(
        ahead(partial(_moments, benchmark), training, processes), "limits", len(training)
    ):
        total = {sensor: total[sensor].merge(moments[sensor]) for sensor in total}
    scaling: dict[str, Any] = {}
    for sensor, own in benchmark.taken.items():
        bands = {}
        for index, band in enumerate(own.bands):
            count, mean = total[sensor].count[index], float(total[sensor].mean[index])
            std = float(np.sqrt(total[sensor].m2[index] / count)) if count else 0.0
            if std == 0:
                raise RevisitError(
                    f"imports.{name}: {sensor}, band {band}: {int(count)} valid training pixels with no "
                    "spread; look at the files of the set"
                )
            bands[band] = {
                "lower": mean - sigma * std,
                "upper": mean + sigma * std,
                "mean": mean,
                "std": std,
                "valid_pixels": int(count),
            }
            stage.log.info("%s: %.4g to %.4g %s", band, bands[band]["lower"], bands[band]["upper"], own.unit)
        scaling[sensor] = {"clip_sigma": sigma, "source_unit": own.unit, "bands": bands}
    return scaling


def cube_limits(name: str, benchmark: Benchmark[Any], paths: Sequence[Path]) -> dict[str, Any]:
    """Limits of the study's cubes (limits.json of each sensor) for the bands that the set takes.

    Raises RevisitError where they are of another unit.
    """
    found = {about["sensor"]: about for about in map(read_json, paths)}
    scaling = {}
    for sensor, own in benchmark.taken.items():
        about = found[sensor]
        if about["unit"] != own.unit:
            raise RevisitError(
                f"imports.{name}.limits: those of cubes are in {about['unit']}, the set has {own.unit}"
            )
        scaling[sensor] = {
            "clip_sigma": about["clip_sigma"],
            "source_unit": own.unit,
            "bands": {band: about["bands"][band] for band in own.bands},
        }
    return scaling


def ahead(work: Callable[[One], Other], items: Sequence[One], processes: int) -> Iterator[Other]:
    """``work`` on the items by so many processes, in order, some of them ahead of what is taken.

    Threads would gain nothing, as rasterio holds Python's lock while it opens a file. Few items are not worth
    the start of a process.
    """
    several = min(processes, len(items) // ENOUGH)
    if several < 2:
        yield from map(work, items)
        return
    pool = joblib.Parallel(
        several,
        return_as="generator",
        pre_dispatch="4 * n_jobs",
        batch_size=BATCH,
        idle_worker_timeout=PATIENCE_S,
    )
    yield from pool(joblib.delayed(work)(item) for item in items)


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Write the list of samples."""
    write_rows(
        path,
        (
            {
                "sample": sample.name,
                "part": sample.part,
                "place": sample.place,
                "row": sample.window[0],
                "column": sample.window[1],
                "files": BETWEEN.join(sample.files),
                "left_out": sample.left_out,
            }
            for sample in samples
        ),
    )


def read_samples(path: Path) -> list[Sample]:
    """What ``write_samples`` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Sample(
                row["sample"],
                row["part"],
                row["place"],
                tuple(filter(None, row["files"].split(BETWEEN))),
                (int(row["row"]), int(row["column"])),
                row["left_out"],
            )
            for row in csv.DictReader(file)
        ]


def _moments(benchmark: Benchmark[Any], sample: Sample) -> dict[str, Moments]:
    reading: Reading = benchmark.take(sample)
    return {
        sensor: Moments.of(np.moveaxis(look.values, 1, 0)[:, look.valid])
        for sensor, look in reading.looks.items()
    }
