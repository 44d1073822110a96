"""Scales an aligned cube to 8 bit between its sensor's limits: aligned.zarr, limits.json -> scaled.zarr.

0 and 255 are the limits and data like any other value; what was not seen is said by ``valid`` alone. The
limits travel with the cube, and the scaling is undone to within half a step between them.
"""

from pathlib import Path

import numpy as np

from revisit import stage
from revisit.cube.beside import cube_link, write_beside
from revisit.cube.contract import about_date, grid_of, open_cube, values_of
from revisit.cube.grid import Block
from revisit.cube.in_order import in_order
from revisit.cube.scaling.eight_bit import steps_to_uint8, to_uint8
from revisit.cube.write import BLOCK, create_cube
from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.job import Job


def run(job: Job) -> None:
    """Make ``cube`` (scaled) from ``cube`` (aligned) and ``limits``."""
    aligned, path = job.source("cube"), job.target("cube")
    scale(aligned, job.source("limits"), path, job.threads)
    write_beside(path, job.target("quicklook"), [cube_link(aligned)])


def scale(cube_path: str | Path, limits_path: str | Path, scaled_path: str | Path, threads: int = 1) -> None:
    """Write the scaled cube, its blocks in ``threads``.

    Raises RevisitError where limits and cube differ in sensor, unit or bands.
    """
    cube, limits = open_cube(cube_path, stage="aligned", packed=True), read_json(limits_path)
    bands = cube["band"].values.tolist()
    for key, found in (("sensor", cube.attrs["sensor"]), ("unit", cube.attrs["unit"]), ("band_order", bands)):
        if limits[key] != found:
            raise RevisitError(f"{limits_path}: {key} is {limits[key]}, but {found} in {cube_path}")
    columns = {
        name: [limits["bands"][band][name] for band in bands]
        for name in ("lower", "upper", "mean", "std", "valid_pixels")
    }
    lower, upper = np.array(columns["lower"]), np.array(columns["upper"])
    with create_cube(
        scaled_path,
        grid := grid_of(cube),
        dates=cube.sizes["time"],
        bands=bands,
        sensor=cube.attrs["sensor"],
        region=cube.attrs["region"],
        stage="scaled",
        unit="scaled",
        settings=limits["bands"],
        band_coordinates=columns,
        attributes={
            "clip_sigma": limits["clip_sigma"],
            "source_unit": limits["unit"],
            "source_quantity": values_of(cube).attrs["long_name"],
            "limits_regions": limits["regions"],
        },
    ) as writer:
        to_8_bit = steps_to_uint8 if cube.attrs["unit"] == "reflectance" else to_uint8

        def scaled(at: tuple[int, Block]) -> None:
            date, (rows, columns) = at
            values = values_of(cube)[date, :, rows, columns].values
            valid = cube["valid"][date, rows, columns].values
            writer.write((rows, columns), to_8_bit(values, lower, upper), valid, date=date)

        every = [(date, block) for date in range(cube.sizes["time"]) for block in grid.blocks(BLOCK)]
        for _ in stage.progress(in_order(scaled, every, threads), "scaling", len(every)):
            pass
        for date, time in enumerate(cube["time"].values):
            writer.keep(time, **about_date(cube, date))
