"""The least distances between the parts of a collection's split, over all its regions."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from revisit.cube.split import PARTS, boxes_apart, distance
from revisit.errors import RevisitError
from revisit.patches.arrays import Files, RegionArray


def distances(stores: Sequence[Mapping[str, Any]], side: float, gap: float) -> dict[str, float]:
    """Least metres between the edges of patches of two parts, among patches of one reference system.

    ``stores``: their attributes and ``path``; ``side`` of a patch, metres. Raises RevisitError where two
    patches of different parts overlap, or lie nearer than ``gap`` metres.
    """
    least: dict[str, float] = {}
    for store in stores:
        for pair, metres in store["split_distance_m"].items():
            least[pair] = min(metres, least.get(pair, np.inf))
            _check(pair, metres, gap, store, store)
    files, centres = Files(), dict[str, dict[str, np.ndarray]]()
    for first, second in combinations(PARTS, 2):
        pair = f"{first}-{second}"
        others = [store for store in stores if second in store["bounds"]]
        boxes = np.array([store["bounds"][second] for store in others]).reshape(-1, 4)
        systems = np.array([store["epsg"] for store in others])
        for one in stores:
            if first not in one["bounds"]:
                continue
            apart = boxes_apart(np.array(one["bounds"][first]), boxes)
            apart[systems != one["epsg"]] = np.inf
            # Regions that lie over each other are always looked at: their patches may overlap.
            for number in np.flatnonzero((apart <= 0) | (apart < least.get(pair, np.inf))):
                other = others[number]
                if other is one or 0 < apart[number] >= least.get(pair, np.inf):
                    continue
                for store in (one, other):
                    if store["region"] not in centres:
                        centres[store["region"]] = _centres(store, files)
                metres = distance(centres[one["region"]][first], centres[other["region"]][second], side)
                least[pair] = min(metres, least.get(pair, np.inf))
                _check(pair, metres, gap, one, other)
    return least


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
