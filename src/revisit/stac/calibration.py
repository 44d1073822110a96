"""Sigma nought of Sentinel-1 ground range products, by the calibration annotation that comes with each.

The annotation holds, for some lines of the image, a look-up table A of some of its pixels; between them A is
interpolated linearly, and sigma nought is DN² / A² (ESA, Sentinel-1 Product Specification, S1-RS-MDA-52-7441,
and Radiometric Calibration of Level-1 Products, S1-TN-MDA-52-7448). The noise of the instrument stays in.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.errors import RasterioError
from rasterio.transform import GCPTransformer
from rasterio.warp import transform
from rasterio.windows import Window

from revisit import files
from revisit.stac.failures import UnreadableError

BLOCK = 256
# Source pixels around an area: what interpolation needs, and where points and their polynomial differ.
MARGIN = 64
# Points a side by which an area is found in the image.
DENSIFIED = 21


@dataclass(frozen=True)
class SigmaNought:
    """The look-up table: ``lines`` ascending, and of each the pixels and values it has."""

    lines: NDArray[np.float64]
    pixels: Sequence[NDArray[np.float64]]
    values: Sequence[NDArray[np.float64]]

    @classmethod
    def parse(cls, annotation: bytes) -> "SigmaNought":
        """From the XML of a calibration annotation; raises UnreadableError where it is none."""
        try:
            vectors = ElementTree.fromstring(annotation).findall("calibrationVectorList/calibrationVector")
            vectors.sort(key=lambda vector: _numbers(vector, "line")[0])
            table = cls(
                np.concatenate([_numbers(vector, "line") for vector in vectors]),
                [_numbers(vector, "pixel") for vector in vectors],
                [_numbers(vector, "sigmaNought") for vector in vectors],
            )
            whole = all(
                len(pixels) == len(values) > 0 and (values > 0).all()
                for pixels, values in zip(table.pixels, table.values, strict=True)
            )
        except (ElementTree.ParseError, ValueError, IndexError) as error:
            raise UnreadableError(f"no calibration annotation ({error})", lasting=True) from error
        if not whole:
            raise UnreadableError("its calibration annotation has a line without values", lasting=True)
        return table

    def at(self, window: Window) -> NDArray[np.float32]:
        """A of every pixel of a window of the image, (height, width)."""
        columns = np.arange(window.col_off, window.col_off + window.width)
        rows = np.arange(window.row_off, window.row_off + window.height)
        along = np.stack(
            [
                np.interp(columns, pixels, values)
                for pixels, values in zip(self.pixels, self.values, strict=True)
            ]
        )
        position = np.interp(rows, self.lines, np.arange(len(self.lines)))
        before = np.minimum(position.astype(int), max(len(self.lines) - 2, 0))
        weight = (position - before)[:, None]
        after = np.minimum(before + 1, len(self.lines) - 1)
        values: NDArray[np.float64] = (1 - weight) * along[before] + weight * along[after]
        return values.astype(np.float32)


@contextmanager
def calibrated(
    source: Any, bounds: tuple[float, float, float, float], epsg: int, table: SigmaNought, beside: Path
) -> Iterator[Any]:
    """The part of an image around ``bounds`` as the power of sigma nought, float32 with 0 for no data.

    It has the ground control points of ``source`` and lies in a file of its own beside ``beside`` for the
    life of the block. Raises UnreadableError where the image has no points: its annotation counts lines and
    pixels as they were acquired.
    """
    points, crs = source.gcps
    if not points or crs is None:
        raise UnreadableError(
            "the file has no ground control points, so its annotation is not of its pixels", lasting=True
        )
    window = _window(source, points, crs, bounds, epsg)
    moved = [
        GroundControlPoint(point.row - window.row_off, point.col - window.col_off, point.x, point.y, point.z)
        for point in points
    ]
    part = beside.with_name(f".{beside.name}.power.tif")
    part.parent.mkdir(parents=True, exist_ok=True)
    profile = {"width": window.width, "height": window.height, "count": 1, "dtype": "float32", "nodata": 0}
    profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "gcps": moved, "crs": crs}
    try:
        with rasterio.open(part, "w", driver="GTiff", **profile) as file:
            for row in range(0, window.height, BLOCK):
                height = min(BLOCK, window.height - row)
                own = Window(window.col_off, window.row_off + row, window.width, height)
                numbers = _read(source, own).astype(np.float32)
                file.write(np.square(numbers / table.at(own)), 1, window=Window(0, row, window.width, height))
        with rasterio.open(part) as file:
            yield file
    finally:
        files.remove(part)


def _numbers(vector: ElementTree.Element, name: str) -> NDArray[np.float64]:
    return np.array((vector.findtext(name) or "").split(), dtype=np.float64)


def _read(source: Any, window: Window) -> NDArray[Any]:
    try:
        data: NDArray[Any] = source.read(1, window=window)
        return data
    except (RasterioError, OSError) as error:
        raise UnreadableError(str(error.__cause__ or error)) from error


def _window(
    source: Any, points: Sequence[GroundControlPoint], crs: Any, bounds: Sequence[float], epsg: int
) -> Window:
    """The pixels around an area; where it lies outside of the image, a few at the nearest edge."""
    left, bottom, right, top = bounds
    share = np.linspace(0, 1, DENSIFIED)
    x = np.concatenate([left + (right - left) * share] * 2 + [np.repeat((left, right), DENSIFIED)])
    y = np.concatenate([np.repeat((bottom, top), DENSIFIED)] + [bottom + (top - bottom) * share] * 2)
    longitudes, latitudes = transform(f"EPSG:{epsg}", crs, x, y)[:2]
    with GCPTransformer(points) as inverse:
        rows, columns = inverse.rowcol(longitudes, latitudes, op=float)
    spans = []
    for numbers, size in ((rows, source.height), (columns, source.width)):
        first, last = int(np.floor(min(numbers))) - MARGIN, int(np.ceil(max(numbers))) + MARGIN
        first = min(max(first, 0), size - 2)
        spans.append((first, min(max(last, first + 2), size)))
    return Window.from_slices(*spans)
