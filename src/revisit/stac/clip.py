"""Cuts a region's window out of one remote raster and keeps it as a small GeoTIFF, numbers untouched."""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.dtypes import in_dtype_range
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window, from_bounds

from revisit import files
from revisit.cube.degrees import sides_met
from revisit.cube.grid import utm_zones
from revisit.stac.calibration import SigmaNought
from revisit.stac.failures import GONE, UnreadableError
from revisit.stac.ground_range import part_around

PIXEL_M, MARGIN_PIXELS = 10, 8
LARGEST_READ_BYTES = 4 * 2**20  # of a window at a time, or a row of blocks if that is more
STRIP_ROWS = 256  # of a clip, at most, which are read at once
LARGEST_BLOCK_BYTES = 512 * 2**20  # a whole tile of Sentinel-2 in one strip is half of it
# What imagery comes in. Others, such as VRT, can name further files, also of this machine.
DRIVERS = ["GTiff", "JP2OpenJPEG"]
GDAL: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_RETRY_CODES": "500,502,503,504",  # not 429, as GDAL does not heed Retry-After
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_TIMEOUT": "120",
    # Seconds of silence in the middle of an answer, or before it.
    "GDAL_HTTP_LOW_SPEED_TIME": "30",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_CACHEMAX": 16 * 2**20,  # of pixels, none of which is read twice
    # What came of files, more than all workers have under way: a file's first bytes are needed to its end,
    # and rasterio holds Python's lock where it asks for them again, which a server in this process waits for.
    "CPL_VSIL_CURL_CACHE_SIZE": 64 * 2**20,
    # A failed answer must not be remembered, or a retry would never ask again (``_address`` for the web).
    "CPL_VSIL_CURL_NON_CACHED": "/vsis3/",
}
_openings = count()
# How a web server and an object store say that there is no such file.
ABSENT = re.compile(rf"response code: ({'|'.join(map(str, GONE))})\b|NoSuchKey|specified key does not exist")


@dataclass(frozen=True)
class Area:
    """A region's envelope in its UTM zone, in metres, with a margin of 8 pixels of 10 m."""

    epsg: int
    bounds: tuple[float, float, float, float]

    @classmethod
    def around(cls, bbox: Sequence[float], epsg: int | None = None) -> "Area":
        """From west, south, east, north in degrees; ``epsg`` None: the UTM zone it lies in."""
        epsg = epsg or utm_zones(bbox)[0]
        margin = PIXEL_M * MARGIN_PIXELS
        left, bottom, right, top = transform_bounds("EPSG:4326", f"EPSG:{epsg}", *bbox, densify_pts=21)
        snapped = (math.floor(left / PIXEL_M), math.floor(bottom / PIXEL_M), math.ceil(right / PIXEL_M))
        left, bottom, right = (PIXEL_M * number for number in snapped)
        top = PIXEL_M * math.ceil(top / PIXEL_M)
        return cls(epsg, (left - margin, bottom - margin, right + margin, top + margin))


def cut(
    href: str,
    area: Area,
    target: Path,
    nodata: Any = None,
    fallback: float | None = None,
    options: dict[str, Any] | None = None,
    table: SigmaNought | None = None,
) -> dict[str, Any]:
    """Write the window of ``href`` over ``area`` to ``target``; returns what was found.

    The window is snapped outward to the source's own pixels: nothing is resampled. A source that has
    only ground control points is warped by them to the area's zone (bilinear), after it was calibrated
    by ``table``, if one is given.
    Returns ``valid`` (False: no file, as there is nothing but nodata), ``warped``, ``dtype``, ``nodata``
    (the given one, else the file's, else ``fallback``; "nan" for NaN) and, of a file, ``epsg``, ``shape``,
    ``transform``, ``low`` (share of valid numbers below 1000), ``sha256`` and ``bytes``.
    Raises UnreadableError; OSError where the target cannot be written.
    """
    with rasterio.Env(**{**GDAL, **(options or {})}), _open(href) as file:
        warped = file.crs is None or table is not None
        empty = next(
            (float(number) for number in (nodata, file.nodata, fallback) if number is not None), None
        )
        with _warped(file, area, empty, table, target) if warped else nullcontext(file) as view:
            dtype = view.dtypes[0]
            found = {"dtype": dtype, "nodata": _stated(empty), "warped": warped, "valid": False}
            window = _window(view, area)
            if window is None:
                return found
            transform = view.window_transform(window)
            found |= {
                "epsg": view.crs.to_epsg(),
                "shape": [window.height, window.width],
                "transform": list(transform)[:6],
            }
            profile = {
                "driver": "GTiff",
                "height": window.height,
                "width": window.width,
                "count": 1,
                "dtype": dtype,
                "crs": view.crs,
                "transform": transform,
                "nodata": empty if empty is None or in_dtype_range(empty, dtype) else None,
                # Not compressed: deflate would save a third of the space and cost as much as the download.
                "blockysize": math.ceil(window.height / math.ceil(window.height / STRIP_ROWS)),
            }
            return found | _copy(view, window, target, profile)


def _copy(view: Any, window: Window, target: Path, profile: dict[str, Any]) -> dict[str, Any]:
    """Copy a window block-wise; returns what ``cut`` does of a file's content.

    GDAL makes the file, but the pixels are written here: it would keep them in a cache of all threads, of
    which some were lost where it was small, and tell of no full disk.
    """
    valid = low = 0
    digest = hashlib.sha256()
    with files.atomic(target) as aside:
        first = _empty(aside, profile)
        with aside.open("r+b") as clip:
            digest.update(clip.read(first))
            for part in _parts(view, window):
                data = np.ascontiguousarray(_read(view, part))
                clip.write(data)
                digest.update(data)
                is_valid = _valid(data, profile["nodata"])
                valid += int(is_valid.sum())
                low += int((is_valid & (data < 1000)).sum())
                del data, is_valid  # before the next ones are made
            digest.update(clip.read())  # what fills the last strip
        size = aside.stat().st_size
    if not valid:
        target.unlink()
        return {"valid": False, "low": 0.0}
    return {"valid": True, "low": round(low / valid, 4), "sha256": digest.hexdigest(), "bytes": size}


def _empty(path: Path, profile: dict[str, Any]) -> int:
    """Make a file whose pixels are still to come; returns where they begin, row by row."""
    with rasterio.open(path, "w", **profile):
        pass
    strip = profile["blockysize"] * profile["width"] * np.dtype(profile["dtype"]).itemsize
    last = (profile["height"] - 1) // profile["blockysize"]
    with rasterio.open(path) as made:
        first, end = (
            int(made.get_tag_item(f"BLOCK_OFFSET_0_{number}", "TIFF", bidx=1) or 0) for number in (0, last)
        )
    if not first or end != first + last * strip:
        raise OSError("its pixels do not lie where they were to be written")
    return first


def _address(href: str) -> str:
    """GDAL's name for a file: of an object store, so that it takes keys from the usual variables; of the web.

    That has a fragment of its own each time, which is not sent: GDAL remembers what a server said of a name.
    Were it told to forget instead, it would ask everything twice to open one file.
    """
    if href.startswith("s3://"):
        return href.replace("s3://", "/vsis3/", 1)
    return f"/vsicurl/{href}#{next(_openings)}" if href.startswith("http") else href


def _open(href: str) -> Any:
    try:
        file = DatasetReader(_address(href), driver=DRIVERS)  # of which `rasterio.open` would take but one
    except (RasterioError, OSError) as error:
        raise _unreadable(error) from error
    rows, columns = file.block_shapes[0]
    if rows * columns * np.dtype(file.dtypes[0]).itemsize > LARGEST_BLOCK_BYTES:
        file.close()
        raise UnreadableError(f"its blocks of {rows} × {columns} pixels do not fit in memory", lasting=True)
    return file


def _read(view: Any, window: Window) -> NDArray[Any]:
    try:
        data: NDArray[Any] = view.read(1, window=window)
        return data
    except (RasterioError, OSError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> UnreadableError:
    # rasterio keeps what GDAL said in the cause of "See previous exception for details"; an address's
    # query may hold a signature, which is nobody's business. Of GDAL's words only those that a server said
    # prove anything: "does not exist" may as well mean that nobody answered.
    text = re.sub(r"[?#][^\s']+", "", " ".join(str(error.__cause__ or error).split()))
    return UnreadableError(text, lasting=ABSENT.search(text) is not None)


@contextmanager
def _warped(
    file: Any, area: Area, nodata: float | None, table: SigmaNought | None, target: Path
) -> Iterator[Any]:
    """The area of a file without a projection, warped by its ground control points; else UnreadableError."""
    with part_around(file, area.bounds, area.epsg, nodata, table, target) as part:
        try:
            # A grid of our own must not be asked for: with one, rasterio forgets the points without a word.
            view = WarpedVRT(
                part,
                src_crs=part.gcps[1],
                crs=f"EPSG:{area.epsg}",
                resampling=Resampling.bilinear,
                src_nodata=nodata,
                nodata=nodata,
            )
        except Exception as error:  # GDAL's own kinds are private to rasterio
            raise _unreadable(error) from error
        with view:
            yield view


def _window(view: Any, area: Area) -> Window | None:
    """The whole pixels that hold the area, cut to the raster; None where they do not meet."""
    try:
        bounds = transform_bounds(f"EPSG:{area.epsg}", view.crs, *area.bounds, densify_pts=21)
    except RasterioError as error:  # a projection that leads nowhere
        raise _unreadable(error) from error
    if view.crs.is_geographic:
        bounds, *others = sides_met(bounds, view.bounds.left, view.bounds.right)
        if others:
            raise UnreadableError(
                "its longitudes are cut within the region; give a file of each side", lasting=True
            )
    exact = from_bounds(*bounds, transform=view.transform)
    if not np.isfinite(exact.flatten()).all():
        raise UnreadableError("its projection leads nowhere", lasting=True)
    # A millionth of a pixel of rounding must not add a row.
    left, top = math.floor(exact.col_off + 1e-6), math.floor(exact.row_off + 1e-6)
    right = math.ceil(exact.col_off + exact.width - 1e-6)
    bottom = math.ceil(exact.row_off + exact.height - 1e-6)
    left, right = max(left, 0), min(right, view.width)
    top, bottom = max(top, 0), min(bottom, view.height)
    return Window(left, top, right - left, bottom - top) if left < right and top < bottom else None


def _parts(view: Any, window: Window) -> Iterator[Window]:
    """The window in rows of whole source blocks, each part small enough for memory."""
    block = view.block_shapes[0][0]
    row_bytes = window.width * np.dtype(view.dtypes[0]).itemsize
    rows = max(1, LARGEST_READ_BYTES // (row_bytes * block)) * block
    stops = range((window.row_off // rows + 1) * rows, window.row_off + window.height, rows)
    edges = [window.row_off, *stops, window.row_off + window.height]
    for top, bottom in pairwise(edges):
        yield Window(window.col_off, top, window.width, bottom - top)


def _stated(nodata: float | None) -> float | str | None:
    """Nodata for JSON, which knows no NaN."""
    if nodata is None or math.isnan(nodata):
        return None if nodata is None else "nan"
    return int(nodata) if nodata.is_integer() else nodata


def _valid(data: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    if nodata is None:
        return np.ones(data.shape, bool)
    invalid: NDArray[np.bool_] = data == nodata
    return ~(invalid | np.isnan(data)) if data.dtype.kind == "f" else ~invalid
