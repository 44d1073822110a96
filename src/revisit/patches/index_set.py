"""Makes a collection of the stores of an imported set: its index, and a picture of a few samples."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from revisit.cube.split import PARTS
from revisit.files import write_json
from revisit.job import Job
from revisit.patches.arrays import Files, RegionArray
from revisit.patches.benchmark import Entry
from revisit.patches.index import described, summary, tell
from revisit.patches.montage import montage
from revisit.patches.survey import open_set
from revisit.provenance import code_version, config_hash
from revisit.record import Record, read

RADIUS_M = 6_371_000.0  # of the Earth
ROUGHLY = 0.01  # of a side: how far a sphere and a grid of UTM may be out between neighbours
NEAREST = 9  # centres of the other part that are looked at: a patch has eight neighbours


class Settings(Record):
    """What the index of a set says beside its stores."""

    entry: dict[str, Any]
    """The entry of the config's `imports`."""
    study: str
    """Name of the study the collection is of."""


def run(job: Job) -> None:
    """The stage: the ``stores`` of a set to their ``index`` and a picture, ``quicklook``."""
    settings = read(Settings, job.settings, "index_set")
    index_set(job.names["collection"], job.sources("stores"), job.target("index"), settings)
    montage(job.target("index"), job.target("quicklook"))


def index_set(name: str, store_paths: Sequence[Path], index_path: Path, settings: Settings) -> None:
    """Write the index of the collection ``name``, as ``revisit.patches.index`` does.

    The split is the set's own, so its parts may touch or overlap. Raises RevisitError where the stores do not
    belong together, and where a class asked for gives no sample, unless the entry allows it.
    """
    entry: Entry = open_set(name, settings.entry).settings
    stores = [described(path, name) for path in store_paths]
    about = summary(name, stores, entry.classes, entry.allow_empty, index_path)
    least = _distances(
        [store["path"] for store in stores if store["samples"]],
        about["patch_pixels"] * about["resolution_m"],
    )
    content = {
        **about,
        **{key: stores[0][key] for key in ("label_maps", "undated", "period", "split", "source_set")},
        "study": settings.study,
        "label_year": None,
        "split_distance_m": least,
        "parts_touch": 0 in least.values(),
        "config_hash": config_hash([settings.content(), *(store["config_hash"] for store in stores)]),
        "code_version": code_version(),
    }
    write_json(index_path, content)
    tell(content)


def _distances(paths: Sequence[Path], side: float) -> dict[str, float]:
    """Least metres between the edges of patches of two parts, 0 where they touch; of places that are known.

    ``side`` of a patch in metres. Patches are taken for squares to the north, which in UTM they nearly are.
    """
    files = Files()
    degrees = np.concatenate([RegionArray(path / "coordinates", files).whole()[:, 2:] for path in paths])
    split = np.concatenate([RegionArray(path / "split", files).whole() for path in paths])
    known = np.isfinite(degrees).all(axis=1)
    centres = {
        part: np.unique(np.radians(degrees[known & (split == number)]), axis=0)
        for number, part in enumerate(PARTS)
    }
    return {
        f"{one}-{other}": _apart(centres[one], centres[other], side)
        for one, other in combinations(PARTS, 2)
        if len(centres[one]) and len(centres[other])
    }


def _apart(centres: np.ndarray, others: np.ndarray, side: float) -> float:
    """Least metres between the edges of squares with these centres (n, 2: longitude, latitude), radians.

    0 where they are so near that they touch, for all that is known.
    """
    _, nearest = cKDTree(_on_sphere(others)).query(_on_sphere(centres), min(NEAREST, len(others)))
    there = others[nearest.reshape(len(centres), -1)]
    turn = (there[..., 0] - centres[:, None, 0] + np.pi) % (2 * np.pi) - np.pi
    across = RADIUS_M * np.abs(turn) * np.cos(centres[:, None, 1])
    along = RADIUS_M * np.abs(there[..., 1] - centres[:, None, 1])
    least = float(np.hypot(np.maximum(across - side, 0), np.maximum(along - side, 0)).min().round(1))
    return least if least > ROUGHLY * side else 0.0


def _on_sphere(degrees: np.ndarray) -> np.ndarray:
    """Points on the unit sphere (n, 3)."""
    longitude, latitude = degrees.T
    east = np.cos(latitude)
    return np.column_stack([east * np.cos(longitude), east * np.sin(longitude), np.sin(latitude)])
