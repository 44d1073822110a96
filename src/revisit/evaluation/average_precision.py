"""Average precision of scene labels on a whole test set.

Never averaged over batches, as several published codes do: such a mean depends on the batch size.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.evaluation.resampling import Reweighted


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


def reweighted(targets: NDArray[Any], scores: NDArray[Any]) -> Reweighted:
    """Micro average precision where samples count several times or not at all; nan without a positive one.

    ``targets`` and ``scores`` are as of ``mean_average_precision``. All decisions are sorted once: how often
    they count does not change their order, only how many score as high as a right one or higher, and how
    many of these are right.
    """
    order = np.argsort(-np.ravel(scores), kind="stable")
    ordered, right = np.ravel(scores)[order], np.flatnonzero(np.ravel(targets)[order])
    sample = order // targets.shape[1]
    of_right = sample[right]
    # The last decision that scores the same as a right one; all that do are let in together.
    last = np.searchsorted(-ordered, -ordered[right], side="right") - 1
    last_right = np.searchsorted(right, last, side="right") - 1

    def average(times: NDArray[np.int32]) -> float:
        shown, counted = times[sample].cumsum(dtype=np.int32), times[of_right]
        hits = counted.cumsum(dtype=np.int32)
        precision = hits[last_right] / np.maximum(shown[last], 1)  # 0 / 0 of what does not count
        return float(counted @ precision / hits[-1]) if hits[-1] else np.nan

    # One by one, as arrays of a resample then stay in the cache.
    return lambda times: np.array([average(one) for one in times])
