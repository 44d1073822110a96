"""The scaled cubes of a region, and the patches of ground they are cut into."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from revisit.cube.contract import grid_of, open_cube, values_of
from revisit.cube.grid import Grid
from revisit.cube.split import UNUSED, Split, split_map
from revisit.errors import RevisitError
from revisit.patches.kind import Ground, Look, Sensed, years_of

READ_PIXELS = 256  # read at least this much of a side at a time, a chunk of the cubes
_LIMITS = ("lower", "upper", "mean", "std", "valid_pixels")


@dataclass(frozen=True)
class Region:
    """Cubes of a region by sensor, its label cube if any, and the part of the split of each pixel (y, x)."""

    name: str
    grid: Grid
    cubes: dict[str, xr.Dataset]
    labels: xr.Dataset | None
    parts: np.ndarray


def open_region(
    name: str, cube_paths: Sequence[Path], label_paths: Sequence[Path], split: Split, seed: int
) -> Region:
    """Open the scaled cubes of a region, one a sensor, and its label cube, if there is one.

    Raises RevisitError where they are not of this region, or lie on different grids.
    """
    cubes: dict[str, xr.Dataset] = {}
    for path in cube_paths:
        cube = _of_region(open_cube(path, stage="scaled"), path, name)
        if cubes.setdefault(cube.attrs["sensor"], cube) is not cube:
            raise RevisitError(f"{path}: a second cube of {cube.attrs['sensor']}; give one a sensor")
    if not cubes or len(label_paths) > 1:
        raise RevisitError(
            f"region {name}: got {len(cubes)} cubes and {len(label_paths)} label cubes; "
            "give one cube a sensor and at most one of labels"
        )
    labels = [_of_region(open_cube(path, stage="labels"), path, name) for path in label_paths]
    grids = {grid_of(cube) for cube in (*cubes.values(), *labels)}
    if len(grids) > 1:
        raise RevisitError(f"region {name}: its cubes lie on different grids; make all with one bbox")
    (grid,) = grids
    parts = split_map(grid, split, seed)
    return Region(
        name, grid, {sensor: cubes[sensor] for sensor in sorted(cubes)}, labels[0] if labels else None, parts
    )


def _of_region(cube: xr.Dataset, path: Path, name: str) -> xr.Dataset:
    if cube.attrs["region"] != name:
        raise RevisitError(f"{path}: of region {cube.attrs['region']}, not {name}; tile each region alone")
    return cube


def sensed(cube: xr.Dataset) -> Sensed:
    """How a scaled cube was scaled (clip_sigma, source_unit, the limits of each band), and its years."""
    columns = {name: cube[name].values.tolist() for name in _LIMITS}
    bands = {
        band: {name: column[index] for name, column in columns.items()}
        for index, band in enumerate(cube["band"].values.tolist())
    }
    scaling: dict[str, Any] = {
        "clip_sigma": cube.attrs["clip_sigma"],
        "source_unit": cube.attrs["source_unit"],
        "bands": bands,
    }
    return Sensed(scaling, np.unique(years_of(cube["time"].values)).tolist())


def grounds(region: Region, pixels: int, block_pixels: int) -> Iterator[Ground]:
    """The patches of a region that lie wholly in one part of the split, read block by block."""
    size = -(-READ_PIXELS // block_pixels) * block_pixels
    for rows, columns in region.grid.blocks(size):
        looks = {sensor: _look(cube.isel(y=rows, x=columns)) for sensor, cube in region.cubes.items()}
        if region.labels is None:
            land_cover = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        else:
            land_cover = region.labels["land_cover"][rows, columns].values
        parts, block = region.parts[rows, columns], region.grid.part((rows, columns))
        for here in block.blocks(pixels):
            part = np.unique(parts[here])
            if parts[here].shape != (pixels, pixels) or len(part) > 1 or part[0] == UNUSED:
                continue
            patch = block.part(here)
            yield Ground(
                float(patch.x.mean()),
                float(patch.y.mean()),
                int(part[0]),
                {
                    sensor: Look(look.values[..., *here], look.valid[:, *here], look.times)
                    for sensor, look in looks.items()
                },
                land_cover[here],
            )


def _look(cube: xr.Dataset) -> Look:
    return Look(values_of(cube).values, cube["valid"].values.astype(bool), cube["time"].values)
