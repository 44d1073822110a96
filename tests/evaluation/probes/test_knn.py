"""The nearest-neighbour probe against its definition, one sample at a time."""

from typing import Any

import numpy as np
import pytest

from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.probes import knn
from revisit.evaluation.probes.knn import PROBE, KnnSettings

RANDOM = np.random.default_rng(0)
TRAIN, VAL, TEST = (RANDOM.normal(size=(n, 8)).astype(np.float32) for n in (60, 20, 30))
TARGETS, VAL_TARGETS, TEST_TARGETS = ((f[:, :3] > 0.3).astype(np.uint8) for f in (TRAIN, VAL, TEST))


def score(targets: np.ndarray, outputs: np.ndarray) -> float:
    return mean_average_precision(targets, outputs).micro


def fit(train: np.ndarray = TRAIN, targets: np.ndarray = TARGETS, **settings: Any) -> Any:
    return PROBE(KnnSettings(**settings)).fit(train, targets, VAL, VAL_TARGETS, score, seed=0)


def by_definition(k: int, temperature: float) -> np.ndarray:
    outputs = []
    for sample in TEST.astype(float):
        cosine = [sample @ one / np.linalg.norm(sample) / np.linalg.norm(one) for one in TRAIN.astype(float)]
        nearest = sorted(range(len(TRAIN)), key=lambda i: -cosine[i])[:k]
        weights = np.array([np.exp(cosine[i] / temperature) for i in nearest])
        outputs.append(weights @ TARGETS[nearest] / weights.sum())
    return np.array(outputs)


@pytest.mark.parametrize(("k", "temperature"), [(20, 0.07), (5, 0.07), (1, 0.07), (20, 1.0)])
def test_it_is_the_weighted_vote(k: int, temperature: float) -> None:
    """Cosine, not Euclidean; weighted, not counted; of k neighbours."""
    outputs = fit(k=k, temperature=temperature)[0](TEST)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, by_definition(k, temperature), atol=1e-5)


def test_the_defaults_are_those_of_dino() -> None:
    """20 neighbours, temperature 0.07."""
    predict, record = fit()
    np.testing.assert_allclose(predict(TEST), by_definition(20, 0.07), atol=1e-5)
    assert record == {"k": 20, "validation": {"20": score(VAL_TARGETS, predict(VAL))}}


def test_it_predicts_better_than_chance_and_repeats_itself() -> None:
    """Twice the same to the bit; neighbours share classes."""
    outputs = fit()[0](TEST)
    assert np.array_equal(outputs, fit()[0](TEST))
    shuffled = np.random.default_rng(1).permutation(TEST_TARGETS)
    assert score(TEST_TARGETS, outputs) > score(shuffled, outputs) + 0.2


def test_fewer_training_samples_than_neighbours_all_vote() -> None:
    """One per cent of the labels may be fewer than 20 samples; that must not end the run."""
    predict, record = fit(TRAIN[:7], TARGETS[:7])
    assert record["k"] == 7
    np.testing.assert_allclose(predict(TEST), fit(TRAIN[:7], TARGETS[:7], k=7)[0](TEST))


def test_blocks_and_a_low_temperature_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the memory bound nor a weight that overflows may show; a zero feature is no error."""
    whole = fit()[0](TEST)
    monkeypatch.setattr(knn, "SIMILARITIES", 7 * len(TRAIN))
    np.testing.assert_allclose(fit()[0](TEST), whole, atol=1e-6)
    cold = fit(temperature=0.001)[0](np.vstack([TEST, np.zeros((1, 8), np.float32)]))
    assert np.isfinite(cold).all()
    np.testing.assert_allclose(cold[:-1].round(), fit(k=1)[0](TEST), atol=0.5)
