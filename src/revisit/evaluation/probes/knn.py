"""Nearest-neighbour probe: the labels of the most similar training samples vote, as in DINO.

Caron et al. (2021), "Emerging Properties in Self-Supervised Vision Transformers": cosine similarity of the
features, votes weighted by exp(similarity / 0.07), 20 neighbours. With several classes a scene each class is
voted on by itself.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from revisit.evaluation.probes.probe import Features, Outputs, Probe, Score, Targets
from revisit.record import Record

SIMILARITIES = 2**24  # computed at once: 64 MiB


class KnnSettings(Record):
    """Recipe of the nearest-neighbour probe."""

    k: PositiveInt = 20
    """Neighbours that vote; all training samples where there are fewer."""
    temperature: PositiveFloat = 0.07
    """A neighbour's vote counts exp(cosine similarity / temperature)."""


class Knn(Probe):
    """Predicts the weighted share of neighbours that show a class, 0 to 1. Nothing is learnt or chosen."""

    Settings = KnnSettings
    title = "kNN"

    def fit(
        self,
        features: Features,
        targets: Targets,
        validation_features: Features,
        validation_targets: Targets,
        score: Score,
        seed: int,
    ) -> tuple[Callable[[Features], Outputs], dict[str, Any]]:
        """See ``Probe``; ``seed`` decides nothing. Record: ``k`` as used."""
        from threadpoolctl import threadpool_limits

        known, k = _unit(features), min(self.settings.k, len(features))

        def votes(features: Features) -> Outputs:
            similarity = _unit(features) @ known.T
            nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
            closeness = np.take_along_axis(similarity, nearest, axis=1)
            # The most similar weighs 1, so that a low temperature does not overflow.
            weights = np.exp((closeness - closeness.max(1, keepdims=True)) / self.settings.temperature)
            shares: Outputs = np.einsum("nk,nkc->nc", weights, targets[nearest].astype(np.float32))
            shares /= weights.sum(1, keepdims=True)
            return shares

        def predict(features: Features) -> Outputs:
            block = max(SIMILARITIES // len(known), 1)
            with threadpool_limits(1):  # the last bits depend on the number of threads
                return np.concatenate(
                    [votes(features[start : start + block]) for start in range(0, len(features), block)]
                )

        value = score(validation_targets, predict(validation_features))
        return predict, {"k": k, "validation": {str(k): value}}


PROBE = Knn


def _unit(features: Features) -> Features:
    """Features of length 1; all zero stay zero."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: Features = np.divide(features, np.maximum(length, np.finfo(np.float32).tiny), dtype=np.float32)
    return unit
