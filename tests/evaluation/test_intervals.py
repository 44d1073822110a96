"""Intervals: closed forms, and coverage of simulated studies."""

import numpy as np
import pytest
from scipy import stats

from revisit.evaluation.intervals import interval, runs_to_tell

STUDIES = 4000
TRUTH = 60.0  # points
SPREADS = [(0.9, 0.5), (0.5, 0.9)]  # of pretraining and of evaluation, in points
DESIGNS = [(3, 1), (3, 2), (5, 1)]  # pretraining seeds, evaluation seeds of each


def clusters_of(pretrained: int, each: int) -> dict[int, int]:
    """Evaluation seed number i takes the encoder of pretraining seed number i mod n."""
    return {seed: seed % pretrained for seed in range(pretrained * each)}


def coverage(values: np.ndarray, clusters: dict[int, int], truth: float) -> float:
    """Share of the studies (study, run) whose interval holds the truth."""
    hits = 0
    for study in values.tolist():
        _, low, high = interval(dict(enumerate(study)), clusters, -1000, 1000)
        assert low is not None and high is not None
        hits += low <= truth <= high
    return hits / len(values)


def runs(pretrained: int, each: int, spread: tuple[float, float], random: np.random.Generator) -> np.ndarray:
    """Deviations (study, run) of one method's scores from its mean over all luck."""
    shared = np.tile(random.normal(0, spread[0], (STUDIES, pretrained)), each)
    return shared + random.normal(0, spread[1], (STUDIES, pretrained * each))


def test_runs_of_their_own_give_the_t_interval_of_their_mean() -> None:
    """Without pretraining every run is a cluster."""
    values = [0.61, 0.64, 0.66, 0.59]
    mean, low, high = interval(dict(enumerate(values)), {i: ("own", i) for i in range(4)}, 0, 1)
    wanted = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (mean, low, high) == pytest.approx((np.mean(values), *wanted))


def test_runs_that_share_an_encoder_count_once() -> None:
    """Six runs on three encoders: the interval of three means, whatever the seeds are called."""
    values = {10: 0.60, 11: 0.70, 12: 0.64, 20: 0.62, 21: 0.72, 22: 0.68}
    found = interval(values, {10: 0, 20: 0, 11: "b", 21: "b", 12: 2, 22: 2}, 0, 1)
    means = [0.61, 0.71, 0.66]
    assert found == pytest.approx((0.66, *stats.t.interval(0.95, 2, 0.66, stats.sem(means))))


def test_every_encoder_weighs_the_same() -> None:
    """A fourth evaluation seed on three encoders repeats one of them; the mean is over encoders."""
    mean, *_ = interval({0: 0.2, 1: 0.4, 2: 0.6, 3: 0.4}, {0: 0, 1: 1, 2: 2, 3: 0}, 0, 1)
    assert mean == pytest.approx((0.3 + 0.4 + 0.6) / 3)


def test_one_encoder_has_no_interval() -> None:
    """However many evaluation seeds: nothing says how another pretraining would have come out."""
    assert interval({0: 0.5, 1: 0.6, 2: 0.7}, {0: 0, 1: 0, 2: 0}, 0, 1) == (pytest.approx(0.6), None, None)
    assert interval({7: 0.5}, {7: 1}, 0, 1) == (0.5, None, None)


@pytest.mark.parametrize("values", [(0.01, 0.03, 0.02), (0.01, 0.03, -0.02, 0.02), (-0.1, 0.02, -0.03)])
def test_as_many_runs_as_tell_and_no_fewer(values: tuple[float, ...]) -> None:
    """With the same mean and spread the interval of that many leaves out 0, that of one less does not."""
    number = runs_to_tell(dict(enumerate(values)), {seed: seed for seed in range(len(values))})
    assert number is not None and number > 2

    def leaves_out(runs: int) -> bool:
        standard = np.linspace(-1, 1, runs)
        same = np.mean(values) + standard / np.std(standard, ddof=1) * np.std(values, ddof=1)
        _, low, high = interval(dict(enumerate(same)), {seed: seed for seed in range(runs)}, -1, 1)
        return low is not None and high is not None and low * high > 0

    assert leaves_out(number) and not leaves_out(number - 1)


def test_of_one_encoder_or_no_difference_nothing_tells_how_many() -> None:
    assert runs_to_tell({0: 0.1, 1: 0.2}, {0: "one", 1: "one"}) is None
    assert runs_to_tell({0: 0.3 - 0.1, 1: -0.2}, {0: 0, 1: 1}) is None  # but for a rounding error
    assert runs_to_tell({0: 0.1, 1: 0.1}, {0: 0, 1: 1}) == 2


def test_bounds_lie_where_a_score_can() -> None:
    """A share is in 0..1, a gain in -1..1."""
    values, clusters = {0: 0.01, 1: 0.99}, {0: 0, 1: 1}
    assert interval(values, clusters, 0, 1)[1:] == (0, 1)
    assert interval(values, clusters, -1, 1)[1:] == (-1, 1)


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("design", DESIGNS)
def test_intervals_of_a_score_hold_the_truth_19_times_in_20(
    design: tuple[int, int], spread: tuple[float, float]
) -> None:
    """Where the luck of pretraining outweighs that of evaluation, and where it does not."""
    values = TRUTH + runs(*design, spread, np.random.default_rng(0))
    assert 0.93 < coverage(values, clusters_of(*design), TRUTH) < 0.97


@pytest.mark.parametrize("other_pretrained", [True, False])
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("design", DESIGNS)
def test_intervals_of_a_gain_hold_the_truth_19_times_in_20(
    design: tuple[int, int], spread: tuple[float, float], other_pretrained: bool
) -> None:
    """Run by run, over another pretraining or none; the labels that both are given by the seed cancel."""
    random = np.random.default_rng(1)
    subsets = random.normal(0, 2, (STUDIES, design[0] * design[1]))
    ours = TRUTH + 1.5 + subsets + runs(*design, spread, random)
    other = TRUTH + subsets + runs(*design, spread if other_pretrained else (0, spread[1]), random)
    assert 0.93 < coverage(ours - other, clusters_of(*design), 1.5) < 0.97


@pytest.mark.parametrize(("spread", "most"), [((0.9, 0.5), 0.65), ((0.5, 0.9), 0.93)])
def test_evaluation_seeds_on_one_encoder_hold_the_truth_far_too_seldom(
    spread: tuple[float, float], most: float
) -> None:
    """Why clusters are needed: an interval over five evaluation seeds knows nothing of pretraining."""
    values = TRUTH + runs(1, 5, spread, np.random.default_rng(2))
    assert coverage(values, {seed: seed for seed in range(5)}, TRUTH) < most


def test_runs_that_share_encoders_taken_as_independent_hold_the_truth_too_seldom() -> None:
    """Six runs on three encoders are not six pieces of luck."""
    values = TRUTH + runs(3, 2, (0.9, 0.5), np.random.default_rng(3))
    assert coverage(values, {seed: seed for seed in range(6)}, TRUTH) < 0.9
