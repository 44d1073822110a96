"""Squares scattered around points, as SeCo and CACo scatter theirs around the most populous towns.

Sources: Manas et al. 2021 (SeCo), Mall et al. 2023 (CACo): a normal distribution around a town
drawn at random; what falls into the open sea is drawn again.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import shapely

from revisit.cube.degrees import boxes_in_degrees
from revisit.cube.grid import KM_PER_DEGREE, NORTHMOST, SOUTHMOST, Region
from revisit.cube.zones import degrees_apart
from revisit.errors import RevisitError
from revisit.places.settings import Places
from revisit.places.squares import square

TRIES = 50  # draws a square, on average, before it is given up


def scatter(
    towns: np.ndarray,
    entry: Places,
    within: shapely.Geometry | None,
    gap_m: float,
    step: int,
    seed: Sequence[int],
    where: str,
    taken: Iterable[Region] = (),
) -> dict[str, Region]:
    """``entry.count`` squares around ``towns`` (n, 2: longitude, latitude), by number, none near another.

    Each is at least ``gap_m`` from all others and from regions ``taken``, and touches ``within`` (in
    degrees). The first ones are the same whatever the count.
    """
    count, sigma, side = entry.count or 0, entry.sigma_km or 0, 1000 * (entry.size_km or 0)
    random = np.random.default_rng(seed)
    if within is not None:
        shapely.prepare(within)
    found: list[Region] = []
    kept = np.array([one.bbox for one in taken], float).reshape(-1, 4)
    for _ in range(TRIES * count):
        longitude, latitude = towns[random.integers(len(towns))]
        east, north = sigma * random.standard_normal(2)
        latitude += north / KM_PER_DEGREE
        if not SOUTHMOST < latitude < NORTHMOST:
            continue
        longitude += east / (KM_PER_DEGREE * np.cos(np.radians(latitude)))
        region = square((longitude + 180) % 360 - 180, latitude, side, step, where)
        box = np.array(region.bbox)
        sides = [shapely.box(*part) for part in boxes_in_degrees(region.bbox)]
        if within is not None and not any(within.intersects(part) for part in sides):
            continue
        if len(kept) and (degrees_apart(box, kept) < max(gap_m, 1e-6)).any():
            continue
        found.append(region)
        kept = np.concatenate([kept, box[None]])
        if len(found) == count:
            return {f"{number:0{max(len(str(count)), 4)}d}": one for number, one in enumerate(found, 1)}
    raise RevisitError(
        f"{where}: only {len(found)} of {count} squares found a place of their own; "
        "lower count or size_km, or raise sigma_km"
    )
