"""Scores of class maps against values worked out by hand and against scikit-learn."""

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    jaccard_score,
    precision_recall_fscore_support,
)

from revisit.evaluation import metrics
from revisit.evaluation.metrics import (
    IGNORE,
    ConfusionMatrix,
    accuracy,
    counts_by_sample,
    miou,
    reweighted,
    scene_averages,
    scene_scores,
)

exactly = partial(pytest.approx, rel=1e-9, abs=1e-9)


def test_confusion_matrix_by_hand() -> None:
    """Two classes, five pixels, one without a label."""
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([0, 0, 1, 1, IGNORE]), np.array([0, 1, 1, 1, 0]))
    scores = matrix.scores()
    assert matrix.counts.tolist() == [[1, 1], [0, 2]]
    assert scores["iou"] == exactly([1 / 2, 2 / 3])
    assert scores["precision"] == exactly([1, 2 / 3])
    assert scores["recall"] == exactly([1 / 2, 1])
    assert scores["f1"] == exactly([2 / 3, 4 / 5])
    assert matrix.summary()["all"] == {"miou": exactly(7 / 12), "accuracy": exactly(3 / 4)}


def test_segmentation_scores_agree_with_scikit_learn() -> None:
    """Accumulated over tiles, with ignored pixels and a class that is never predicted."""
    random = np.random.default_rng(2)
    labels = random.integers(0, 4, (6, 8, 8)).astype(np.uint8)
    predictions = random.integers(0, 3, (6, 8, 8)).astype(np.uint8)
    labels[random.random(labels.shape) < 0.2] = IGNORE
    matrix = ConfusionMatrix(4)
    for tile in range(6):
        matrix.update(labels[tile], predictions[tile])
    valid = labels != IGNORE
    truth, guess = labels[valid], predictions[valid]
    precision, recall, f1, support = precision_recall_fscore_support(truth, guess, zero_division=0)
    scores, summary = matrix.scores(), matrix.summary()
    assert scores["precision"] == exactly(precision)
    assert scores["recall"] == exactly(recall)
    assert scores["f1"] == exactly(f1)
    assert scores["support"].tolist() == support.tolist()
    assert scores["iou"] == exactly(jaccard_score(truth, guess, average=None))
    assert summary["macro avg"]["f1"] == exactly(f1.mean())
    assert summary["weighted avg"]["recall"] == exactly(np.average(recall, weights=support))
    assert summary["weighted avg"]["recall"] == exactly(summary["all"]["accuracy"])
    # What land-cover works call AA and OA.
    assert summary["macro avg"]["recall"] == exactly(balanced_accuracy_score(truth, guess))
    assert summary["all"]["accuracy"] == exactly(accuracy_score(truth, guess))


def test_a_class_absent_from_the_labels_has_no_score_and_no_weight() -> None:
    """It may still be predicted wrongly: that lowers the recall of the others, not the mean by a 0."""
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([0, 0, 1]), np.array([0, 2, 1]))
    assert np.isnan(matrix.scores()["iou"][2])
    assert matrix.summary()["all"]["miou"] == exactly((1 / 2 + 1) / 2)


def test_no_label_at_all_is_an_error_not_a_number() -> None:
    """A score of nothing must not enter a table."""
    with pytest.raises(ValueError, match="labelled pixel"):
        ConfusionMatrix(2).summary()


def test_scenes_of_several_classes_are_as_in_scikit_learn() -> None:
    """The last class is in no sample, the one before it is never predicted."""
    rng = np.random.default_rng(0)
    targets, shown = rng.random((50, 5)) < 0.4, rng.random((50, 5)) < 0.5
    targets[:, 4], shown[:, 3] = False, False
    precision, recall, f1, _ = precision_recall_fscore_support(targets, shown, zero_division=0)
    found = scene_scores(targets, shown)
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        np.testing.assert_allclose(found[name][:4], expected[:4], rtol=1e-9)
        assert np.isnan(found[name][4])


def test_averages_over_scenes_and_classes_are_as_in_scikit_learn() -> None:
    """Scenes without a class, and without a prediction; a class that no scene has is no class here."""
    rng = np.random.default_rng(1)
    targets, shown = rng.random((50, 5)) < 0.4, rng.random((50, 5)) < 0.5
    targets[:, 4], shown[:, 3], targets[0], shown[:2] = False, False, False, False
    assert shown[:, 4].any()
    found = scene_averages(targets, shown)
    assert list(found) == ["macro avg", "weighted avg", "micro avg", "samples avg"]
    for way, values in found.items():
        labels = range(4) if way == "macro avg" else range(5)
        expected = precision_recall_fscore_support(
            targets, shown, labels=labels, average=way.removesuffix(" avg"), zero_division=0
        )
        assert [values[name] for name in ("precision", "recall", "f1")] == exactly(expected[:3])


def tiles() -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions of 30 tiles, one of them without a label; the last class is rare."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, (30, 6, 6)).astype(np.uint8)
    labels[0, :2] = 3
    predictions = np.where(random.random(labels.shape) < 0.6, labels, random.integers(0, 4, labels.shape))
    labels[random.random(labels.shape) < 0.2] = IGNORE
    labels[5] = IGNORE
    return labels, predictions


@pytest.mark.parametrize("at_once", [2**20, 50])
def test_matrices_of_samples_are_each_its_own(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are counted at once; together they are the one of all."""
    monkeypatch.setattr(metrics, "AT_ONCE", at_once)
    labels, predictions = tiles()
    counts, whole = counts_by_sample(labels, predictions, 4), ConfusionMatrix(4)
    for number, (truth, guess) in enumerate(zip(labels, predictions, strict=True)):
        matrix = ConfusionMatrix(4)
        matrix.update(truth, guess)
        np.testing.assert_array_equal(counts[[number]].toarray().reshape(4, 4), matrix.counts)
        whole.update(truth, guess)
    np.testing.assert_array_equal(ConfusionMatrix.total(counts).counts, whole.counts)


def test_samples_that_count_several_times_are_as_if_repeated() -> None:
    """Against scikit-learn on the repeated tiles; in some of them no pixel is of the rare class."""
    labels, predictions = tiles()
    times = np.random.default_rng(4).poisson(1, (40, 30)).astype(np.int32)
    counts = counts_by_sample(labels, predictions, 4)
    shares, means = (reweighted(counts, score)(times) for score in (accuracy, miou))
    assert 0 < (times[:, 0] == 0).sum() < 40
    for one, share, mean in zip(times, shares, means, strict=True):
        index = np.repeat(np.arange(30), one)
        valid = labels[index] != IGNORE
        truth, guess = labels[index][valid], predictions[index][valid]
        assert share == exactly(accuracy_score(truth, guess))
        present = np.unique(truth)
        expected = jaccard_score(truth, guess, labels=present, average="macro")
        assert mean == exactly(expected)


def test_samples_without_a_label_have_no_score() -> None:
    labels, predictions = tiles()
    times = np.zeros((1, 30), np.int32)
    times[0, 5] = 2
    for score in (accuracy, miou):
        assert np.isnan(reweighted(counts_by_sample(labels, predictions, 4), score)(times)).all()
