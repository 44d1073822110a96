"""How alike an encoder finds the years of a place, and different places: cosine matrices.

Reads a yearly collection and one encoder; writes a JSON with, for a few test places, the
year × year similarity of the pooled features, and the place × place similarity of their means.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit import stage
from revisit.errors import RevisitError
from revisit.evaluation import outcome
from revisit.evaluation.features import features_over_time
from revisit.evaluation.subsets import evenly
from revisit.files import write_json
from revisit.job import Job
from revisit.nets.load_save import load_encoder
from revisit.patches.store import PatchStore
from revisit.training.device import choose_device, prepare

PLACES = 4  # test places to compare


def run(job: Job) -> None:
    """The stage: ``patches`` and ``encoder`` to ``similarity``."""
    similarity(job.source("patches"), job.source("encoder"), job.target("similarity"))


def similarity(patches: Path, encoder: Path, out: Path) -> None:
    """Write ``places`` (region, position, sample, years and their ``matrix``), ``between_places`` (their
    matrix), and the means of both kinds without their diagonals.

    Raises RevisitError for a collection that is not yearly or too small, and an encoder of other scaling.
    """
    device = choose_device()
    prepare(device)
    store = PatchStore(patches)
    if store.kind != "yearly":
        raise RevisitError(f"{patches}: similarity needs a yearly collection, this is {store.kind!r}")
    network = load_encoder(encoder, scaling=store.scaling, device=device)
    whole, test = store.present(network.bands).all(1), store.indices("test")
    chosen = evenly(test[whole[test]], PLACES)
    years = store.years(network.bands)
    if len(years) < 2 or len(chosen) < 2:
        raise RevisitError(
            f"{patches}: similarity needs two years and two test places that have them all, "
            f"there are {len(years)} and {len(chosen)}"
        )
    features = features_over_time(network, store, chosen, network.bands)
    matrices = [cosine(of_place) for of_place in features]
    between = cosine(features.mean(1))
    places = [
        {
            "region": str(region),
            "position": int(store.positions[sample]),
            "sample": int(sample),
            "years": list(years),
            "matrix": matrix.tolist(),
        }
        for sample, region, matrix in zip(chosen, store.where()["region"][chosen], matrices, strict=True)
    ]
    within_mean = float(np.mean([off_diagonal(matrix) for matrix in matrices]))
    between_mean = off_diagonal(between)
    stage.log.info("cosine similarity: years of a place %.4f, places %.4f", within_mean, between_mean)
    write_json(
        out,
        {
            "places": places,
            "between_places": between.tolist(),
            "within_mean": within_mean,
            "between_mean": between_mean,
            "sources": outcome.sources(patches, store.attrs, [encoder]),
        },
    )


def cosine(features: NDArray[Any]) -> NDArray[np.float64]:
    """Cosine similarity (n, n) of the rows of ``features`` (n, dimension)."""
    features = features.astype(np.float64)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
    return np.asarray(unit @ unit.T)


def off_diagonal(matrix: NDArray[Any]) -> float:
    """Mean of a square matrix without its diagonal."""
    return float(matrix[~np.eye(len(matrix), dtype=bool)].mean())
