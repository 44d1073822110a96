"""Reads a raster onto a region's grid, by window, so that memory depends on the block and not the region."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from affine import Affine
from rasterio import windows
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.warp import Resampling, reproject, transform_bounds

from revisit.cube.degrees import sides_met, whole_turns
from revisit.cube.grid import Grid

# Source pixels read around a block: what bilinear and average need at its edge.
MARGIN = 4
PIXELS = 2**18  # interpolated at a time: a megabyte of float32


def read_onto(
    source: DatasetReader,
    grid: Grid,
    decode: Callable[[np.ndarray], np.ndarray],
    missing: float = np.nan,
    categorical: bool = False,
) -> np.ndarray:
    """The first band of ``source``, decoded and then resampled onto ``grid``: (height, width).

    ``decode`` turns digital numbers into values of one type, with ``missing`` where there is none.
    Pixels that already lie on the grid are copied. Else classes (``categorical``) are taken from the
    nearest pixel, values averaged where the grid is coarser, and interpolated bilinearly where not.
    Of a source in degrees that the grid meets on both sides of the 180th meridian, each gives its own.
    """
    crs = _utm(grid.epsg)
    onto = _offset(source, grid, crs)
    if onto is not None:
        return _copy(source, grid, onto, decode, missing)
    first, *others = (
        _resampled(source, window, turns, grid, decode, missing, categorical)
        for window, turns in _windows_around(source, grid, crs)
    )
    for other in others:
        holes = gaps(first, missing)
        if holes is not None:
            first[holes] = other[holes]
    return first


def _resampled(
    source: DatasetReader,
    window: windows.Window,
    turns: int,
    grid: Grid,
    decode: Callable[[np.ndarray], np.ndarray],
    missing: float,
    categorical: bool,
) -> np.ndarray:
    """What a window of the source, whose longitudes are ``turns`` too many, holds of the grid."""
    crs = _utm(grid.epsg)
    values = decode(source.read(1, window=window))
    transform, resampling = source.window_transform(window), _resampling(source, grid, categorical)
    if turns:
        transform = Affine.translation(-360 * turns, 0) @ transform
    if not values.size:
        return np.full(grid.shape, missing, dtype=values.dtype)
    if source.crs == crs:
        if categorical:
            return _nearest(values, transform, grid, missing)
        finer = abs(source.res[0] / grid.resolution % 1) < 1e-9
        if resampling == Resampling.bilinear and finer:
            return _bilinear(values, transform, grid, missing)
    result = np.full(grid.shape, missing, dtype=values.dtype)
    reproject(
        values,
        result,
        src_transform=transform,
        src_crs=source.crs,
        src_nodata=missing,
        dst_transform=grid.transform,
        dst_crs=crs,
        dst_nodata=missing,
        resampling=resampling,
    )
    return result


def gaps(values: np.ndarray, missing: float) -> np.ndarray | None:
    """Where an array is ``missing``, as bool; None where it nowhere is, found out in one quick pass."""
    if np.isnan(missing):
        return np.isnan(values) if np.isnan(values.min()) else None
    found = values == missing
    return found if found.any() else None


@cache
def _utm(epsg: int) -> CRS:
    return CRS.from_epsg(epsg)


def _bilinear(values: np.ndarray, transform: Affine, grid: Grid, missing: float) -> np.ndarray:
    """GDAL's bilinear resampling for rasters in one reference system, many times faster.

    For pixels that are a whole number of times as large as the grid's. At the edge the last pixel counts
    alone. What is missing leaves its weight to its neighbours, but for the places in it, which stay missing.
    Integers are rounded to the nearest.
    """
    step = ~transform * grid.transform  # grid pixels to source pixels
    result = np.empty(grid.shape, values.dtype)
    high = max(PIXELS // grid.width, 1)
    for top in range(0, grid.height, high):
        rows = slice(top, min(top + high, grid.height))
        # The source rows below and above their centres, and one more, so that only true edges are edges.
        first = min(max(int(np.floor(rows.start * step.e + step.f)) - 2, 0), len(values) - 1)
        last = max(int(np.ceil(rows.stop * step.e + step.f)) + 2, first + 1)
        part = grid.part((rows, slice(0, grid.width)))
        result[rows] = _interpolate(
            values[first:last], transform * Affine.translation(0, first), part, missing
        )
    return result


def _interpolate(values: np.ndarray, transform: Affine, grid: Grid, missing: float) -> np.ndarray:
    """``_bilinear`` of what fits the processor's cache; the two axes part."""
    step = ~transform * grid.transform

    def finer(image: np.ndarray) -> np.ndarray:
        for axis, size, scale, origin in ((1, grid.width, step.a, step.c), (0, grid.height, step.e, step.f)):
            image = _finer(image, axis, size, scale, origin)
        return image

    holes = gaps(values, missing)
    if holes is None:
        result = finer(values.astype(np.float32))
    else:
        result = finer(np.where(holes, 0, values).astype(np.float32))
        weight, known = finer((~holes).astype(np.float32)), _nearest(~holes, transform, grid, False)
        np.divide(result, weight, out=result, where=known)
        result[~known] = missing
    if values.dtype.kind != "f":
        result = np.rint(result, out=result).astype(values.dtype)
    _mark_outside(result, values.shape, step, missing)
    return result


def _finer(values: np.ndarray, axis: int, size: int, scale: float, origin: float) -> np.ndarray:
    """Interpolate float32 (y, x) along one axis at ``size`` places that begin at ``origin``, ``scale`` apart.

    Every so many places lie alike between their two pixels, so all of these are done at once.
    """
    alike = round(1 / scale)
    count = -(-size // alike)
    lowest = int(np.floor(0.5 * scale + origin - 0.5))
    after = max(lowest + count + 2 - values.shape[axis], 0)
    padding, shape = [(0, 0), (0, 0)], list(values.shape)
    shape[axis] = size
    padding[axis] = max(-lowest, 0), after
    if any(padding[axis]):
        values = np.pad(values, padding, mode="edge")
    source = np.moveaxis(values, axis, 0)
    result = np.empty(shape, np.float32)
    into = np.moveaxis(result, axis, 0)
    scratch = np.empty_like(source[:count])
    for phase in range(alike):
        centre = (phase + 0.5) * scale + origin - 0.5
        before = int(np.floor(centre))
        weight = np.float32(centre - before)
        part = into[phase::alike]
        first = before + max(-lowest, 0)
        low, high = source[first : first + len(part)], source[first + 1 : first + 1 + len(part)]
        np.multiply(low, 1 - weight, out=part)
        part += np.multiply(high, weight, out=scratch[: len(part)])
    return result


def _nearest(values: np.ndarray, transform: Affine, grid: Grid, missing: float) -> np.ndarray:
    """The pixel that each centre of the grid lies in, for rasters in one reference system."""
    step = ~transform * grid.transform
    rows, columns = (
        np.floor((np.arange(size) + 0.5) * scale + origin).astype(int)
        for size, scale, origin in ((grid.height, step.e, step.f), (grid.width, step.a, step.c))
    )
    height, width = values.shape
    across = values.take(np.clip(columns, 0, width - 1), 1)
    result: np.ndarray = across.take(np.clip(rows, 0, height - 1), 0)
    _mark_outside(result, values.shape, step, missing)
    return result


def _mark_outside(result: np.ndarray, shape: tuple[int, ...], step: Affine, missing: float) -> None:
    """Set to ``missing`` what has its centre outside a source of that shape; ``step``: pixels of the result
    to those of the source."""
    for axis, scale, origin in ((0, step.e, step.f), (1, step.a, step.c)):
        position = (np.arange(result.shape[axis]) + 0.5) * scale + origin
        outside = (position < 0) | (position >= shape[axis])
        if outside.any():
            np.moveaxis(result, axis, 0)[outside] = missing


def _offset(source: DatasetReader, grid: Grid, crs: CRS) -> tuple[int, int] | None:
    """(row, column) of the grid's first pixel in the source where both share their pixels, else None."""
    column, row = ~source.transform * (grid.transform.c, grid.transform.f)
    scale = ~source.transform * grid.transform
    same = scale.almost_equals(Affine.translation(column, row), precision=1e-6)
    if source.crs != crs or not same or max(abs(column - round(column)), abs(row - round(row))) > 1e-3:
        return None
    return round(row), round(column)


def _copy(
    source: DatasetReader,
    grid: Grid,
    onto: tuple[int, int],
    decode: Callable[[np.ndarray], np.ndarray],
    missing: float,
) -> np.ndarray:
    row, column = onto
    top, left = max(row, 0), max(column, 0)
    bottom = max(min(row + grid.height, source.height), top)
    right = max(min(column + grid.width, source.width), left)
    values = decode(source.read(1, window=windows.Window.from_slices((top, bottom), (left, right))))
    if values.shape == grid.shape:
        return values
    result = np.full(grid.shape, missing, dtype=values.dtype)
    result[top - row : bottom - row, left - column : right - column] = values
    return result


def _windows_around(source: DatasetReader, grid: Grid, crs: CRS) -> list[tuple[windows.Window, int]]:
    """The source pixels that a block needs, whole and inside the source; of size 0 where it has none.

    One window, or two where the block meets a source in degrees on both sides of the 180th meridian; each
    with the ``whole_turns`` by which longitudes are counted otherwise there.
    """
    bounds = transform_bounds(crs, source.crs, *grid.bounds) if source.crs != crs else grid.bounds
    sides: list[Sequence[float]] = [bounds]
    if source.crs.is_geographic:
        sides = [*sides_met(bounds, source.bounds.left, source.bounds.right)]
    margin = MARGIN * max(1, grid.resolution / source.res[0] if source.crs.is_projected else 1)
    turns = [whole_turns(side[0]) if source.crs.is_geographic else 0 for side in sides]
    return [(_whole_pixels(source, side, margin), turn) for side, turn in zip(sides, turns, strict=True)]


def _whole_pixels(source: DatasetReader, bounds: Sequence[float], margin: float) -> windows.Window:
    around = windows.from_bounds(*bounds, transform=source.transform)
    top, left = np.floor([around.row_off - margin, around.col_off - margin]).astype(int)
    bottom, right = np.ceil(
        [around.row_off + around.height + margin, around.col_off + around.width + margin]
    ).astype(int)
    rows = sorted((min(max(top, 0), source.height), min(max(bottom, 0), source.height)))
    columns = sorted((min(max(left, 0), source.width), min(max(right, 0), source.width)))
    return windows.Window.from_slices(tuple(rows), tuple(columns))


def _resampling(source: DatasetReader, grid: Grid, categorical: bool) -> Resampling:
    if categorical:
        return Resampling.nearest
    coarser = source.crs.is_projected and grid.resolution > 1.5 * source.res[0]
    return Resampling.average if coarser else Resampling.bilinear
