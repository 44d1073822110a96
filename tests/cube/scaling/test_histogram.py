"""Percentiles of counted values are those of the values to the width of a bin."""

import numpy as np
import pytest

from revisit.cube.scaling.histogram import BINS, Histogram


@pytest.mark.parametrize(("unit", "mean", "spread"), [("dB", -12.0, 4.0), ("reflectance", 0.2, 0.1)])
def test_as_numpy_has_them(unit: str, mean: float, spread: float) -> None:
    """Though counted in parts, and added up; what lies beyond all bins is in the outermost."""
    values = np.random.default_rng(1).normal(mean, spread, (2, 40_000)).astype(np.float32)
    values[:, :4] = [[-1e3, -1e3, 1e3, 1e3]]
    parts = []
    for part in np.split(values, 4, axis=1):
        parts.append(Histogram.of(unit, part[:, :5_000]).merge(Histogram.of(unit, part[:, 5_000:])))
    found = Histogram.sum(unit, [part.content() for part in parts])
    assert found.counts.sum() == values.size
    for percent in (2, 10):
        for end, share in zip(found.between(percent), (percent, 100 - percent), strict=True):
            np.testing.assert_allclose(end, np.percentile(values, share, axis=1), atol=1.01 * BINS[unit][1])


def test_none_beyond_the_limits() -> None:
    """At 0 per cent they enclose the least and the largest value."""
    histogram = Histogram.of("dB", np.array([[-20.01, -12.0, 3.01]]))
    (lower,), (upper,) = histogram.between(0)
    width = BINS["dB"][1]
    assert -20.01 - width < lower <= -20.01 and 3.01 <= upper <= 3.01 + width
