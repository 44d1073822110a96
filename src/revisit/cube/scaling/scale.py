"""Scales an aligned cube between its sensor's limits: aligned.zarr, limits.json -> scaled.zarr.

0 and 255 are the limits and data like any other value; what was not seen is said by ``valid`` alone. Values
between are rounded to 8 bit, unless the limits ask for float32. The limits travel with the cube, and the
scaling is undone between them: to within half a step where it was rounded.
"""

from pathlib import Path

import numpy as np

from revisit import stage
from revisit.cube.beside import cube_link, write_beside
from revisit.cube.contract import about_date, grid_of, open_cube, values_of
from revisit.cube.grid import Block
from revisit.cube.in_order import in_order
from revisit.cube.scaling.scaled_values import dtype_of, steps_to_scaled, to_scaled, told
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
    dtype = dtype_of(limits)
    with create_cube(
        scaled_path,
        grid := grid_of(cube),
        dates=cube.sizes["time"],
        bands=bands,
        sensor=cube.attrs["sensor"],
        region=cube.attrs["region"],
        stage="scaled",
        unit="scaled",
        dtype=dtype,
        settings=limits["bands"] | told(dtype),
        band_coordinates=columns,
        attributes={
            "clip_sigma": limits["clip_sigma"],
            "source_unit": limits["unit"],
            "source_quantity": values_of(cube).attrs["long_name"],
            "limits_regions": limits["regions"],
            **told(dtype),
        },
    ) as writer:
        make = steps_to_scaled if cube.attrs["unit"] == "reflectance" else to_scaled

        def scaled(at: tuple[int, Block]) -> None:
            date, (rows, columns) = at
            values = values_of(cube)[date, :, rows, columns].values
            valid = cube["valid"][date, rows, columns].values
            writer.write((rows, columns), make(values, lower, upper, dtype), valid, date=date)

        every = [(date, block) for date in range(cube.sizes["time"]) for block in grid.blocks(BLOCK)]
        for _ in stage.progress(in_order(scaled, every, threads), "scaling", len(every)):
            pass
        for date, time in enumerate(cube["time"].values):
            writer.keep(time, **about_date(cube, date))
