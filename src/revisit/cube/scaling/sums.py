"""Mean and spread of many pixels, added up part by part in float64 (Chan, Golub and LeVeque 1983)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of each band: float64 (band,)."""

    count: np.ndarray
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Moments of the pixels of (band, pixel)."""
        values = values.astype(np.float64)
        bands, pixels = values.shape
        mean = values.mean(axis=1) if pixels else np.zeros(bands)
        values -= mean[:, None]  # in place: of many pixels each copy counts
        np.square(values, out=values)
        return cls(np.full(bands, float(pixels)), mean, values.sum(axis=1))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of pixels together."""
        count = self.count + other.count
        share = np.divide(other.count, count, out=np.zeros_like(count), where=count > 0)
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * share,
            self.m2 + other.m2 + apart**2 * self.count * share,
        )
