"""Label subsets: by place, nested, without replacement."""

import numpy as np
import pytest

from revisit.errors import RevisitError
from revisit.evaluation.subsets import labelled_subset

POSITIONS = np.repeat(np.random.default_rng(0).permutation(40), 3)  # three dates a place


def test_subsets_are_nested_and_grow() -> None:
    """A larger fraction adds labels and takes none away, so a curve over fractions is one experiment."""
    sets = [set(labelled_subset(POSITIONS, fraction, seed=1)) for fraction in (0.05, 0.1, 0.5, 1.0)]
    assert [len(s) for s in sets] == [6, 12, 60, 120]
    assert sets[0] < sets[1] < sets[2] < sets[3]


def test_no_sample_twice_and_places_stay_whole() -> None:
    """Drawing with replacement, or dates of a place apart, gives away more or fewer labels than said."""
    chosen = labelled_subset(POSITIONS, 0.3, seed=3)
    assert len(np.unique(chosen)) == len(chosen)
    inside = set(POSITIONS[chosen])
    assert not inside & set(np.delete(POSITIONS, chosen))


def test_the_seed_decides() -> None:
    """Same seed, same places; another seed, others."""
    first = labelled_subset(POSITIONS, 0.2, seed=1)
    assert np.array_equal(first, labelled_subset(POSITIONS, 0.2, seed=1))
    assert not np.array_equal(first, labelled_subset(POSITIONS, 0.2, seed=2))


def test_a_tiny_fraction_keeps_a_place_and_a_wrong_one_is_refused() -> None:
    """0.1 % of 40 places is one place, not none; 5 was meant as percent."""
    assert len(labelled_subset(POSITIONS, 0.001, seed=0)) == 3
    with pytest.raises(RevisitError, match="label_fractions: 5"):
        labelled_subset(POSITIONS, 5, seed=0)
