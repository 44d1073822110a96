"""What luck of test places adds to a score: its values on test sets of places drawn anew (bootstrap).

Places are drawn, not samples: the dates of a place show the same ground, and come or stay out together.
Places near each other are not independent either, of which nothing is known here: where a class, or an error,
covers more ground than a patch, the spread of the values is too small.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# From how often each test sample counts, int32 (resample, sample), to the score of each resample, float64
# (resample,): that of a test set with samples repeated so often, nan where such a set has none.
Reweighted = Callable[[NDArray[np.int32]], NDArray[np.float64]]

RESAMPLES = 1000
SEED = 0  # one for all: the same places make the same test sets, so that scores on them can be paired
DIGITS = 6  # of degrees: a tenth of a metre
AT_ONCE = 50  # resamples; their counts, and confusion matrices of them, take little memory


def resampled(positions: NDArray[Any], score: Reweighted) -> NDArray[np.float64]:
    """The scores (``RESAMPLES``,) of test sets of as many places as there are, drawn with replacement.

    ``positions`` (sample,) numbers the places of the test samples. From equal sets of places the same are
    drawn, whatever the score.
    """
    places, place = np.unique(positions, return_inverse=True)
    count, random = len(places), np.random.default_rng(SEED)
    scores = []
    for _ in range(RESAMPLES // AT_ONCE):
        drawn = [random.integers(0, count, count) for _ in range(AT_ONCE)]
        times = np.stack([np.bincount(one, minlength=count) for one in drawn]).astype(np.int32)
        scores.append(score(np.take(times, place, axis=1)))
    return np.concatenate(scores)


def described(positions: NDArray[Any], centres: NDArray[Any], collection: str) -> dict[str, Any]:
    """How many places there are, and a digest of which: with another, scores cannot be paired (JSON-able).

    ``positions`` (sample,) numbers the places of ``collection``; ``centres`` (sample, 2) in degrees say which
    ground they are, so that rows of several collections can be told to be of the same. Where one is not known
    (nan), the numbers do, of this collection alone.
    """
    places, samples = np.unique(positions, return_index=True)
    ground = np.round(centres[samples], DIGITS).astype("<f8").tobytes()
    if not np.isfinite(centres).all():
        ground = collection.encode() + places.astype("<i8").tobytes()
    return {"number": len(places), "digest": hashlib.sha256(ground).hexdigest()[:12]}
