"""The linear protocol on made-up features."""

import numpy as np

from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.protocols.probe import linear_probe

CANDIDATES = (0.01, 1.0)


def sets(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Three classes, each a sign of one direction of ten; far from zero mean and unit scale."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(samples, 10)).astype(np.float32)
    targets = (features[:, :3] > 0).astype(np.uint8)
    features = features * 50 + 1000
    return features, targets, np.array_split(np.arange(samples), 3)


def test_separable_classes_are_recovered() -> None:
    """Features that hold the classes linearly must score near 1 whatever their offset and scale."""
    features, targets, (train, val, test) = sets(600)
    result = linear_probe(features, targets, train, val, CANDIDATES)
    assert mean_average_precision(targets[test], result.predict(features[test])).macro > 0.99
    assert result.validation[result.c] == max(result.validation.values())


def test_features_without_information_score_at_chance() -> None:
    """A probe that looked at test labels would not."""
    features, targets, (train, val, test) = sets(600)
    features = np.random.default_rng(9).normal(size=features.shape).astype(np.float32)
    result = linear_probe(features, targets, train, val, CANDIDATES)
    assert mean_average_precision(targets[test], result.predict(features[test])).micro < 0.65


def test_test_and_val_features_do_not_enter_the_standardisation() -> None:
    """Moving samples of both far away must not change what the others score."""
    features, targets, (train, val, test) = sets(300)
    before = linear_probe(features, targets, train, val, CANDIDATES[:1]).predict(features[test])
    features[[test[0], val[0]]] *= 1000
    after = linear_probe(features, targets, train, val, CANDIDATES[:1]).predict(features[test])
    assert np.array_equal(before[1:], after[1:])


def test_a_class_the_few_labels_never_or_always_show_gets_its_frequency() -> None:
    """With few labels that happens, and must not end the run."""
    features, targets, (_, val, test) = sets(300)
    train = np.flatnonzero((targets[:, 0] == 0) & (targets[:, 1] == 1))[:12]
    scores = linear_probe(features, targets, train, val, CANDIDATES).predict(features[test])
    assert np.unique(scores[:, 0]).size == np.unique(scores[:, 1]).size == 1
    assert scores[0, 0] < 0.5 < scores[0, 1]
