"""Mean and 95 % interval of a score over seeds."""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float], lowest: float = 0) -> tuple[float, float | None, float | None]:
    """Mean and the bounds of its two-sided Student t interval; one value has no interval (None, None).

    ``values`` are shares (or, with ``lowest`` -1, differences of shares): the interval is cut to
    ``lowest``..1, where the mean must lie whatever the spread.
    """
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return mean, None, None
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2) * np.std(values, ddof=1) / np.sqrt(n))
    return mean, max(mean - half, float(lowest)), min(mean + half, 1.0)
