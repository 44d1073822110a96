"""The scaled cubes of a study, region by region, and the patches of ground they are cut into."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from revisit.cube.contract import grid_of, open_cube, values_of
from revisit.cube.grid import Grid
from revisit.cube.split import UNUSED, split_map
from revisit.errors import RevisitError
from revisit.patches.writer import Look

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


@dataclass(frozen=True)
class Ground:
    """A patch of ground: centre in metres, part of the split, all looks at it, WorldCover codes (y, x)."""

    x: float
    y: float
    part: int
    looks: dict[str, Look]
    land_cover: np.ndarray


def open_regions(
    cube_paths: Sequence[str | Path], label_paths: Sequence[str | Path], split: dict[str, Any], seed: int
) -> list[Region]:
    """Open the scaled cubes and label cubes of all regions, in the order of the paths.

    Raises RevisitError where regions differ in sensors, bands or limits, or cubes of one region in
    grid, and where labels are given for some regions only.
    """
    cubes: dict[str, dict[str, xr.Dataset]] = defaultdict(dict)
    first: dict[str, tuple[str | Path, Any]] = {}
    for path in cube_paths:
        cube = open_cube(path, stage="scaled")
        sensor = cube.attrs["sensor"]
        cubes[cube.attrs["region"]][sensor] = cube
        other, limits = first.setdefault(sensor, (path, scaling_of(cube)))
        if scaling_of(cube) != limits:
            raise RevisitError(
                f"{path}: bands or limits are not those of {other}; scale both with one limits.json"
            )
    labels = {
        cube.attrs["region"]: cube for cube in (open_cube(path, stage="labels") for path in label_paths)
    }
    regions = []
    for name, own in cubes.items():
        if set(own) != set(first):
            raise RevisitError(
                f"region {name}: has cubes of {sorted(own)}, others of {sorted(first)}; give all"
            )
        if labels and name not in labels:
            raise RevisitError(f"region {name}: no labels given, but for {sorted(labels)}; give all or none")
        grids = {grid_of(cube) for cube in (*own.values(), *([labels[name]] if labels else []))}
        if len(grids) > 1:
            raise RevisitError(f"region {name}: its cubes lie on different grids; make all with one bbox")
        grid = grids.pop()
        parts = split_map(grid, name, split, seed)
        regions.append(Region(name, grid, {key: own[key] for key in sorted(own)}, labels.get(name), parts))
    return regions


def scaling_of(cube: xr.Dataset) -> dict[str, Any]:
    """How a scaled cube was scaled: clip_sigma, source_unit, and the limits of each band."""
    columns = {name: cube[name].values.tolist() for name in _LIMITS}
    bands = {
        band: {name: column[index] for name, column in columns.items()}
        for index, band in enumerate(cube["band"].values.tolist())
    }
    return {"clip_sigma": cube.attrs["clip_sigma"], "source_unit": cube.attrs["source_unit"], "bands": bands}


def years_of(times: np.ndarray) -> np.ndarray:
    """Calendar year of each time."""
    return times.astype("datetime64[Y]").astype(int) + 1970


def years_seen(regions: Sequence[Region]) -> dict[str, list[int]]:
    """The years in which any region has a date, by sensor."""
    return {
        sensor: sorted(
            {int(year) for region in regions for year in years_of(region.cubes[sensor]["time"].values)}
        )
        for sensor in regions[0].cubes
    }


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
