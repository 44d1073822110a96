"""Average precision of scene labels on a whole test set.

Never averaged over batches, as several published codes do: such a mean depends on the batch size.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MeanAveragePrecision:
    """Average precision in 0..1; ``classes[i]`` is None for a class without a positive sample."""

    micro: float
    macro: float
    classes: list[float | None]


def mean_average_precision(targets: NDArray[Any], scores: NDArray[Any]) -> MeanAveragePrecision:
    """Average precision of ``scores`` against 0/1 ``targets``, both (sample, class).

    Micro pools all decisions; macro is the mean over the classes that have a positive sample, as
    the average precision of the others is undefined. Raises ValueError when there is none at all.
    """
    from sklearn.metrics import average_precision_score  # takes a second to import; few jobs need it

    targets = np.asarray(targets).astype(bool)
    present = targets.any(axis=0)
    if not present.any():
        raise ValueError("average precision needs at least one positive sample")
    classes = [
        float(average_precision_score(targets[:, i], scores[:, i])) if present[i] else None
        for i in range(targets.shape[1])
    ]
    return MeanAveragePrecision(
        micro=float(average_precision_score(targets, scores, average="micro")),
        macro=float(np.mean([value for value in classes if value is not None])),
        classes=classes,
    )
