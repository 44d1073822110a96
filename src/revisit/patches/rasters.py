"""Reads the rasters of benchmark sets: numbers as stored, what of them is valid, and where they lie."""

import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.warp import transform

from revisit.errors import RevisitError
from revisit.patches.kind import Look

# Of some sets no file says where it lies; a warning for each would bury everything else.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

# Bands of Sentinel-2 by their numbers, in the order of the instrument.
SENTINEL_2 = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B10": "cirrus",
    "B11": "swir16",
    "B12": "swir22",
}
METRES = {name: 60 if name in ("B01", "B09", "B10") else 20 for name in SENTINEL_2} | dict.fromkeys(
    ("B02", "B03", "B04", "B08"), 10
)  # of a pixel of each
REFLECTANCE = 1e-4  # of one digital number of Sentinel-2, before the offset of processing baseline 04.00
SATURATED = 65535
NO_BACKSCATTER = -99.0
UNKNOWN = (float("nan"), float("nan"))


class Raster(NamedTuple):
    """Numbers (band, y, x) of a file, its reference system if it has one, and where its pixels lie."""

    numbers: np.ndarray
    crs: CRS | None
    transform: Affine

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the middle, degrees; NaN where the file does not say."""
        height, width = self.numbers.shape[-2:]
        return self.at(height / 2, width / 2)

    def at(self, row: float, column: float) -> tuple[float, float]:
        """Longitude and latitude of a place in pixels from the upper left corner."""
        if self.crs is None:
            return UNKNOWN
        x, y = self.transform @ (column, row)
        (longitude,), (latitude,) = transform(self.crs, "EPSG:4326", [x], [y])
        return float(longitude), float(latitude)


def read_raster(
    path: Path, shape: tuple[int, int] | None = None, stored: tuple[int, int] | None = None
) -> Raster:
    """All bands of a file. Its folder, which may hold thousands, is not searched for files beside it.

    Where it has another ``shape`` (y, x) than is asked for it is resampled bilinearly, to float32, and is not
    a number where one that is not valid would be mixed in. Raises RevisitError where the file is missing or
    damaged, or not of the shape ``stored``.
    """
    try:
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(path) as file:
            raster = Raster(file.read(), file.crs, file.transform)
    except (RasterioError, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise RevisitError(f"{path}: cannot be read ({said}); fetch the file again") from error
    height, width = raster.numbers.shape[1:]
    if stored is not None and (height, width) != stored:
        raise RevisitError(f"{path}: is of {height} × {width} pixels, not {stored[0]} × {stored[1]}")
    if shape is None or (height, width) == shape:
        return raster
    finer = raster.transform @ Affine.scale(width / shape[1], height / shape[0])
    return Raster(_resampled(raster.numbers, shape), raster.crs, finer)


def _resampled(numbers: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinearly, float32 (band, y, x); not a number where one that says nothing would be mixed in.

    Not by GDAL, which rounds numbers of whole-number files.
    """
    values = numbers.astype(np.float32)
    rows, columns = _between(values.shape[1], shape[0]), _between(values.shape[2], shape[1]).T
    nothing = ~np.isfinite(values) | (values == SATURATED) | (values <= NO_BACKSCATTER)
    found: np.ndarray = rows @ np.where(nothing, 0, values) @ columns
    if nothing.any():
        found[(rows > 0) @ nothing @ (columns > 0)] = np.nan
    return found


@lru_cache
def _between(cells: int, asked: int) -> np.ndarray:
    """Weights (asked, cells) of linear interpolation between the centres of cells, the edges going on."""
    places = np.clip((np.arange(asked) + 0.5) * cells / asked - 0.5, 0, cells - 1)
    lower = np.minimum(places.astype(int), max(cells - 2, 0))
    upper = np.minimum(lower + 1, cells - 1)
    weights, rows = np.zeros((asked, cells), np.float32), np.arange(asked)
    weights[rows, lower] += 1 - (places - lower)
    weights[rows, upper] += places - lower
    return weights


def stacked(files: Mapping[Path, tuple[int, int] | None], shape: tuple[int, int]) -> np.ndarray:
    """The first bands of some files on one grid, float32 (band, y, x); what shape each must be stored in."""
    return np.stack(
        [read_raster(path, shape, stored).numbers[0].astype(np.float32) for path, stored in files.items()]
    )


def optical(numbers: np.ndarray, times: Sequence[np.datetime64]) -> Look:
    """Reflectance of digital numbers (time, band, y, x).

    A pixel without any is not valid, nor one that is saturated or not a number in a band.
    """
    valid = (numbers != 0).any(axis=1) & (np.isfinite(numbers) & (numbers != SATURATED)).all(axis=1)
    return Look(
        numbers.astype(np.float32) * np.float32(REFLECTANCE), valid, np.array(times, "datetime64[ns]")
    )


def radar(decibel: np.ndarray, times: Sequence[np.datetime64]) -> Look:
    """Backscatter in dB (time, band, y, x); a pixel that is not a number, or far below any, is not valid."""
    valid = (np.isfinite(decibel) & (decibel > NO_BACKSCATTER)).all(axis=1)
    return Look(decibel.astype(np.float32), valid, np.array(times, "datetime64[ns]"))
