"""Areas cut into blocks of the UTM grid, each in its own zone."""

import math
from collections.abc import Sequence

import numpy as np
import shapely
from pyproj import Transformer

from revisit.cube.grid import NORTHMOST, SOUTHMOST, Region
from revisit.cube.zones import bounds_in_degrees, degrees_apart, projected
from revisit.errors import RevisitError
from revisit.record import read

FINE = 0.05  # degrees: edges are projected by points this near to each other
LEAST = 0.25  # of a block's side that must stay where zones meet


def cut(
    area: shapely.Geometry, block_m: float, gap_m: float, least_m: float, step: int, where: str
) -> tuple[dict[str, Region], float]:
    """The blocks that ``area`` (in degrees) touches, by zone, column and row; and the km² it has in none.

    Blocks lie ``block_m`` apart, rounded down to ``step``, and leave ``gap_m`` between them. Where zones
    meet, a block that would be nearer to those of the zones before is cut back on one side, or left out where
    less than ``least_m`` or a quarter of it would stay: there some of the area is in no block.
    """
    pitch = math.floor(block_m / step) * step
    side = pitch - math.ceil(gap_m / step) * step
    if side < step:
        raise RevisitError(
            f"{where}: blocks of {block_m:g} m with {gap_m:g} m between them leave nothing; "
            "raise block_km, or lower split.gap_pixels"
        )
    gap, least = max(gap_m, 1e-6), max(least_m, LEAST * side)
    found: dict[str, Region] = {}
    kept, uncovered = np.empty((0, 4)), 0.0
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
        blocks: dict[str, np.ndarray] = {}
        crowded, neighbours = [], set()
        degrees = bounds_in_degrees(here, np.full(len(here), epsg))
        for column, row, box, own in zip(columns[touched], rows[touched], here, degrees, strict=True):
            near, block = np.flatnonzero(degrees_apart(own, kept) < gap), box
            if len(near):
                crowded.append(box)
                neighbours.update(near.tolist())
                block = _cut_back(box, epsg, kept[near], gap, step, least)
                if block is None or not outline.intersects(shapely.box(*block)):
                    continue
            blocks[f"{number:02d}{'n' if north else 's'}-{column}-{row}"] = block
        others = list(found.values())
        uncovered += _uncovered(
            outline, crowded, [*blocks.values()], [others[one] for one in neighbours], epsg
        )
        for key, block in blocks.items():
            found[key] = read(Region, {"epsg": epsg, "bounds_m": [int(edge) for edge in block]}, where)
        boxes = np.array(list(blocks.values())).reshape(-1, 4)
        kept = np.concatenate([kept, bounds_in_degrees(boxes, np.full(len(boxes), epsg))])
    if not found:
        raise RevisitError(f"{where}: no block lies between {SOUTHMOST} and {NORTHMOST} degrees north")
    return found, uncovered


def _cut_back(
    box: np.ndarray, epsg: int, near: np.ndarray, gap: float, step: int, least: float
) -> np.ndarray | None:
    """The most of a block, at least ``least`` metres, that is ``gap`` metres off others (n, 4: degrees)."""
    cuts = np.arange(step, box[2] - box[0] - least + 1e-6, step)
    parts = (box + cuts[:, None, None] * np.diag([1, 1, -1, -1])).reshape(-1, 4)
    degrees = bounds_in_degrees(parts, np.full(len(parts), epsg))
    free = np.all([degrees_apart(one, degrees) >= gap for one in near], axis=0)
    return parts[free][0] if free.any() else None


def _uncovered(
    outline: shapely.Geometry,
    crowded: Sequence[np.ndarray],
    blocks: Sequence[np.ndarray],
    others: Sequence[Region],
    epsg: int,
) -> float:
    """Km² of an area in boxes too near to ``others`` that neither these nor the zone's ``blocks`` cover."""
    covered = [shapely.box(*block) for block in blocks]
    for zone in {one.epsg for one in others if one.epsg}:
        theirs = np.array([one.bounds_m for one in others if one.epsg == zone])
        covered += [*projected(theirs, zone, epsg)]
    boxes = shapely.union_all([shapely.box(*box) for box in crowded])
    return float(outline.intersection(boxes).difference(shapely.union_all(covered)).area) / 1e6


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
