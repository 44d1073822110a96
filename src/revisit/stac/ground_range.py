"""The part of a Sentinel-1 ground range product around an area, which ground control points alone place.

The points come in degrees, which jump at the 180th meridian and, far north, bend against the image; here they
are given in metres of the area's UTM zone, where the polynomial through them does neither.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.dtypes import in_dtype_range
from rasterio.errors import RasterioError
from rasterio.transform import GCPTransformer
from rasterio.warp import transform
from rasterio.windows import Window

from revisit import files
from revisit.stac.calibration import SigmaNought
from revisit.stac.failures import UnreadableError

BLOCK = 256
# Source pixels around an area: what interpolation needs, and where points and their polynomial differ.
MARGIN = 64
# Points a side by which an area is found in the image.
DENSIFIED = 21


@contextmanager
def part_around(
    source: Any,
    bounds: tuple[float, float, float, float],
    epsg: int,
    nodata: float | None,
    table: SigmaNought | None,
    beside: Path,
) -> Iterator[Any]:
    """The part of an image around ``bounds`` of a UTM zone, with ground control points in its metres.

    Its numbers as they are, or the power of sigma nought by a ``table``: float32 with 0 for no data. It lies
    in a file of its own beside ``beside`` for the life of the block. Raises UnreadableError where the image
    has no points that place it near the area; OSError where the part cannot be written.
    """
    points, window = _placed(source, bounds, epsg)
    moved = [
        GroundControlPoint(point.row - window.row_off, point.col - window.col_off, point.x, point.y, point.z)
        for point in points
    ]
    part = beside.with_name(f".{beside.name}.source.tif")
    part.parent.mkdir(parents=True, exist_ok=True)
    profile = {"width": window.width, "height": window.height, "count": 1, "gcps": moved}
    profile |= {"crs": f"EPSG:{epsg}", "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    dtype = "float32" if table else source.dtypes[0]
    told = 0 if table else nodata if nodata is not None and in_dtype_range(nodata, dtype) else None
    profile |= {"dtype": dtype, "nodata": told}
    try:
        with rasterio.open(part, "w", driver="GTiff", **profile) as file:
            for row in range(0, window.height, BLOCK):
                height = min(BLOCK, window.height - row)
                own = Window(window.col_off, window.row_off + row, window.width, height)
                numbers = _read(source, own)
                if table:
                    numbers = np.square(numbers.astype(np.float32) / table.at(own))
                file.write(numbers, 1, window=Window(0, row, window.width, height))
        blocks = math.ceil(window.height / BLOCK) * math.ceil(window.width / BLOCK)
        if part.stat().st_size < blocks * BLOCK**2 * np.dtype(dtype).itemsize:
            raise OSError(f"{part} is shorter than what was written")
        with rasterio.open(part) as file:
            yield file
    finally:
        files.remove(part)


def _placed(source: Any, bounds: Sequence[float], epsg: int) -> tuple[list[GroundControlPoint], Window]:
    """The image's points in a UTM zone, and its pixels around bounds there."""
    try:
        points = _in_zone(source, epsg)
        return points, _window(source, points, bounds)
    except UnreadableError:
        raise
    except Exception as error:  # GDAL's own kinds are private to rasterio
        said = " ".join(str(error.__cause__ or error).split())
        raise UnreadableError(
            f"its ground control points do not place it near the region ({said})", lasting=True
        ) from error


def _in_zone(source: Any, epsg: int) -> list[GroundControlPoint]:
    """The ground control points of an image in metres of a UTM zone."""
    points, crs = source.gcps
    if not points or crs is None:
        lacks = "no" if source.crs else "neither a projection nor"
        raise UnreadableError(f"the file has {lacks} ground control points", lasting=True)
    places = [point.x for point in points], [point.y for point in points]
    x, y = transform(crs, f"EPSG:{epsg}", *places)[:2]
    return [
        GroundControlPoint(point.row, point.col, east, north, point.z)
        for point, east, north in zip(points, x, y, strict=True)
    ]


def _read(source: Any, window: Window) -> NDArray[Any]:
    try:
        data: NDArray[Any] = source.read(1, window=window)
        return data
    except (RasterioError, OSError) as error:
        raise UnreadableError(str(error.__cause__ or error)) from error


def _window(source: Any, points: Sequence[GroundControlPoint], bounds: Sequence[float]) -> Window:
    """The pixels around an area; where it lies outside of the image, a few at the nearest edge."""
    left, bottom, right, top = bounds
    share = np.linspace(0, 1, DENSIFIED)
    x = np.concatenate([left + (right - left) * share] * 2 + [np.repeat((left, right), DENSIFIED)])
    y = np.concatenate([np.repeat((bottom, top), DENSIFIED)] + [bottom + (top - bottom) * share] * 2)
    with GCPTransformer(points) as inverse:
        rows, columns = inverse.rowcol(x, y, op=float)
    if not np.isfinite([rows, columns]).all():
        raise ValueError("the polynomial through them leads nowhere")
    spans = []
    for numbers, size in ((rows, source.height), (columns, source.width)):
        first, last = int(np.floor(min(numbers))) - MARGIN, int(np.ceil(max(numbers))) + MARGIN
        first = min(max(first, 0), size - 2)
        spans.append((first, min(max(last, first + 2), size)))
    return Window.from_slices(*spans)
