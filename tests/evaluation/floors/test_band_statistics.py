"""Band statistics: what they see, and what they cannot."""

from typing import Any

import numpy as np

from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.floors.band_statistics import FLOOR, band_statistics


def score(labels: np.ndarray, outputs: np.ndarray) -> float:
    return mean_average_precision(labels, outputs).micro


def scenes(made: Any) -> Any:
    """Class a brightens a band, b spreads the other, c is an order of pixels that no statistic sees."""
    random = np.random.default_rng(0)
    truth = (random.random((240, 3)) < 0.5).astype(np.uint8)
    values = random.normal(size=(240, 2, 8, 8)) * 10
    values[:, 1] *= 1 + truth[:, 1, None, None]
    values[:, 0] += 10 * truth[:, 0, None, None]
    values[truth[:, 2] == 1] = np.sort(values[truth[:, 2] == 1], axis=-1)
    return made((values + 128).clip(0, 255).astype(np.uint8), truth, ("a", "b", "c"))


def test_the_statistics_are_those_of_each_band() -> None:
    """Against numpy, a band at a time, in order."""
    images = np.random.default_rng(1).integers(0, 256, (3, 2, 5, 4)).astype(np.uint8)
    features = band_statistics(images)
    assert features.dtype == np.float32
    for sample, row in zip(images, features, strict=True):
        for band, found in zip(sample, row.reshape(2, 7), strict=True):
            wanted = [band.mean(), band.std(), *np.percentile(band, [5, 25, 50, 75, 95])]
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_it_learns_colour_and_spread_but_no_pattern(made: Any) -> None:
    """A floor that saw patterns would be a network; one that missed colour would be no floor."""
    data = scenes(made)
    train, val, test = np.split(np.arange(240), [100, 160])
    predict, record = FLOOR.fit(data, train, val, score, 0)
    assert data.read == {*train, *val}
    outputs = predict(test)
    assert outputs.dtype == np.float32
    a, b, c = mean_average_precision(data.truth[test], outputs).classes
    assert a > 0.99 and b > 0.99 and c < 0.75
    assert {"c", "edge", "converged", "validation"} == set(record)
