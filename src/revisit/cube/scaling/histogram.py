"""Values of many pixels counted in narrow bins, added up part by part, and percentiles of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# First edge, width and number of the bins of a unit: a hundredth of its usual spread, or less.
BINS = {"reflectance": (-0.2, 0.0005, 4400), "dB": (-60.0, 0.025, 4000)}


@dataclass(frozen=True)
class Histogram:
    """Counts (band, bin) of values; those beyond the bins are in the first and the last."""

    unit: str
    counts: np.ndarray

    @classmethod
    def of(cls, unit: str, values: np.ndarray) -> "Histogram":
        """That of the values of (band, pixel)."""
        first, width, bins = BINS[unit]
        places = np.clip((values.astype(np.float64) - first) / width, 0, bins - 1).astype(np.int64)
        return cls(unit, np.stack([np.bincount(own, minlength=bins) for own in places]))

    @classmethod
    def sum(cls, unit: str, contents: Iterable[Mapping[str, Any]]) -> "Histogram":
        """That of all values of several, as ``content`` gives them."""
        return cls(unit, np.sum([np.array(one["counts"], np.int64) for one in contents], axis=0))

    def merge(self, other: "Histogram") -> "Histogram":
        """That of the values of both."""
        return Histogram(self.unit, self.counts + other.counts)

    def between(self, percent: float) -> tuple[np.ndarray, np.ndarray]:
        """Edges of bins (band,) that leave at most so many per cent of the values below, and above."""
        first, width, _ = BINS[self.unit]
        below, beyond = self.counts.cumsum(axis=1), self.counts.sum(axis=1, keepdims=True) * percent / 100
        above = self.counts[:, ::-1].cumsum(axis=1)
        lower = (below > beyond).argmax(axis=1)
        upper = self.counts.shape[1] - (above > beyond).argmax(axis=1)
        return first + width * lower, first + width * upper

    def content(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"counts": self.counts.tolist()}
