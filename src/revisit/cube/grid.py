"""Where a region is, and its pixel grid: UTM, snapped so that bands of 10, 20 and 60 m fall on each other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from pydantic import Field, FiniteFloat, ValidationInfo, field_validator, model_validator

from revisit.record import Record

# Sentinel-2 tiles begin at multiples of 60 m in their UTM zone, and so do our regions.
SNAP_M = 60
# Kilometres a side of a region, at most: about one tile of Sentinel-2, and what one job can stack.
MOST_KM = 100
KM_PER_DEGREE = 111.2
# UTM is defined between these latitudes.
SOUTHMOST, NORTHMOST = -80, 84

Block = tuple[slice, slice]


class Region(Record):
    """One place to build cubes of."""

    bbox: list[FiniteFloat]
    """West, south, east, north in degrees; at most 100 km a side. Across the 180th meridian east is the
    smaller one."""

    bounds_m: list[int] | None = None
    """Left, bottom, right, top in metres of the zone `epsg`, in place of `bbox`; multiples of 60."""

    epsg: int | None = Field(default=None, validate_default=True)
    """UTM zone of the cubes as EPSG code (326xx north, 327xx south); null takes the zone the box lies in.
    A box over two zones needs it, and a neighbouring zone may be chosen."""

    @model_validator(mode="before")
    @classmethod
    def _around(cls, content: Any) -> Any:
        """The box in degrees around bounds in metres, which searches and clips go by."""
        if not isinstance(content, dict) or content.get("bounds_m") is None:
            return content
        bounds, epsg = content["bounds_m"], content.get("epsg")
        if not isinstance(epsg, int) or not 1 <= epsg % 100 <= 60 or epsg // 100 not in (326, 327):
            raise ValueError("bounds_m needs epsg, the UTM zone it is in; add it")
        whole = (
            isinstance(bounds, list) and len(bounds) == 4 and all(isinstance(edge, int) for edge in bounds)
        )
        if not whole or not (bounds[0] < bounds[2] and bounds[1] < bounds[3]):
            raise ValueError(f"bounds_m {bounds} must be left, bottom, right, top in whole metres")
        if any(edge % SNAP_M for edge in bounds):
            raise ValueError(f"bounds_m {bounds} must be multiples of {SNAP_M}")
        around = degrees_around(bounds, epsg)
        if content.get("bbox") and not np.allclose(content["bbox"], around, rtol=0, atol=1e-6):
            raise ValueError(f"bbox {content['bbox']} is not around bounds_m {bounds}; leave bbox out")
        return content | {"bbox": around}

    @field_validator("bbox")
    @classmethod
    def _box(cls, bbox: list[float]) -> list[float]:
        if fault := _fault(bbox):
            raise ValueError(fault)
        west, south, east, north = bbox
        return [west, south, east + 360 if east < west else east, north]

    @field_validator("epsg")
    @classmethod
    def _zone(cls, epsg: int | None, info: ValidationInfo) -> int | None:
        if "bbox" not in info.data:  # refused already
            return epsg
        zones = utm_zones(info.data["bbox"])
        if epsg is None and len(zones) > 1:
            names = " and ".join(f"EPSG:{zone}" for zone in zones)
            raise ValueError(
                f"bbox {info.data['bbox']} lies in the UTM zones {names}; "
                f"say which to use with the region's key `epsg`, for example `epsg: {zones[0]}`"
            )
        near = {code // 100 * 100 + (code % 100 - 1 + step) % 60 + 1 for code in zones for step in (-1, 0, 1)}
        if epsg is not None and epsg not in near:
            raise ValueError(
                f"EPSG:{epsg} is no UTM zone of bbox {info.data['bbox']} nor next to one; "
                f"take {zones[0]}, or leave the key `epsg` out"
            )
        return epsg


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

    @property
    def whole(self) -> Block:
        """All of it as one block."""
        return slice(0, self.height), slice(0, self.width)

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


def widened(block: Block, pixels: int, shape: tuple[int, int]) -> Block:
    """A block with so many pixels more on each side, as far as an image of this shape (y, x) has them."""
    rows, columns = (
        slice(max(0, part.start - pixels), min(length, part.stop + pixels))
        for part, length in zip(block, shape, strict=True)
    )
    return rows, columns


def inside(block: Block, whole: Block) -> Block:
    """Where a block lies in a larger one: its rows and columns counted from that one's first."""
    rows, columns = (
        slice(part.start - around.start, part.stop - around.start)
        for part, around in zip(block, whole, strict=True)
    )
    return rows, columns


def region_grid(region: Region, resolution_m: int = 10) -> Grid:
    """The grid that covers a region's box in its UTM zone.

    The box is projected with its edges densified and grown to multiples of 60 m.
    """
    from rasterio.warp import transform_bounds  # whoever only reads cubes does not project

    epsg = region.epsg or utm_zones(region.bbox)[0]
    left, bottom, right, top = region.bounds_m or transform_bounds(
        "EPSG:4326", f"EPSG:{epsg}", *region.bbox, 21
    )
    step = math.lcm(SNAP_M, resolution_m)
    left, bottom = _floor(left, step), _floor(bottom, step)
    right, top = -_floor(-right, step), -_floor(-top, step)
    return Grid(
        epsg,
        Affine(resolution_m, 0, left, 0, -resolution_m, top),
        int(right - left) // resolution_m,
        int(top - bottom) // resolution_m,
    )


def degrees_around(bounds: Sequence[float], epsg: int) -> list[float]:
    """The box in degrees around bounds in metres of a UTM zone; east beyond 180 over the 180th meridian."""
    from rasterio.warp import transform_bounds

    west, south, east, north = transform_bounds(f"EPSG:{epsg}", "EPSG:4326", *bounds, 21)
    return [west, south, east + 360 if east < west else east, north]


def utm_zones(bbox: Sequence[float]) -> list[int]:
    """EPSG codes of the WGS 84 / UTM zones a box lies in, without the wider zones of Norway and Svalbard.

    ``bbox`` is west, south, east, north in degrees, east above 180 beyond the 180th meridian. A box that ends
    on the edge of a zone, or on the equator, does not lie in the next one.
    """
    west, south, east, north = bbox
    numbers = range(math.floor((west + 180) / 6), math.ceil((east + 180) / 6))
    hemispheres = [code for code, inside in ((32600, north > 0), (32700, south < 0)) if inside]
    return [code + number % 60 + 1 for code in hemispheres for number in numbers]


def _fault(bbox: Sequence[float]) -> str | None:
    """What is wrong with a box, and what to do; None where nothing is."""
    if len(bbox) != 4:
        return f"{list(bbox)} has {len(bbox)} numbers; give west, south, east, north in degrees"
    west, south, east, north = bbox
    fault = _fault_of(west, south, east, north)
    if fault and _fault_of(south, west, north, east) is None:
        fault = (
            f"{fault}; longitude and latitude look exchanged: "
            f"give west, south, east, north, here {[south, west, north, east]}"
        )
    return f"{list(bbox)}: {fault}" if fault else None


def _fault_of(west: float, south: float, east: float, north: float) -> str | None:
    if not all(SOUTHMOST <= latitude <= NORTHMOST for latitude in (south, north)):
        return f"south {south:g} and north {north:g} must be latitudes between {SOUTHMOST} and {NORTHMOST}"
    beyond = -180 <= west < 180 < east < west + 180  # as a box over the 180th meridian is kept
    if not beyond and not all(-180 <= longitude <= 180 for longitude in (west, east)):
        return f"west {west:g} and east {east:g} must be longitudes between -180 and 180"
    if not (0 < (east - west) % 360 < 180 and south < north):
        return (
            "must rise from west to east and from south to north; give west, south, east, north "
            "(across the 180th meridian, and nowhere else, east is the smaller one)"
        )
    wide = (east - west) % 360 * KM_PER_DEGREE * math.cos(math.radians(min(abs(south), abs(north))))
    high = (north - south) * KM_PER_DEGREE
    if max(wide, high) > MOST_KM:
        return (
            f"is {wide:.0f} x {high:.0f} km, more than {MOST_KM} km a side; "
            "divide it into several regions, each is built by jobs of its own"
        )
    return None


def _floor(value: float, step: int) -> int:
    """Largest multiple of ``step`` not above ``value``, forgiving a millimetre of projection rounding."""
    return math.floor((value + 1e-3) / step) * step
