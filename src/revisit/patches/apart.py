"""The least distances between the parts of a collection's split, over all its regions."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from revisit.cube.split import PARTS, boxes_apart, distance
from revisit.cube.zones import across_zones, bounds_in_degrees, degrees_apart
from revisit.errors import RevisitError
from revisit.patches.arrays import Files, RegionArray


def distances(stores: Sequence[Mapping[str, Any]], side: float, gap: float) -> dict[str, float]:
    """Least metres between the edges of patches of two parts, over all regions.

    ``stores``: their attributes and ``path``; ``side`` of a patch, metres. Raises RevisitError where two
    patches of different parts overlap, or lie nearer than ``gap`` metres.
    """
    least: dict[str, float] = {}
    for store in stores:
        for pair, metres in store["split_distance_m"].items():
            least[pair] = min(metres, least.get(pair, np.inf))
            _check(pair, metres, gap, store, store)
    files, centres = Files(), dict[str, dict[str, np.ndarray]]()
    holders = {part: [store for store in stores if part in store["bounds"]] for part in PARTS}
    boxes = {
        part: np.array([store["bounds"][part] for store in held]).reshape(-1, 4)
        for part, held in holders.items()
    }
    systems = {part: np.array([store["epsg"] for store in held]) for part, held in holders.items()}
    degrees = {part: bounds_in_degrees(boxes[part], systems[part]) for part in PARTS}
    for first, second in combinations(PARTS, 2):
        pair = f"{first}-{second}"
        for one, box, around in zip(holders[first], boxes[first], degrees[first], strict=True):
            apart = boxes_apart(box, boxes[second])
            elsewhere = systems[second] != one["epsg"]
            apart[elsewhere] = degrees_apart(around, degrees[second][elsewhere])
            # Regions that lie over each other are always looked at: their patches may overlap.
            for number in np.flatnonzero((apart <= 0) | (apart < least.get(pair, np.inf))):
                other = holders[second][number]
                if other is one or 0 < apart[number] >= least.get(pair, np.inf):
                    continue
                for store in (one, other):
                    if store["region"] not in centres:
                        centres[store["region"]] = _centres(store, files)
                here, there = centres[one["region"]][first], centres[other["region"]][second]
                if one["epsg"] == other["epsg"]:
                    metres = distance(here, there, side)
                else:
                    metres = _distance_across(here, one, there, other, side)
                least[pair] = min(metres, least.get(pair, np.inf))
                _check(pair, metres, gap, one, other)
    return least


def _distance_across(
    here: np.ndarray, one: Mapping[str, Any], there: np.ndarray, other: Mapping[str, Any], side: float
) -> float:
    """``distance`` between patches of two reference systems."""
    squares = [
        np.hstack([places - side / 2, places + side / 2])
        for places in (np.unique(centres, axis=0) for centres in (here, there))
    ]
    metres = across_zones(squares[0], one["epsg"], squares[1], other["epsg"])
    if metres < 0:
        raise RevisitError(
            f"regions {one['region']} and {other['region']}: patches of two parts overlap: keep regions apart"
        )
    return metres


def _check(pair: str, metres: float, gap: float, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    if metres < gap - 1e-6:
        raise RevisitError(
            f"regions {one['region']} and {other['region']}: {pair} patches lie {metres:g} m apart, less "
            f"than split.gap_pixels, {gap:g} m; move one, or give both to one part by split.regions"
        )


def _centres(store: Mapping[str, Any], files: Files) -> dict[str, np.ndarray]:
    """Centres (sample, 2) in metres of the samples of each part."""
    coordinates, split = (
        RegionArray(store["path"] / name, files).whole() for name in ("coordinates", "split")
    )
    return {name: coordinates[split == part, :2] for part, name in enumerate(PARTS)}
