"""Label subsets: by place, nested, and with the classes of the whole."""

import itertools

import numpy as np
import pytest

from revisit.errors import RevisitError
from revisit.evaluation.labelled import labelled_places, labelled_samples

FRACTIONS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)


def scenes(places: int = 600, classes: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positions and labels of three dates a place; correlated classes, each shown by at least 3 places."""
    random = np.random.default_rng(seed)
    common = random.normal(size=(places, 2)) @ random.normal(size=(2, classes)) * 0.5
    bar = np.linspace(2.6, -0.9, classes)
    shown = common + random.normal(size=(places, classes)) * 0.8 > bar
    for one in range(classes):
        shown[random.permutation(places)[:3], one] = True
    return random.permutation(places).repeat(3), shown.astype(np.uint8).repeat(3, axis=0)


POSITIONS, LABELS = scenes()


def share_errors(chosen: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many places too many or too few of each class are kept, by class."""
    whole, kept = labels.sum(0) / 3, labels[chosen].sum(0) / 3
    return kept - whole * len(chosen) / len(labels)


def test_subsets_are_nested_and_as_large_as_said() -> None:
    """A larger fraction adds labels and takes none away, so a curve over fractions is one experiment."""
    sets = [set(labelled_places(POSITIONS, LABELS, fraction, seed=1)) for fraction in FRACTIONS]
    assert [len(one) for one in sets] == [18, 90, 180, 450, 900, 1800]
    assert all(smaller < larger for smaller, larger in itertools.pairwise(sets))


def test_places_stay_whole_and_no_sample_comes_twice() -> None:
    """Two dates of one place, one labelled and one not, would give away more labels than said."""
    chosen = labelled_places(POSITIONS, LABELS, 0.3, seed=3)
    assert (np.diff(chosen) > 0).all()
    assert not set(POSITIONS[chosen]) & set(np.delete(POSITIONS, chosen))


def test_a_place_shows_what_any_of_its_dates_shows() -> None:
    """Labels that differ between dates: a class of one date counts for the place."""
    labels = LABELS.copy()
    labels[np.arange(len(labels)) % 3 > 0] = 0
    chosen = labelled_places(POSITIONS, LABELS, 0.1, seed=0)
    assert np.array_equal(chosen, labelled_places(POSITIONS, labels, 0.1, seed=0))


def test_the_seed_decides() -> None:
    """Same seed, same places, whatever the order of samples; another seed, others."""
    first = labelled_places(POSITIONS, LABELS, 0.2, seed=1)
    assert np.array_equal(first, labelled_places(POSITIONS, LABELS, 0.2, seed=1))
    back = labelled_places(POSITIONS[::-1], LABELS[::-1], 0.2, seed=1)
    assert np.array_equal(np.sort(len(POSITIONS) - 1 - back), first)
    overlap = [
        len(np.intersect1d(first, labelled_places(POSITIONS, LABELS, 0.2, seed))) / len(first)
        for seed in range(2, 12)
    ]
    assert 0.1 < np.mean(overlap) < 0.4  # 0.2 by chance; the few places of rare classes come back


@pytest.mark.parametrize("fraction", [0.02, 0.05, 0.1])
def test_every_class_keeps_a_place(fraction: float) -> None:
    """As soon as there are as many places as classes; drawn at random, a rare class is lost often."""
    lost = 0
    for seed in range(20):
        positions, labels = scenes(seed=seed)
        assert labels[labelled_places(positions, labels, fraction, seed)].any(0).all()
        drawn = np.random.default_rng(seed).permutation(600)[: round(600 * fraction)]
        lost += not labels[np.isin(positions, drawn)].any(0).all()
    assert lost >= 10


def test_rarest_classes_come_first_where_not_all_can_come() -> None:
    """Three places for eight classes that never meet: those of the three rarest."""
    labels = np.repeat(np.eye(8, dtype=np.uint8), [40, 35, 30, 25, 2, 20, 3, 1], axis=0)
    chosen = labelled_places(np.arange(len(labels)), labels, 3 / len(labels), seed=0)
    assert np.flatnonzero(labels[chosen].any(0)).tolist() == [4, 6, 7]


def test_few_validation_places_are_not_those_of_the_rarest_classes() -> None:
    """They would be nearly the same with every seed, and the repeats share the luck of them."""
    rarest = LABELS[:, LABELS.sum(0).argmin()]
    shows = [
        np.mean([rarest[labelled_places(POSITIONS, LABELS, 0.01, seed, one)].any() for seed in range(60)])
        for one in (True, False)
    ]
    assert shows[0] == 1
    assert shows[1] < 0.4


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.25, 0.4, 0.5, 0.75])
def test_every_class_keeps_its_share(fraction: float) -> None:
    """To about a place: at least twice as near as at random, and never far off."""
    ours, random = [], []
    for seed in range(20):
        positions, labels = scenes(seed=seed)
        ours.append(share_errors(labelled_places(positions, labels, fraction, seed), labels))
        drawn = np.random.default_rng(seed).permutation(600)[: round(600 * fraction)]
        random.append(share_errors(np.flatnonzero(np.isin(positions, drawn)), labels))
    assert np.std(ours) < np.std(random) / 2
    assert np.abs(ours).max() < 4
    assert np.sqrt(np.mean(np.square(ours))) < 1.3


def test_a_place_is_as_likely_as_any_other_of_its_classes() -> None:
    """Stratification must not always choose the same places."""
    labels = np.zeros((64, 2), np.uint8)
    labels[:32, 0] = labels[16:48, 1] = 1
    kept = sum(
        np.bincount(labelled_places(np.arange(64), labels, 0.25, seed), minlength=64) for seed in range(600)
    )
    assert abs(kept / 600 - 0.25).max() < 0.09


def test_a_tiny_fraction_keeps_a_place_and_a_wrong_one_is_refused() -> None:
    """0.01 % of 600 places is one place, not none; 5 was meant as percent."""
    assert len(labelled_places(POSITIONS, LABELS, 0.0001, seed=0)) == 3
    assert len(labelled_places(np.array([4]), np.ones((1, 2)), 0.5, seed=0)) == 1
    with pytest.raises(RevisitError, match="label_fractions: 5"):
        labelled_places(POSITIONS, LABELS, 5, seed=0)


def test_a_number_of_samples_is_kept() -> None:
    """Exactly so many where a place is one sample; of whole places as few as hold so many."""
    first = np.flatnonzero(np.arange(len(LABELS)) % 3 == 0)
    for count in (1, 10, 200, 599, 600):
        assert len(labelled_samples(POSITIONS[first], LABELS[first], count, seed=0)) == count
    for count, kept in ((1, 3), (3, 3), (4, 6), (200, 201), (1800, 1800)):
        chosen = labelled_samples(POSITIONS, LABELS, count, seed=0)
        assert len(chosen) == kept
        assert not set(POSITIONS[chosen]) & set(np.delete(POSITIONS, chosen))


def test_numbers_are_nested_in_each_other_and_in_shares() -> None:
    """The same order of places, so more labels are the fewer ones and others; with every class."""
    fewer, more = (set(labelled_samples(POSITIONS, LABELS, count, seed=1)) for count in (90, 300))
    tenth = set(labelled_places(POSITIONS, LABELS, 0.1, seed=1))  # 180 samples
    assert fewer < tenth < more
    assert LABELS[sorted(fewer)].any(0).all()
    assert fewer != set(labelled_samples(POSITIONS, LABELS, 90, seed=2))


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(RevisitError, match=r"label_counts: 1801 labelled samples, but .* has 1800; lower it"):
        labelled_samples(POSITIONS, LABELS, 1801, seed=0)
