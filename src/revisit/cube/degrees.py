"""Boxes and outlines in degrees where they may cross the 180th meridian.

Inside, what crosses it goes on beyond 180 degrees east. In GeoJSON (RFC 7946) it is cut there: a box whose
west is the larger number, a polygon on either side.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

WORLD = (-180.0, -90.0, 180.0, 90.0)


def boxes_in_degrees(bbox: Sequence[float]) -> list[list[float]]:
    """A box (west, south, east, north) cut at the 180th meridian: itself, or the two on either side."""
    west, south, east, north = bbox
    if east <= 180:
        return [[west, south, east, north]]
    return [[west, south, 180.0, north], [-180.0, south, east - 360, north]]


def sides_met(bounds: Sequence[float], left: float, right: float) -> list[list[float]]:
    """Of bounds as a projection gives them in degrees (west the larger: over the 180th meridian), the sides
    that meet these longitudes, as they are counted there: from 0 to 360, say. The first where none does."""
    west, south, east, north = bounds
    sides = boxes_in_degrees((west, south, east + 360 if east < west else east, north))
    turned = [
        [side[0] + turn, side[1], side[2] + turn, side[3]] for side in sides for turn in (0.0, 360.0, -360.0)
    ]
    return [side for side in turned if side[0] < right and left < side[2]] or sides[:1]


def whole_turns(west: float) -> int:
    """How many turns around the Earth a longitude is away from -180 to 180."""
    return math.floor((west + 180) / 360)


def unwrapped(outline: BaseGeometry) -> BaseGeometry:
    """A polygon as projected, whose longitudes jump at the 180th meridian, going on beyond it."""
    if outline.bounds[2] - outline.bounds[0] < 180:
        return outline
    first = shapely.get_coordinates(outline)[0, 0]

    def near_the_first(places: np.ndarray) -> np.ndarray:
        longitudes = (places[:, 0] - first + 180) % 360 - 180 + first
        return np.column_stack([longitudes, places[:, 1]])

    smooth = shapely.transform(outline, near_the_first)
    return smooth if smooth.bounds[0] >= -180 else _moved(smooth, 360)


def bbox_and_geometry(outline: BaseGeometry) -> dict[str, Any]:
    """``bbox`` and ``geometry`` of a GeoJSON feature with this (unwrapped) outline."""
    west, south, east, north = outline.bounds
    if east <= 180:
        return {"bbox": [west, south, east, north], "geometry": mapping(outline)}
    here = shapely.intersection(outline, shapely.box(*WORLD))
    there = shapely.intersection(_moved(outline, -360), shapely.box(*WORLD))
    both = shapely.multipolygons([here, there])
    return {"bbox": [west, south, east - 360, north], "geometry": mapping(both)}


def _moved(outline: BaseGeometry, degrees: float) -> BaseGeometry:
    moved: BaseGeometry = shapely.transform(outline, lambda places: np.add(places, (degrees, 0)))
    return moved
