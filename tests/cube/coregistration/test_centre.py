"""Where the dates' centre lies: each kind of products counts by its own scatter, outliers by nothing."""

import numpy as np
import pytest

from revisit.cube.coregistration.centre import is_refined, weights

RANDOM = np.random.default_rng(0)


def scattered(count: int, spread: float) -> np.ndarray:
    """Places around (0, 0) whose variance is exactly that of the spread; none is an outlier."""
    angle = 2 * np.pi * np.arange(count) / count
    return spread * np.sqrt(2 * (count - 1) / count) * np.column_stack([np.cos(angle), np.sin(angle)])


@pytest.mark.parametrize(
    ("baselines", "refined"),
    [("03.00", True), ("02.14", False), ("05.00 03.01", True), ("05.00 02.09", False), ("", False)],
)
def test_refined(baselines: str, refined: bool) -> None:
    """Since 03.00, if all products of the date are; a baseline that is not stated counts as older."""
    assert is_refined(baselines) == refined


@pytest.mark.parametrize(("old", "new"), [(0.6, 0.2), (0.3, 0.3), (0.1, 0.5)])
def test_inverse_variance_as_measured(old: float, new: float) -> None:
    """Whatever the ratio of the two spreads is, the weights are what the data have, either way round."""
    refined = np.arange(20) >= 12
    found = weights(np.vstack([scattered(12, old), scattered(8, new)]), refined)
    assert found.sum() == pytest.approx(1)
    assert found[refined] / found[0] == pytest.approx(np.full(8, (old / new) ** 2), rel=0.01)


def test_too_few_of_a_kind() -> None:
    """Three dates do not tell their spread: all count alike; from four on they do."""
    for few, alike in ((3, True), (4, False)):
        places = np.vstack([scattered(12, 0.6), scattered(few, 0.2)])
        found = weights(places, np.arange(12 + few) >= 12)
        kept = found[found > 0]
        assert (np.ptp(kept) < 1e-12) == alike


def test_outliers_of_each_kind() -> None:
    """What lies far from its own kind does not count, though the other kind scatters as far."""
    places = np.vstack([scattered(12, 0.6), scattered(8, 0.1), [[0.9, 0.9]]])
    found = weights(places, np.arange(21) >= 12)
    assert found[-1] == 0
    assert (found[:-1] > 0).all()


def test_dates_on_one_spot() -> None:
    """No scatter at all is no division by zero."""
    np.testing.assert_allclose(weights(np.full((5, 2), 0.3), np.zeros(5, bool)), 0.2)


def test_a_nearer_kind_brings_the_centre_nearer() -> None:
    """Over many series the centre lies nearer to the map than the plain mean does."""
    weighted, plain = [], []
    refined = np.arange(20) >= 12
    for _ in range(400):
        places = np.vstack([RANDOM.normal(0, 0.6, (12, 2)), RANDOM.normal(0, 0.15, (8, 2))])
        weighted.append(np.hypot(*(weights(places, refined) @ places)))
        plain.append(np.hypot(*places.mean(axis=0)))
    assert np.median(weighted) < 0.7 * np.median(plain)
