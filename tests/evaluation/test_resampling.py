"""Protects intervals over test places: whole places are drawn, the same for all runs, and they cover."""

import numpy as np
import pytest

from revisit.evaluation.intervals import percentiles
from revisit.evaluation.resampling import RESAMPLES, Reweighted, described, resampled

PLACES, DATES = 50, 4
STUDIES = 150


def recorded(positions: np.ndarray) -> np.ndarray:
    """How often each sample counts (resample, sample)."""
    seen: list[np.ndarray] = []

    def score(times: np.ndarray) -> np.ndarray:
        seen.append(times)
        return np.zeros(len(times))

    resampled(positions, score)
    return np.concatenate(seen)


def test_as_many_places_as_there_are_are_drawn_with_all_their_samples() -> None:
    """Two dates of a place show the same ground: they come together, or not at all."""
    positions = np.array([7, 3, 7, 12, 3, 7])
    times = recorded(positions)
    assert times.shape == (RESAMPLES, 6) and RESAMPLES >= 1000
    by_place = times[:, [1, 0, 3]]  # one sample of each of the places 3, 7, 12
    np.testing.assert_array_equal(times, by_place[:, [1, 0, 1, 2, 0, 1]])
    assert (by_place.sum(axis=1) == 3).all()
    # Each place is drawn once on the average, and left out by (2/3)^3 of the test sets.
    np.testing.assert_allclose(by_place.mean(axis=0), 1, atol=0.1)
    np.testing.assert_allclose((by_place == 0).mean(axis=0), 8 / 27, atol=0.05)


def test_the_same_places_are_drawn_for_all_that_is_tested_on_them() -> None:
    """Whatever the order and the number of their samples: else no difference could be paired."""
    one, other = np.arange(30), np.repeat(np.arange(30)[::-1], 3)
    np.testing.assert_array_equal(recorded(one), recorded(other)[:, ::3][:, ::-1])


def test_places_of_two_collections_are_the_same_where_they_are_the_same_ground() -> None:
    """Numbers count what a collection kept; where ground is not known they are of it alone."""
    one, other = np.arange(30), np.repeat(np.arange(7, 37)[::-1], 3)
    ground = np.stack([9 + one / 100, 43 + one % 7 / 100], axis=1)
    found = described(one, ground, "maps")
    assert found["number"] == 30
    assert found == described(other, ground[other - 7], "unmasked")
    assert found["digest"] != described(one, ground + 0.001, "maps")["digest"]
    nowhere = np.where(one[:, None] == 4, np.nan, ground)
    assert described(one, nowhere, "maps") == described(one, nowhere, "maps")
    assert described(one, nowhere, "maps")["digest"] != described(one + 1, nowhere, "maps")["digest"]
    assert described(one, nowhere, "maps")["digest"] != described(one, nowhere, "unmasked")["digest"]


def accuracy(right: np.ndarray) -> Reweighted:
    return lambda times: times @ right.astype(float) / times.sum(axis=1)


def right_by(positions: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """The interval of the accuracy of one run, from whether each sample is right."""
    return percentiles({0: resampled(positions, accuracy(right))}, {0: 0})


def coverage(by_sample: bool = False) -> float:
    """Share of test sets from a known population whose interval holds its true accuracy.

    At one place in three all dates are alike; at the others each is right for itself in 7 of 10 cases.
    """
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(STUDIES):
        share = np.where(random.random(PLACES) < 1 / 3, random.random(PLACES) < 0.7, 0.7)
        right = (random.random((PLACES, DATES)) < share[:, None]).ravel()
        positions = np.arange(right.size) if by_sample else np.arange(right.size) // DATES
        low, high = right_by(positions, right)
        hits += low <= 0.7 <= high
    return hits / STUDIES


def test_intervals_hold_the_true_accuracy_19_times_in_20() -> None:
    assert 0.90 <= coverage() <= 0.98


def test_samples_taken_as_independent_hold_it_too_seldom() -> None:
    """Why places are drawn: four dates of a place are not four pieces of luck."""
    assert coverage(by_sample=True) < 0.90


def test_intervals_of_a_difference_hold_the_truth_and_are_narrower_than_unpaired() -> None:
    """Places are hard for both rows alike, which cancels where the same ones are drawn for both."""
    random = np.random.default_rng(1)
    hits, widths, unpaired = 0, [], []
    for _ in range(STUDIES):
        ease = random.beta(1, 1, 80)
        ours, theirs = (random.random(80) < np.clip(ease + lift, 0, 1) for lift in (0.1, 0.0))
        one, other = (resampled(np.arange(80), accuracy(right)) for right in (ours, theirs))
        low, high = percentiles({0: one - other}, {0: 0})
        hits += low <= 0.095 <= high  # the mean of min(ease + 0.1, 1) - ease, ease being uniform
        widths.append(high - low)
        unpaired.append(3.92 * np.hypot(one.std(), other.std()))
    assert 0.90 <= hits / STUDIES <= 0.98
    assert np.mean(widths) < 0.9 * np.mean(unpaired)


def test_the_mean_of_runs_is_resampled_as_the_mean_of_the_row_is_taken() -> None:
    """Every encoder weighs the same, and a test set that shows nothing is left out."""
    values = np.linspace(0, 1, 1001)
    found = percentiles({0: values, 1: values + 0.4, 2: values + 0.6}, {0: "a", 1: "a", 2: "b"})
    assert found == pytest.approx((0.025 + 0.4, 0.975 + 0.4))
    gap = np.where(values < 0.5, np.nan, values)
    assert percentiles({0: gap}, {0: 0}) == pytest.approx((0.5125, 0.9875))
