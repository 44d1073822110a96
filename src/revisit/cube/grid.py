"""The pixel grid of a region: UTM, snapped so that bands of 10, 20 and 60 m fall on each other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from affine import Affine
from rasterio.warp import transform_bounds

from revisit.errors import RevisitError

# Sentinel-2 tiles begin at multiples of 60 m in their UTM zone, and so do our regions.
SNAP_M = 60

Block = tuple[slice, slice]


@dataclass(frozen=True)
class Grid:
    """A north-up raster grid in UTM: ``transform`` maps (column, row) to the corner of a pixel, in metres."""

    epsg: int
    transform: Affine
    width: int
    height: int

    @property
    def crs(self) -> str:
        return f"EPSG:{self.epsg}"

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), the shape of an array (y, x)."""
        return self.height, self.width

    @property
    def resolution(self) -> float:
        """Pixel size, metres."""
        return self.transform.a

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top), metres."""
        left, top = self.transform.c, self.transform.f
        return left, top + self.height * self.transform.e, left + self.width * self.transform.a, top

    @property
    def x(self) -> np.ndarray:
        """Eastings of the pixel centres, float64 (width,)."""
        return self.transform.c + (np.arange(self.width) + 0.5) * self.transform.a

    @property
    def y(self) -> np.ndarray:
        """Northings of the pixel centres from north to south, float64 (height,)."""
        return self.transform.f + (np.arange(self.height) + 0.5) * self.transform.e

    def blocks(self, pixels: int) -> Iterator[Block]:
        """The grid cut into (rows, columns) of at most ``pixels`` a side, row by row."""
        for top in range(0, self.height, pixels):
            for left in range(0, self.width, pixels):
                yield (
                    slice(top, min(top + pixels, self.height)),
                    slice(left, min(left + pixels, self.width)),
                )

    def part(self, block: Block) -> "Grid":
        """The grid of one block of this grid."""
        rows, columns = block
        return Grid(
            self.epsg,
            self.transform * Affine.translation(columns.start, rows.start),
            columns.stop - columns.start,
            rows.stop - rows.start,
        )


def region_grid(bbox: Sequence[float], resolution_m: int = 10, epsg: int | None = None) -> Grid:
    """The grid that covers ``bbox`` (west, south, east, north; degrees) in its UTM zone.

    The box is projected with its edges densified and grown to multiples of 60 m. ``epsg`` names
    the zone for a box that touches two. Raises RevisitError where the box is no box, or spans
    zones and no ``epsg`` settles which.
    """
    west, south, east, north = _checked(bbox)
    if epsg is None:
        zones = _utm_zones(west, south, east, north)
        if len(zones) > 1:
            names = " and ".join(f"EPSG:{zone}" for zone in zones)
            raise RevisitError(
                f"bbox {list(bbox)} lies in the UTM zones {names}; "
                f"say which to use with the region's key `epsg`, for example `epsg: {zones[0]}`"
            )
        epsg = zones[0]
    left, bottom, right, top = transform_bounds("EPSG:4326", f"EPSG:{epsg}", west, south, east, north, 21)
    step = math.lcm(SNAP_M, resolution_m)
    left, bottom = _floor(left, step), _floor(bottom, step)
    right, top = -_floor(-right, step), -_floor(-top, step)
    return Grid(
        epsg,
        Affine(resolution_m, 0, left, 0, -resolution_m, top),
        int(right - left) // resolution_m,
        int(top - bottom) // resolution_m,
    )


def _checked(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    if len(bbox) != 4:
        raise RevisitError(f"bbox {list(bbox)}: give [west, south, east, north] in degrees")
    west, south, east, north = bbox
    if not (-180 <= west < east <= 180 and -80 <= south < north <= 84):
        raise RevisitError(
            f"bbox {list(bbox)}: needs -180 <= west < east <= 180 and -80 <= south < north <= 84 degrees"
        )
    return west, south, east, north


def _utm_zones(west: float, south: float, east: float, north: float) -> list[int]:
    """EPSG codes of the WGS 84 / UTM zones a box lies in, without the wider zones of Norway and Svalbard.

    A box that ends on the edge of a zone, or on the equator, does not lie in the next one.
    """
    numbers = sorted({math.floor((west + 180) / 6) + 1, math.ceil((east + 180) / 6)})
    hemispheres = [code for code, inside in ((32600, north > 0), (32700, south < 0)) if inside]
    return [code + number for code in hemispheres for number in numbers]


def _floor(value: float, step: int) -> int:
    """Largest multiple of ``step`` not above ``value``, forgiving a millimetre of projection rounding."""
    return math.floor((value + 1e-3) / step) * step
