"""The interval over seeds against scipy."""

import numpy as np
import pytest
from scipy import stats

from revisit.evaluation.statistics import mean_interval


def test_interval_is_the_student_t_interval() -> None:
    """Three seeds: a normal interval would be 2.2 times too narrow."""
    values = [0.71, 0.74, 0.69]
    mean, low, high = mean_interval(values)
    expected = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert mean == pytest.approx(np.mean(values))
    assert (low, high) == pytest.approx(expected)


def test_one_seed_has_no_interval_and_equal_seeds_an_empty_one() -> None:
    """A single run must not look certain; scipy gives nan for zero spread."""
    assert mean_interval([0.5]) == (0.5, None, None)
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5, 0.5)


def test_an_interval_of_shares_stays_within_them() -> None:
    """Two seeds far apart: the bare t interval would reach from -1.6 to 1.9."""
    assert mean_interval([0.05, 0.25])[1:] == (0.0, 1.0)
