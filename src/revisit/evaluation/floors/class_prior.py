"""Class prior: every sample gets the class frequencies of the labelled samples, whatever it shows."""

from collections.abc import Callable
from typing import Any

import numpy as np

from revisit.errors import RevisitError
from revisit.evaluation.floors.floor import Floor, FloorData, Indices, Outputs, Score, blocks
from revisit.evaluation.metrics import IGNORE

BLOCK = 256  # samples whose labels are read at once


class ClassPrior(Floor):
    """Predicts the share of labelled scenes that show a class, or of labelled pixels that are of it.

    The most frequent class of a map is thus predicted everywhere, and no change.
    """

    title = "class prior"
    labels = ("scene", "map", "change")

    def fit(
        self, data: FloorData, labelled: Indices, validating: Indices, score: Score, seed: int
    ) -> tuple[Callable[[Indices], Outputs], dict[str, Any]]:
        """See ``Floor``; only ``labelled`` decides. Raises RevisitError for maps without a labelled pixel."""
        classes = len(data.classes)
        side: tuple[int, ...] = ()  # (y, x) of maps
        counts, total = np.zeros(classes, np.int64), 0
        for part in blocks(labelled, BLOCK):
            labels = data.labels(part)
            if labels.ndim == 2:
                counts += labels.sum(0, dtype=np.int64)
                total += len(labels)
            else:
                side = labels.shape[1:]
                known = labels[labels != IGNORE]
                counts += np.bincount(known, minlength=classes)
                total += len(known)
        if not total:
            raise RevisitError(
                f"no label in {len(labelled)} samples; use larger label_fractions or more regions"
            )
        prior = (counts / total).astype(np.float32)

        def predict(indices: Indices) -> Outputs:
            return np.tile(prior.reshape(-1, *(1 for _ in side)), (len(indices), 1, *side))

        return predict, {"frequencies": dict(zip(data.classes, prior.tolist(), strict=True))}


FLOOR = ClassPrior()
