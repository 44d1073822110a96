"""The regions of an entry of ``places``, by name: told at planning, from the file as it is now."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from revisit.cube.grid import SNAP_M, Region
from revisit.cube.split import Split
from revisit.places.blocks import cut
from revisit.places.files import read_areas, read_points
from revisit.places.scatter import scatter
from revisit.places.settings import Places
from revisit.places.squares import square

BLOCK_KM = 20.0  # where an entry does not say


def regions_of(
    name: str, entry: Places, resolution_m: int, split: Split, seed: int, taken: Iterable[Region] = ()
) -> tuple[dict[str, Region], float]:
    """The regions of the entry ``name``, each called by it and what tells the region from its others; and the
    km² of its areas that lie in none, where UTM zones meet.

    A block is called by its zone and its column and row in the zone's grid of blocks, so that a larger area
    renames none. Squares are scattered apart from the regions ``taken``. Raises RevisitError naming key, file
    and remedy.
    """
    step, gap_m = math.lcm(SNAP_M, resolution_m), split.gap_pixels * resolution_m
    path: Path = getattr(entry, entry.source)
    where, uncovered = f"places.{name}.{entry.source}", 0.0
    if entry.areas is not None:
        block_m, least_m = 1000 * (entry.block_km or BLOCK_KM), split.block_pixels * resolution_m
        made, uncovered = cut(read_areas(path, where), block_m, gap_m, least_m, step, where)
    elif entry.points is not None:
        points = read_points(path, where)
        made = {
            key: square(*place, 1000 * (entry.size_km or 0), step, where) for key, place in points.items()
        }
    else:
        land = read_areas(entry.within, f"places.{name}.within") if entry.within else None
        towns = np.array(list(read_points(path, where).values()))
        made = scatter(towns, entry, land, gap_m, step, [seed, *name.encode()], where, taken)
    return {f"{name}-{key}": region for key, region in made.items()}, uncovered
