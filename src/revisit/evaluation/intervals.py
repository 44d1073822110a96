"""Mean and 95 % interval of a score over all the luck there was: pretraining, labels drawn, new weights.

And, another question, the interval over which places are in the test set, the networks being what they are.
"""

from collections.abc import Collection, Hashable, Mapping
from statistics import stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95
MOST_RUNS = 1000  # that anybody would make to tell a difference


def deviation(values: Collection[float]) -> float | None:
    """Standard deviation of the scores of several runs, as of a sample of runs; None of one."""
    return stdev(values) if len(values) > 1 else None


def interval(
    values: Mapping[int, float], clusters: Mapping[int, Hashable], lowest: float, highest: float
) -> tuple[float, float | None, float | None]:
    """Mean and the bounds of its two-sided interval, from one value a run.

    ``values``: score, or difference of two scores, by evaluation seed. ``clusters``: what runs share luck by,
    by evaluation seed: their pretraining seed; a run without pretraining is a cluster of its own. Only
    different clusters are independent, so mean and Student t interval are of the clusters' means, with one
    degree of freedom less than there are clusters; one cluster has no interval (None, None). The bounds are
    cut to ``lowest``..``highest``, where the mean must lie whatever the spread.
    """
    means = _of_clusters(values, clusters)
    mean, n = float(np.mean(means)), len(means)
    if n < 2:
        return mean, None, None
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2) * np.std(means, ddof=1) / np.sqrt(n))
    return mean, max(mean - half, float(lowest)), min(mean + half, float(highest))


def runs_to_tell(values: Mapping[int, float], clusters: Mapping[int, Hashable]) -> int | None:
    """The least number of clusters whose interval would leave out 0, mean and spread staying as they are.

    ``values`` and ``clusters`` as of ``interval``. None of one cluster, whose spread is unknown, and where
    ``MOST_RUNS`` would not do.
    """
    means = _of_clusters(values, clusters)
    mean = abs(float(np.mean(means)))
    if len(means) < 2:
        return None
    deviation = float(np.std(means, ddof=1))
    numbers = np.arange(2, MOST_RUNS + 1)
    told = stdtrit(numbers - 1, (1 + CONFIDENCE) / 2) * deviation / np.sqrt(numbers) < mean
    return int(numbers[told.argmax()]) if told.any() else None


def percentiles(
    resampled: Mapping[int, NDArray[np.float64]], clusters: Mapping[int, Hashable]
) -> tuple[float, float]:
    """The bounds of the interval of a mean over which places are in the test set (percentile bootstrap).

    ``resampled`` (resample,): by evaluation seed, the run's values on resampled test sets, the same ones for
    all runs; a test set is left out where they are nan, as it shows nothing to score. The mean is that of
    ``interval``.
    """
    means = np.mean(_of_clusters(resampled, clusters), axis=0)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(means, (tail, 100 - tail))
    return float(low), float(high)


def _of_clusters(values: Mapping[int, Any], clusters: Mapping[int, Hashable]) -> list[Any]:
    """The mean of each cluster: of numbers, or of arrays element by element."""
    members: dict[Hashable, list[Any]] = {}
    for seed, value in values.items():
        members.setdefault(clusters[seed], []).append(value)
    return [np.mean(of_cluster, axis=0) for of_cluster in members.values()]
