"""Grids of the archive: scenes in UTM snapped to 60 m, tiles of the military grid, footprints, the sun."""

import math
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.features import geometry_mask
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform as reproject

from revisit.cube.degrees import unwrapped
from revisit.cube.grid import utm_zones

PIXEL = 10.0
SNAP = 60.0  # every band's grid, 10, 20 or 60 m, starts on the same corner
MARGIN_PIXELS = 16
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Grid:
    """A north-up UTM grid of 10 m pixels; sizes divide by 6."""

    epsg: int
    west: float
    north: float
    columns: int
    rows: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns

    @property
    def bounds(self) -> Bounds:
        return self.west, self.north - self.rows * PIXEL, self.west + self.columns * PIXEL, self.north

    def affine(self, resolution: float = PIXEL) -> Affine:
        return Affine(resolution, 0, self.west, 0, -resolution, self.north)

    def polygon(self) -> Polygon:
        return box(*self.bounds)

    def part(self, other: "Grid") -> tuple[slice, slice]:
        """Rows and columns of this grid that another one on the same lattice covers."""
        top, left = round((self.north - other.north) / PIXEL), round((other.west - self.west) / PIXEL)
        return slice(top, top + other.rows), slice(left, left + other.columns)


def scene_grid(bbox: Bounds, epsg: int | None) -> Grid:
    """Grid around a bbox (west, south, east, north in degrees), at least 16 pixels larger on every side."""
    code = epsg or utm_zones(bbox)[0]
    bounds = Transformer.from_crs(4326, code, always_xy=True).transform_bounds(*bbox)
    return _snapped(code, bounds, MARGIN_PIXELS * PIXEL)


def tile_grids(scene: Grid, bbox: Bounds, count: int) -> list[Grid]:
    """The tiles a scene is delivered in: one, or two that overlap by a tenth of the width.

    Where the bbox crosses the border of two UTM zones, the second tile is in the zone next door.
    """
    if count == 1:
        return [scene]
    left = 6 * round(0.55 * scene.columns / 6)
    start = 6 * round(0.45 * scene.columns / 6)
    first = replace(scene, columns=left)
    second = replace(scene, west=scene.west + start * PIXEL, columns=scene.columns - start)
    others = [zone for zone in utm_zones(bbox) if zone != scene.epsg]
    if not others:
        return [first, second]
    next_door = others[0]
    bounds = Transformer.from_crs(scene.epsg, next_door, always_xy=True).transform_bounds(*second.bounds)
    return [first, _snapped(next_door, bounds, 0)]


def _snapped(epsg: int, bounds: Bounds, margin: float) -> Grid:
    west, south = (math.floor((edge - margin) / SNAP) * SNAP for edge in bounds[:2])
    east, north = (math.ceil((edge + margin) / SNAP) * SNAP for edge in bounds[2:])
    return Grid(epsg, west, north, round((east - west) / PIXEL), round((north - south) / PIXEL))


def tile_name(grid: Grid, number: int = 0) -> str:
    """Name of the 100 km square of the military grid, like 31UFS; ``number`` squares east of the centre's."""
    west, south, east, north = grid.bounds
    x, y = (west + east) / 2, (south + north) / 2
    latitude = lonlat(grid.epsg, box(x, y, x, y)).bounds[1]
    band = "CDEFGHJKLMNPQRSTUVWX"[min(int((latitude + 80) // 8), 19)]
    which = grid.epsg % 100
    columns = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")[which % 3]
    column = columns[(int(x // 100_000) - 1 + number) % 8]
    row = "ABCDEFGHJKLMNPQRSTUV"[(int(y // 100_000) + (5 if which % 2 == 0 else 0)) % 20]
    return f"{which}{band}{column}{row}"


def lonlat(epsg: int, geometry: BaseGeometry) -> BaseGeometry:
    """A geometry in UTM in longitude and latitude; what crosses the 180th meridian goes on beyond it."""
    return unwrapped(reproject(Transformer.from_crs(epsg, 4326, always_xy=True).transform, geometry))


def half_plane(grid: Grid, angle: float, share: float) -> Polygon:
    """A grid's part inside a swath whose edge has this direction and cuts off this share of the diagonal."""
    west, south, east, north = grid.bounds
    x, y = (west + east) / 2, (south + north) / 2
    reach = math.hypot(east - west, north - south)
    offset = reach * (0.5 - share)
    ahead, side = np.array([-math.sin(angle), math.cos(angle)]), np.array([math.cos(angle), math.sin(angle)])
    edge = np.array([x, y]) + offset * side
    corners = [edge + reach * ahead, edge - reach * ahead]
    inside = Polygon([*corners, *(c - 2 * reach * side for c in reversed(corners))])
    result = grid.polygon().intersection(inside)
    return result if isinstance(result, Polygon) and not result.is_empty else grid.polygon()


def covered(grid: Grid, footprint: BaseGeometry, resolution: float = PIXEL) -> NDArray[np.bool_]:
    """Whether pixel centres lie inside a footprint, (y, x)."""
    shape = (round(grid.rows * PIXEL / resolution), round(grid.columns * PIXEL / resolution))
    inside: NDArray[np.bool_] = geometry_mask([footprint], shape, grid.affine(resolution), invert=True)
    return inside


def sun(latitude: float, when: datetime) -> tuple[float, float]:
    """Elevation and azimuth of the sun in degrees at 10:30 local solar time, the hour Sentinel-2 passes."""
    day = when.timetuple().tm_yday
    declination = math.radians(-23.44) * math.cos(2 * math.pi * (day + 10) / 365.25)
    phi, hour = math.radians(latitude), math.radians(-22.5)
    height = math.asin(
        math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(hour)
    )
    azimuth = math.atan2(
        -math.cos(declination) * math.sin(hour),
        math.cos(phi) * math.sin(declination) - math.sin(phi) * math.cos(declination) * math.cos(hour),
    )
    return max(math.degrees(height), 3.0), math.degrees(azimuth) % 360
