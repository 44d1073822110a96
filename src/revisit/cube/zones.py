"""How far rectangles of different UTM zones lie apart, whose metres cannot be compared as they are."""

import numpy as np
import shapely
from pyproj import Transformer

EARTH = 6933  # EASE-Grid 2.0, equal-area metres of the whole Earth: centres of sets that lie in many zones
EDGE_M = 5000  # an edge is projected by points this near to each other: it is straight in its own zone only
METRES_PER_DEGREE = 100_000  # less than there are, so that what is near is never missed


def zones_of(degrees: np.ndarray) -> np.ndarray:
    """The UTM zones (n,), as EPSG codes, that places (n, 2: longitude, latitude) lie in."""
    longitude, latitude = degrees.T
    numbers = (longitude + 180) // 6 % 60 + 1
    zones: np.ndarray = (np.where(latitude < 0, 32700, 32600) + numbers).astype(np.int64)
    return zones


def bounds_in_degrees(boxes: np.ndarray, zones: np.ndarray) -> np.ndarray:
    """West, south, east and north (n, 4) of boxes (n, 4: left, bottom, right, top) of UTM ``zones`` (n,).

    A box over the 180th meridian goes on beyond it.
    """
    degrees = np.empty((len(boxes), 4))
    for epsg in np.unique(zones):
        middle = 6 * (int(epsg) % 100) - 183
        outlines = projected(boxes[zones == epsg], int(epsg), 4326)
        unwrapped = shapely.transform(
            outlines,
            lambda places, middle=middle: np.column_stack(
                [(places[:, 0] - middle + 180) % 360 - 180 + middle, places[:, 1]]
            ),
        )
        degrees[zones == epsg] = shapely.bounds(unwrapped)
    return degrees


def degrees_apart(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Metres that a box (west, south, east, north) is at least away from others (n, 4); -1 where none."""
    turns = 360 * np.round((one[[0, 2]].mean() - others[:, [0, 2]].mean(axis=1)) / 360)
    across = np.maximum(one[0] - others[:, 2] - turns, others[:, 0] + turns - one[2])
    along = np.maximum(one[1] - others[:, 3], others[:, 1] - one[3])
    farthest = np.maximum(np.abs(others[:, [1, 3]]).max(axis=1), np.abs(one[[1, 3]]).max())
    across, along = np.maximum(across, 0) * np.cos(np.radians(farthest)), np.maximum(along, 0)
    return np.where((across == 0) & (along == 0), -1, METRES_PER_DEGREE * np.hypot(across, along))


def across_zones(boxes: np.ndarray, epsg: int, others: np.ndarray, others_epsg: int) -> float:
    """Least metres, of the zone ``epsg``, between its boxes (n, 4) and another's; -1 if they overlap."""
    here, there = shapely.box(*boxes.T), projected(others, others_epsg, epsg)
    _, metres = shapely.STRtree(there).query_nearest(here, return_distance=True, all_matches=False)
    least = float(metres.min())
    return least if least > 0 else -1.0


def projected(boxes: np.ndarray, epsg: int, into: int) -> np.ndarray:
    """Outlines of boxes (n, 4) of the system ``epsg`` in another, as polygons (n,)."""
    projection = Transformer.from_crs(epsg, into, always_xy=True)
    polygons: np.ndarray = shapely.transform(
        shapely.segmentize(shapely.box(*boxes.T), EDGE_M),
        lambda places: np.column_stack(projection.transform(*places.T)),
    )
    return polygons
