"""The scaled cubes of a region, and the patches of ground they are cut into."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from revisit.cube.contract import grid_of, open_cube, values_of
from revisit.cube.grid import Block, Grid
from revisit.cube.labels.legend import BY_YEAR, Legend
from revisit.cube.scaling.scaled_values import dtype_of, to_scaled, told
from revisit.cube.split import Area, Split, areas
from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.patches.batch import MISSING
from revisit.patches.kind import NO_TIME, Ground, Look, Sensed, years_of

READ_BYTES = 100_000_000  # of images and masks at a time, as near as whole patches allow
READ_DATES = 8  # at a time
READ_PATCHES = 24  # a side at a time: what is cut from few dates may be larger than they are
_LIMITS = ("lower", "upper", "mean", "std", "valid_pixels")


@dataclass(frozen=True)
class Elevation:
    """The elevation of a region in metres, and how it is scaled."""

    cube: xr.Dataset
    scaling: dict[str, Any]

    def look(self, block: Block) -> Look:
        """The elevation of a block, scaled; what has none is not valid."""
        metres = values_of(self.cube)[block].values
        lower, upper = (
            np.array([band[limit] for band in self.scaling["bands"].values()]) for limit in ("lower", "upper")
        )
        dtype = dtype_of(self.scaling)
        scaled = to_scaled(metres[None, None], lower, upper, dtype)
        # MISSING is then a pixel without elevation: there is no other band to tell it from a mean one.
        below = MISSING - 1 if dtype.kind == "u" else np.nextafter(np.float32(MISSING), np.float32(0))
        scaled[scaled == MISSING] = below
        return Look(scaled, ~np.isnan(metres)[None], np.array([NO_TIME]))


@dataclass(frozen=True)
class Region:
    """Cubes of a region by sensor, its label cube and elevation if any, the areas of the split's parts."""

    name: str
    grid: Grid
    cubes: dict[str, xr.Dataset]
    labels: xr.Dataset | None
    areas: list[Area]
    elevation: Elevation | None = None

    @property
    def legend(self) -> Legend | None:
        """What the codes of its labels mean; None where it has no label cube."""
        return None if self.labels is None else Legend.of_cube(self.labels)

    @property
    def label_years(self) -> list[list[int]]:
        """Years that each of the region's label maps holds for; none where it has no label cube."""
        return [] if self.labels is None else _map_years(self.labels)


def open_region(
    name: str,
    cube_paths: Sequence[Path],
    label_paths: Sequence[Path],
    split: Split,
    seed: int,
    elevation_paths: Sequence[Path] = (),
) -> Region:
    """Open the scaled cubes of a region, one a sensor, and its label cube, if there is one.

    ``elevation_paths``: the cube of its elevation and its limits, or neither.
    Raises RevisitError where they are not of this region, lie on different grids, or are of different types.
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
    types = {values_of(cube).dtype for cube in cubes.values()}
    if len(types) > 1:
        found = " and ".join(sorted(map(str, types)))
        raise RevisitError(f"region {name}: its cubes are of {found}; scale all with one cube.scaled_dtype")
    elevation = _elevation(name, types.pop(), *elevation_paths) if elevation_paths else None
    others = [*labels, *([elevation.cube] if elevation else [])]
    grids = {grid_of(cube) for cube in (*cubes.values(), *others)}
    if len(grids) > 1:
        raise RevisitError(f"region {name}: its cubes lie on different grids; make all with one bbox")
    (grid,) = grids
    in_order = {sensor: cubes[sensor] for sensor in sorted(cubes)}
    ground = areas(grid, split, seed, name)
    return Region(name, grid, in_order, labels[0] if labels else None, ground, elevation)


def _elevation(name: str, dtype: np.dtype[Any], cube_path: Path, limits_path: Path) -> Elevation:
    """The elevation of a region, to be scaled to the type of its images."""
    cube, limits = _of_region(open_cube(cube_path, stage="dem"), cube_path, name), read_json(limits_path)
    for key in ("sensor", "unit"):
        if limits[key] != cube.attrs[key]:
            raise RevisitError(f"{limits_path}: {key} is {limits[key]}, but {cube.attrs[key]} in {cube_path}")
    scaling = {"clip_sigma": limits["clip_sigma"], "source_unit": limits["unit"], "bands": limits["bands"]}
    return Elevation(cube, scaling | told(dtype))


def _of_region(cube: xr.Dataset, path: Path, name: str) -> xr.Dataset:
    if cube.attrs["region"] != name:
        raise RevisitError(f"{path}: of region {cube.attrs['region']}, not {name}; tile each region alone")
    return cube


def sensed(cube: xr.Dataset) -> Sensed:
    """How a scaled cube was scaled (clip_sigma, source_unit, limits of each band, type), and its years."""
    columns = {name: cube[name].values.tolist() for name in _LIMITS}
    bands = {
        band: {name: column[index] for name, column in columns.items()}
        for index, band in enumerate(cube["band"].values.tolist())
    }
    scaling: dict[str, Any] = {
        "clip_sigma": cube.attrs["clip_sigma"],
        "source_unit": cube.attrs["source_unit"],
        "bands": bands,
        **told(values_of(cube).dtype),
    }
    return Sensed(scaling, np.unique(years_of(cube["time"].values)).tolist())


def windows(region: Region, pixels: int) -> list[Area]:
    """What is read at once, of whole patches: in each area of the region, from its upper left corner on."""
    return [
        Area(area.part, *block)
        for area in region.areas
        for block in _reads(area, pixels, _pixel_bytes(region))
    ]


def grounds(region: Region, window: Area, pixels: int) -> Iterator[Ground]:
    """The patches of a window, row by row."""
    part, rows, columns = window
    looks = {sensor: _look(cube.isel(y=rows, x=columns)) for sensor, cube in region.cubes.items()}
    by_year: dict[int, np.ndarray] = {}
    if region.labels is None:
        land_cover = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    else:
        land_cover = region.labels["land_cover"][rows, columns].values
        by_year = _by_year(region.labels, rows, columns)
    elevation = region.elevation.look((rows, columns)) if region.elevation else None
    block = region.grid.part((rows, columns))
    for here in block.blocks(pixels):
        patch = block.part(here)
        yield Ground(
            float(patch.x.mean()),
            float(patch.y.mean()),
            part,
            {sensor: _part(look, here) for sensor, look in looks.items()},
            land_cover[here],
            _part(elevation, here) if elevation else None,
            {year: codes[here] for year, codes in by_year.items()},
        )


def _reads(area: Area, pixels: int, pixel_bytes: int) -> Iterator[Block]:
    """The whole patches of an area in windows (rows, columns) that fit the memory, row by row."""
    side = min(READ_PATCHES, max(1, int((READ_BYTES / pixel_bytes) ** 0.5) // pixels)) * pixels
    bottom, right = (line.stop - (line.stop - line.start) % pixels for line in area[1:])
    for top in range(area.rows.start, bottom, side):
        for left in range(area.columns.start, right, side):
            yield slice(top, min(top + side, bottom)), slice(left, min(left + side, right))


def _pixel_bytes(region: Region) -> int:
    """Bytes of all dates, bands and masks of a pixel."""
    return sum(
        cube.sizes["time"] * (cube.sizes["band"] * values_of(cube).dtype.itemsize + 1)
        for cube in region.cubes.values()
    )


def _map_years(labels: xr.Dataset) -> list[list[int]]:
    """Years that each map behind a label cube holds for."""
    return [[int(year) for year in own.split()] for own in labels.attrs["map_years"]]


def _by_year(labels: xr.Dataset, rows: slice, columns: slice) -> dict[int, np.ndarray]:
    """The label map of each year that one holds for: of several maps their own, else the one for all."""
    if BY_YEAR not in labels:
        only = labels["land_cover"][rows, columns].values
        return {year: only for own in _map_years(labels) for year in own}
    maps = labels[BY_YEAR][:, rows, columns].values
    return dict(zip(labels["year"].values.tolist(), maps, strict=True))


def _part(look: Look, here: Block) -> Look:
    return Look(look.values[..., *here], look.valid[:, *here], look.times)


def _look(cube: xr.Dataset) -> Look:
    """All dates, read a few at a time: the chunks that a window lies in may be much larger than it."""
    values, seen = values_of(cube), cube["valid"]
    images, valid = np.empty(values.shape, values.dtype), np.empty(seen.shape, bool)
    for first in range(0, len(values), READ_DATES):
        dates = slice(first, first + READ_DATES)
        images[dates], valid[dates] = values[dates].values, seen[dates].values
    return Look(images, valid, cube["time"].values)
