"""Land cover maps of a region: the yearly truth, and a WorldCover-like map with its errors at borders."""

from collections.abc import Sequence

import numpy as np
from affine import Affine
from pyproj import Transformer
from shapely.geometry import box

from revisit.archive import items as catalogue
from revisit.archive.geometry import lonlat
from revisit.archive.noise import fractal, stream
from revisit.archive.scenes import Place, write_cog
from revisit.cube.degrees import boxes_in_degrees

STEPS_PER_DEGREE = 12_000  # of the grid of WorldCover
JITTER_PIXELS = 0.5  # how far the borders of the map wander


def write_truth(place: Place, year: int) -> catalogue.Item:
    """The land cover of a year on the grid of the scenes."""
    name = f"truth_{year}"
    footprint = lonlat(place.grid.epsg, place.grid.polygon())
    shape, affine = list(place.grid.shape), list(place.grid.affine())
    extra = {"proj:shape": shape, "proj:transform": affine}
    item = catalogue.map_item(catalogue.TRUTH, name, year, place.grid.epsg, footprint, **extra)
    path = place.folder / item["assets"]["map"]["href"]
    write_cog(path, place.land.cover(year), place.grid.epsg, place.grid.affine(), 0)
    return item


def write_worldcover(place: Place, year: int) -> list[catalogue.Item]:
    """The land cover of a year in longitude and latitude, a few per cent wrong near borders; 0 outside.

    One map, or one on either side of the 180th meridian.
    """
    # In degrees the edges of the grid are bent: a box of its corners alone would leave out part of it.
    degrees = Transformer.from_crs(place.grid.epsg, 4326, always_xy=True)
    west, south, east, north = degrees.transform_bounds(*place.grid.bounds, densify_pts=21)
    boxes = boxes_in_degrees((west, south, east + 360 if east < west else east, north))
    return [_write_map(place, year, box, side) for side, box in enumerate(boxes)]


def _write_map(place: Place, year: int, bbox: Sequence[float], side: int) -> catalogue.Item:
    grid, (west, south, east, north) = place.grid, bbox
    left, top = np.floor(west * STEPS_PER_DEGREE), np.ceil(north * STEPS_PER_DEGREE)
    columns = int(np.ceil(east * STEPS_PER_DEGREE) - left)
    rows = int(top - np.floor(south * STEPS_PER_DEGREE))
    longitude = (left + np.arange(columns) + 0.5) / STEPS_PER_DEGREE
    latitude = (top - np.arange(rows) - 0.5) / STEPS_PER_DEGREE
    x, y = Transformer.from_crs(4326, grid.epsg, always_xy=True).transform(*np.meshgrid(longitude, latitude))
    rng = stream(*place.key, "worldcover", year, *([side] if side else []))
    column = (x - grid.west) / 10 + JITTER_PIXELS * fractal((rows, columns), rng, 8, 2)
    row = (grid.north - y) / 10 + JITTER_PIXELS * fractal((rows, columns), rng, 8, 2)
    column, row = np.floor(column).astype(int), np.floor(row).astype(int)
    inside = (column >= 0) & (column < grid.columns) & (row >= 0) & (row < grid.rows)
    values = np.zeros((rows, columns), dtype=np.uint8)
    values[inside] = place.land.cover(year)[row[inside], column[inside]]

    affine = Affine(
        1 / STEPS_PER_DEGREE, 0, left / STEPS_PER_DEGREE, 0, -1 / STEPS_PER_DEGREE, top / STEPS_PER_DEGREE
    )
    tile = _tile(west, south)
    version = "v100" if year <= 2020 else "v200"
    extra = {
        "grid:code": f"ESAWORLDCOVER-{tile}",
        "esa_worldcover:product_tile": tile,
        "proj:shape": [rows, columns],
        "proj:transform": list(affine),
    }
    footprint = box(affine.c, affine.f + rows * affine.e, affine.c + columns * affine.a, affine.f)
    name = f"ESA_WorldCover_10m_{year}_{version}_{tile}"
    item = catalogue.map_item(catalogue.WORLDCOVER, name, year, 4326, footprint, **extra)
    write_cog(place.folder / item["assets"]["map"]["href"], values, 4326, affine, 0)
    return item


def _tile(longitude: float, latitude: float) -> str:
    """Name of the 3 by 3 degree tile that holds a place."""
    west, south = int(longitude // 3 * 3), int(latitude // 3 * 3)
    return f"{'N' if south >= 0 else 'S'}{abs(south):02d}{'E' if west >= 0 else 'W'}{abs(west):03d}"
