"""Samples to show or to compare, from all."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def evenly(indices: NDArray[Any], count: int) -> NDArray[Any]:
    """Up to ``count`` of the indices, evenly from all."""
    chosen: NDArray[Any] = indices[np.unique(np.linspace(0, len(indices) - 1, count).round().astype(int))]
    return chosen
