"""Subsets of samples: which keep their labels at a label fraction, which are shown."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError


def labelled_subset(positions: NDArray[Any], fraction: float, seed: int) -> NDArray[np.int64]:
    """Sorted indices into ``positions`` (sample,) of the samples that keep their labels.

    Drawn without replacement by place, so that two dates of one place are both in or both out, and
    nested: with one seed a larger fraction contains every smaller one. At least one place is kept.
    """
    if not 0 < fraction <= 1:
        raise RevisitError(
            f"label_fractions: {fraction} is not in (0, 1]; give fractions such as 0.05 or 1.0"
        )
    places = np.unique(positions)
    order = np.random.default_rng(seed).permutation(places)
    kept = order[: math.ceil(round(fraction * len(places), 6))]
    return np.flatnonzero(np.isin(positions, kept))


def evenly(indices: NDArray[Any], count: int) -> NDArray[Any]:
    """Up to ``count`` of the indices, evenly from all."""
    chosen: NDArray[Any] = indices[np.unique(np.linspace(0, len(indices) - 1, count).round().astype(int))]
    return chosen
