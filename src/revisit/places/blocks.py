"""Areas cut into blocks of the UTM grid, each in its own zone."""

import math

import numpy as np
import shapely
from pyproj import Transformer

from revisit.cube.grid import NORTHMOST, SOUTHMOST, Region
from revisit.cube.zones import bounds_in_degrees, degrees_apart
from revisit.errors import RevisitError
from revisit.record import read

FINE = 0.05  # degrees: edges are projected by points this near to each other


def cut(area: shapely.Geometry, block_m: float, gap_m: float, step: int, where: str) -> dict[str, Region]:
    """The blocks that ``area`` (in degrees) touches, by zone, column and row.

    Blocks lie ``block_m`` apart, rounded down to ``step``, and leave ``gap_m`` between them. Where zones
    meet, a block nearer than that to one of the zone before is left out.
    """
    pitch = math.floor(block_m / step) * step
    side = pitch - math.ceil(gap_m / step) * step
    if side < step:
        raise RevisitError(
            f"{where}: blocks of {block_m:g} m with {gap_m:g} m between them leave nothing; "
            "raise block_km, or lower split.gap_pixels"
        )
    found: dict[str, Region] = {}
    kept = np.empty((0, 4))
    for number, north, part in _by_zone(area):
        epsg = (32600 if north else 32700) + number
        project = Transformer.from_crs(4326, epsg, always_xy=True).transform
        outline = shapely.transform(
            shapely.segmentize(part, FINE), lambda at, project=project: np.column_stack(project(*at.T))
        )
        shapely.prepare(outline)
        left, bottom, right, top = (math.floor(edge / pitch) for edge in outline.bounds)
        columns, rows = (axis.ravel() for axis in np.meshgrid(range(left, right + 1), range(bottom, top + 1)))
        corners = np.column_stack([columns, rows]) * pitch
        boxes = np.column_stack([corners, corners + side])
        touched = shapely.intersects(outline, shapely.box(*boxes.T))
        here = boxes[touched]
        if not len(here):
            continue
        degrees = bounds_in_degrees(here, np.full(len(here), epsg))
        apart = [not len(kept) or (degrees_apart(one, kept) >= max(gap_m, 1e-6)).all() for one in degrees]
        names = zip(columns[touched], rows[touched], strict=True)
        for free, (column, row), box in zip(apart, names, here, strict=True):
            if free:
                key = f"{number:02d}{'n' if north else 's'}-{column}-{row}"
                bounds = [int(edge) for edge in box]
                found[key] = read(Region, {"epsg": epsg, "bounds_m": bounds}, where)
        kept = np.concatenate([kept, degrees[np.array(apart, bool)]])
    if not found:
        raise RevisitError(f"{where}: no block lies between {SOUTHMOST} and {NORTHMOST} degrees north")
    return found


def _by_zone(area: shapely.Geometry) -> list[tuple[int, bool, shapely.Geometry]]:
    """What of an area lies in each UTM zone: its number, whether it is the northern half, the part."""
    west, _, east, _ = area.bounds
    first, last = math.floor((west + 180) / 6), math.ceil((east + 180) / 6)
    parts = []
    for number in range(first, max(last, first + 1)):
        for north, (low, high) in ((True, (0, NORTHMOST)), (False, (SOUTHMOST, 0))):
            part = area.intersection(shapely.box(6 * number - 180, low, 6 * number - 174, high))
            if part.area > 0:
                parts.append((number % 60 + 1, north, part))
    return parts
