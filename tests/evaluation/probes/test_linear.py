"""The linear probe on made-up features."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.probes import linear
from revisit.evaluation.probes.linear import PROBE, Linear, LinearSettings

Sets = tuple[np.ndarray, np.ndarray]


def score(targets: np.ndarray, outputs: np.ndarray) -> float:
    return mean_average_precision(targets, outputs).micro


def sets(samples: int = 200, noise: float = 0.0, dimension: int = 10) -> list[Sets]:
    """Training, validation, test: three classes, each the sign of a direction, far from unit scale."""
    random = np.random.default_rng(0)
    features = random.normal(size=(3 * samples, dimension)).astype(np.float32)
    targets = (features[:, :3] + noise * random.normal(size=(3 * samples, 3)) > 0).astype(np.uint8)
    return list(zip(np.split(features * 50 + 1000, 3), np.split(targets, 3), strict=True))


def fit(train: Sets, val: Sets, **settings: Any) -> Any:
    return PROBE(LinearSettings(**settings)).fit(*train, *val, score, seed=0)


def test_blocks_of_samples_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large sets are standardised a block at a time; a last block of another size is part of them too."""
    train, val, (features, _) = sets(noise=1.0)
    whole = fit(train, val)[0](features)
    monkeypatch.setattr(linear, "BLOCK", 30)
    np.testing.assert_allclose(fit(train, val)[0](features), whole, rtol=1e-4, atol=1e-6)


def test_separable_classes_are_recovered() -> None:
    """Features that hold the classes linearly must score near 1 whatever their offset and scale."""
    train, val, (features, targets) = sets()
    predict, record = fit(train, val)
    outputs = predict(features)
    assert outputs.dtype == np.float32 and outputs.shape == targets.shape
    assert score(targets, outputs) > 0.99
    assert record["validation"][str(record["c"])] == max(record["validation"].values())
    assert record["converged"] is True


def test_features_without_information_score_at_chance() -> None:
    """A probe that looked at other labels than it was given would not."""
    train, val, test = (
        (np.random.default_rng(9 + i).normal(size=f.shape), t) for i, (f, t) in enumerate(sets())
    )
    assert score(test[1], fit(train, val)[0](test[0])) < 0.65


@pytest.mark.parametrize(("samples", "dimension"), [(200, 10), (40, 90)], ids=["long", "wide"])
@pytest.mark.parametrize("c", [0.001, 0.1, 10.0])
def test_it_is_the_regression_of_another_solver(samples: int, dimension: int, c: float) -> None:
    """Standardised by the training part, penalised by 1 / C, intercept free; from whatever C it came."""
    (features, targets), val, (test, _) = sets(samples, noise=1.0, dimension=dimension)
    features, test = (np.hstack([one, np.full((len(one), 1), 7.0, np.float32)]) for one in (features, test))
    val = np.hstack([val[0], np.full((samples, 1), 7.0, np.float32)]), val[1]
    favoured = iter([0.001, 0.1, 10.0])
    choose = PROBE(LinearSettings(c=[0.001, 0.1, 10.0]))
    predict, record = choose.fit(features, targets, *val, lambda *_: float(next(favoured) == c), seed=0)
    assert record["c"] == c and record["converged"]
    mean, deviation = features.mean(0, dtype=float), features.std(0, dtype=float)
    deviation[-1] = 1  # one feature says nothing
    for number, column in enumerate(predict(test).T):
        model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-10)
        model.fit((features - mean) / deviation, targets[:, number])
        np.testing.assert_allclose(column, model.predict_proba((test - mean) / deviation)[:, 1], atol=2e-3)


def test_other_samples_do_not_enter_the_standardisation() -> None:
    """Moving a sample of both other parts far away must not change what the rest scores."""
    train, val, (test, _) = sets()
    before = fit(train, val, c=[1.0])[0](test)
    test[0] *= 1000
    val[0][0] *= 1000
    after = fit(train, val, c=[1.0])[0](test)
    assert np.array_equal(before[1:], after[1:])


@pytest.mark.parametrize(
    ("best", "edge"), [(0.01, "lowest"), (0.1, None), (1.0, "highest")], ids=["low", "middle", "high"]
)
def test_the_validation_part_chooses_and_an_end_of_the_grid_is_told(best: float, edge: str | None) -> None:
    """At an end a better strength may lie outside, so the score file must say so."""
    train, val, _ = sets(noise=1.0)
    candidates = [1.0, 0.01, 0.1]
    calls = iter(candidates)

    def favour(targets: np.ndarray, outputs: np.ndarray) -> float:
        assert targets is val[1]
        return float(next(calls) == best)

    record = Linear(LinearSettings(c=candidates)).fit(*train, *val, favour, 0)[1]
    assert (record["c"], record["edge"]) == (best, edge)
    assert fit(train, val, c=[best])[1]["edge"] is None  # of one nothing was chosen


def test_a_solver_stopped_early_is_told(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """It must not pass for a regression; the record says so, and nothing is printed."""
    monkeypatch.setattr(linear, "ITERATIONS", 1)
    train, val, _ = sets(noise=1.0)
    assert fit(train, val)[1]["converged"] is False
    assert not recwarn.list


def test_a_class_the_few_labels_never_or_always_show_gets_its_frequency() -> None:
    """With few labels that happens, and must not end the run."""
    (features, targets), val, (test, _) = sets()
    few = np.flatnonzero((targets[:, 0] == 0) & (targets[:, 1] == 1))[:12]
    scores = fit((features[few], targets[few]), val)[0](test)
    assert np.unique(scores[:, 0]).size == np.unique(scores[:, 1]).size == 1
    assert scores[0, 0] < 0.5 < scores[0, 1]
