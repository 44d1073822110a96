"""Average precision against values worked out by hand and against scikit-learn."""

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from revisit.evaluation.average_precision import mean_average_precision, reweighted

exactly = partial(pytest.approx, rel=1e-9, abs=1e-9)


def test_average_precision_of_three_samples_by_hand() -> None:
    """Ranking 1, 0, 1 of positives has average precision (1/1 + 2/3) / 2."""
    result = mean_average_precision(np.array([[1], [0], [1]]), np.array([[0.9], [0.8], [0.7]]))
    assert result.classes == [exactly((1 + 2 / 3) / 2)]
    assert result.micro == result.macro == exactly((1 + 2 / 3) / 2)


def test_a_class_without_positives_is_left_out_of_macro() -> None:
    """Its average precision is undefined; counting it as 0 would lower macro for every method."""
    random = np.random.default_rng(0)
    targets = (random.random((50, 3)) > 0.5).astype(np.uint8)
    targets[:, 1] = 0
    scores = random.random((50, 3))
    result = mean_average_precision(targets, scores)
    own = [average_precision_score(targets[:, i], scores[:, i]) for i in (0, 2)]
    assert result.classes[1] is None
    assert result.macro == exactly(np.mean(own))
    assert result.micro == exactly(average_precision_score(targets.ravel(), scores.ravel()))


def test_map_is_of_the_whole_set_not_a_mean_over_batches() -> None:
    """The fault of several published codes: a mean over batches gives another number."""
    random = np.random.default_rng(1)
    targets = (random.random((96, 4)) > 0.7).astype(np.uint8)
    scores = random.random((96, 4))
    whole = mean_average_precision(targets, scores).micro
    order = random.permutation(96)
    assert mean_average_precision(targets[order], scores[order]).micro == exactly(whole)
    batched = np.mean(
        [mean_average_precision(targets[i : i + 8], scores[i : i + 8]).micro for i in range(0, 96, 8)]
    )
    assert abs(batched - whole) > 0.01


def test_no_positive_at_all_is_an_error_not_a_number() -> None:
    """A score of nothing must not enter a table."""
    with pytest.raises(ValueError, match="positive"):
        mean_average_precision(np.zeros((4, 2)), np.zeros((4, 2)))


@pytest.mark.parametrize("digits", [1, 12], ids=["ties", "no ties"])
def test_samples_that_count_several_times_are_as_if_repeated(digits: int) -> None:
    """Against scikit-learn on the repeated samples: also where the best scores count not at all."""
    random = np.random.default_rng(2)
    targets = random.random((60, 5)) < 0.3
    scores = (random.random((60, 5)) + 0.4 * targets).round(digits)
    times = random.poisson(1, (40, 60)).astype(np.int32)
    times[0, scores.max(axis=1).argsort()[-20:]] = 0
    times[1] = 1
    found = reweighted(targets, scores)(times)
    for one, value in zip(times, found, strict=True):
        index = np.repeat(np.arange(60), one)
        expected = average_precision_score(targets[index], scores[index], average="micro")
        assert value == exactly(expected)
    assert found[1] == exactly(mean_average_precision(targets, scores).micro)


def test_samples_without_a_positive_one_have_no_average_precision() -> None:
    """It is undefined; 0 would pull down the interval of every method."""
    of = reweighted(np.array([[1, 0], [0, 0]]), np.array([[0.2, 0.9], [0.4, 0.3]]))
    np.testing.assert_allclose(of(np.array([[1, 0], [0, 2]], np.int32)), [1 / 2, np.nan], rtol=1e-9)
