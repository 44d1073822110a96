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
from revisit.cube.grid import Block
from revisit.cube.in_order import in_order
from revisit.cube.packing import unpack_reflectance
from revisit.cube.scaling.histogram import Histogram
from revisit.cube.scaling.sums import Moments
from revisit.cube.split import TRAIN, Split, areas, split_map
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
    write_json(job.target("moments"), moments(job.source("cube"), settings, job.threads))


def moments(cube_path: str | Path, settings: Settings, threads: int = 1) -> dict[str, Any]:
    """Moments of an aligned cube's training pixels, as moments.json has them; of none in a region held out.

    Blocks are summed up in ``threads`` and added up in order, so that the sums do not depend on these.
    Raises RevisitError where the cube is of another stage.
    """
    cube = open_cube(cube_path, stage="aligned", packed=True)
    unit = cube.attrs["unit"]
    grid, bands = grid_of(cube), cube["band"].values.tolist()
    region = cube.attrs["region"]
    ground = areas(grid, settings.split, settings.seed, region)
    nothing = np.empty((len(bands), 0))
    total, histogram = Moments.of(nothing), Histogram.of(unit, nothing) if settings.histogram else None

    def summed(at: tuple[int, Block]) -> tuple[Moments, Histogram | None]:
        date, (rows, columns) = at
        valid = cube["valid"][date, rows, columns].values.astype(bool)
        values = values_of(cube)[date, :, rows, columns].values
        inside = values[:, valid & (split_map(ground, (rows, columns)) == TRAIN)]
        if unit == "reflectance":
            inside = unpack_reflectance(inside)
        return Moments.of(inside), Histogram.of(unit, inside) if settings.histogram else None

    every = [(date, block) for date in range(cube.sizes["time"]) for block in grid.blocks(BLOCK)]
    for _, (of_block, counted) in stage.progress(in_order(summed, every, threads), "moments", len(every)):
        total = total.merge(of_block)
        histogram = histogram.merge(counted) if histogram and counted else None
    times = np.datetime_as_string(cube["time"].values, unit="s").tolist()
    return {
        "region": region,
        "sensor": cube.attrs["sensor"],
        "unit": unit,
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
