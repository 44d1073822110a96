"""Mean and spread of each band over the valid training pixels of an aligned cube: moments.json.

One file per region; revisit.cube.scaling.limits pools them. Read in blocks, summed in float64 (Chan, Golub
and LeVeque 1983), so neither memory nor rounding grows with the region.
"""

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from revisit import stage
from revisit.cube.contract import grid_of, open_cube, values_of
from revisit.cube.scaling.histogram import Histogram
from revisit.cube.scaling.sums import Moments
from revisit.cube.split import TRAIN, Split, split_map
from revisit.files import write_json
from revisit.job import Job
from revisit.provenance import code_version, config_hash
from revisit.record import Record, read

BLOCK = 1024  # pixels, a multiple of the cube's chunks


class Settings(Record):
    """Which pixels train."""

    seed: int = Field(ge=0)
    """Seed of the split."""

    split: Split
    """The geographic split."""

    histogram: bool = False
    """Whether to count the values too, for limits by percentiles."""


def run(job: Job) -> None:
    """Make ``moments`` (JSON) from the aligned ``cube``."""
    settings = read(Settings, job.settings, "moments")
    write_json(job.target("moments"), moments(job.source("cube"), settings))


def moments(cube_path: str | Path, settings: Settings) -> dict[str, Any]:
    """Moments of an aligned cube's training pixels, as moments.json has them; of none in a region held out.

    Raises RevisitError where the cube is of another stage.
    """
    cube = open_cube(cube_path, stage="aligned")
    grid, bands = grid_of(cube), cube["band"].values.tolist()
    region = cube.attrs["region"]
    training = split_map(grid, settings.split, settings.seed, region) == TRAIN
    total = Moments.of(np.empty((len(bands), 0)))
    histogram = Histogram.of(cube.attrs["unit"], len(bands)) if settings.histogram else None
    for date in stage.progress(range(cube.sizes["time"]), "moments"):
        for rows, columns in grid.blocks(BLOCK):
            valid = cube["valid"][date, rows, columns].values.astype(bool)
            values = values_of(cube)[date, :, rows, columns].values
            inside = values[:, valid & training[rows, columns]]
            total = total.merge(Moments.of(inside))
            if histogram:
                histogram.add(inside)
    times = np.datetime_as_string(cube["time"].values, unit="s").tolist()
    return {
        "region": region,
        "sensor": cube.attrs["sensor"],
        "unit": cube.attrs["unit"],
        "bands": bands,
        "count": [int(count) for count in total.count],
        "mean": total.mean.tolist(),
        "m2": total.m2.tolist(),
        **({"histogram": histogram.content()} if histogram else {}),
        "dates": times,
        "split": settings.split.described(settings.seed),
        "config_hash": config_hash(settings.content()),
        "code_version": code_version(),
    }
