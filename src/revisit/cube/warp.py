"""Reads a raster onto a region's grid, by window, so that memory depends on the block and not the region."""

from collections.abc import Callable

import numpy as np
from affine import Affine
from rasterio import windows
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.warp import Resampling, reproject, transform_bounds

from revisit.cube.degrees import sides_met
from revisit.cube.grid import Grid

# Source pixels read around a block: what bilinear and average need at its edge.
MARGIN = 4


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
    """
    crs = CRS.from_epsg(grid.epsg)
    onto = _offset(source, grid, crs)
    if onto is not None:
        return _copy(source, grid, onto, decode, missing)
    window = _window_around(source, grid, crs)
    values = decode(source.read(1, window=window))
    transform, resampling = source.window_transform(window), _resampling(source, grid, categorical)
    if not values.size:
        return np.full(grid.shape, missing, dtype=values.dtype)
    if resampling == Resampling.bilinear and source.crs == crs and not np.isnan(values).any():
        return _bilinear(values, transform, grid)
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


def _bilinear(values: np.ndarray, transform: Affine, grid: Grid) -> np.ndarray:
    """GDAL's bilinear resampling for rasters in one reference system without gaps, ten times faster.

    There the two axes part, and each needs one pass; at the edge the last pixel counts alone.
    """
    step = ~transform * grid.transform  # grid pixels to source pixels
    outside = []
    for axis, (size, scale, origin) in enumerate(
        ((grid.height, step.e, step.f), (grid.width, step.a, step.c))
    ):
        position = (np.arange(size) + 0.5) * scale + origin
        last = values.shape[axis] - 1
        outside.append((position < 0) | (position >= last + 1))
        centre = np.clip(position - 0.5, 0, last)
        before = np.minimum(centre.astype(int), max(last - 1, 0))
        weight = (centre - before).astype(np.float32)
        low = np.take(values, before, axis)
        rise = np.take(values, np.minimum(before + 1, last), axis) - low
        values = low + rise * (weight[:, None] if axis == 0 else weight)
    values[outside[0]] = np.nan
    values[:, outside[1]] = np.nan
    return values


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


def _window_around(source: DatasetReader, grid: Grid, crs: CRS) -> windows.Window:
    """The source pixels that a block needs, whole and inside the source; of size 0 where it has none."""
    bounds = transform_bounds(crs, source.crs, *grid.bounds) if source.crs != crs else grid.bounds
    if source.crs.is_geographic:  # a clip lies on one side of the 180th meridian
        bounds = sides_met(bounds, source.bounds.left, source.bounds.right)[0]
    around = windows.from_bounds(*bounds, transform=source.transform)
    margin = MARGIN * max(1, grid.resolution / source.res[0] if source.crs.is_projected else 1)
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
