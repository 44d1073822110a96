"""Mean and spread of the elevation over a region's training pixels, in the form of moments.json.

Apart from ``moments``, which a series of images takes: metres have neither dates nor a mask.
"""

from pathlib import Path
from typing import Any

import numpy as np

from revisit.cube.contract import grid_of, open_cube, values_of
from revisit.cube.scaling.moments import BLOCK, Settings
from revisit.cube.scaling.sums import Moments
from revisit.cube.split import TRAIN, areas, split_map
from revisit.files import write_json
from revisit.job import Job
from revisit.provenance import code_version, config_hash
from revisit.record import read


def run(job: Job) -> None:
    """Make ``moments`` (JSON) from the elevation, ``cube``."""
    settings = read(Settings, job.settings, "dem_moments")
    write_json(job.target("moments"), moments(job.source("cube"), settings))


def moments(cube_path: str | Path, settings: Settings) -> dict[str, Any]:
    """Moments of the elevation, in metres, over training pixels that have one.

    Raises RevisitError where the cube is none of elevation.
    """
    cube = open_cube(cube_path, stage="dem")
    grid, region = grid_of(cube), cube.attrs["region"]
    ground = areas(grid, settings.split, settings.seed, region)
    total = Moments.of(np.empty((1, 0)))
    for block in grid.blocks(BLOCK):
        metres, training = values_of(cube)[block].values, split_map(ground, block) == TRAIN
        total = total.merge(Moments.of(metres[training & ~np.isnan(metres)][None]))
    return {
        "region": region,
        "sensor": cube.attrs["sensor"],
        "unit": cube.attrs["unit"],
        "bands": [str(values_of(cube).name)],
        "count": [int(count) for count in total.count],
        "mean": total.mean.tolist(),
        "m2": total.m2.tolist(),
        "dates": [],
        "split": settings.split.described(settings.seed),
        "config_hash": config_hash(settings.content()),
        "code_version": code_version(),
    }
