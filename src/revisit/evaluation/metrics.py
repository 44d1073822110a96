"""Scores of class maps and of scenes, from counts over the whole test set: never averaged over tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from revisit.evaluation.resampling import Reweighted

if TYPE_CHECKING:
    from scipy.sparse import csr_array

IGNORE = 255
AT_ONCE = 2**20  # counts at once, of all pairs of classes of some samples


class ConfusionMatrix:
    """Pixels counted by (label, prediction); labels of ``IGNORE`` are left out."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros((classes, classes), np.int64)

    @classmethod
    def total(cls, counts: csr_array) -> Self:
        """That of all samples, from ``counts_by_sample``."""
        matrix = cls(round(counts.shape[1] ** 0.5))
        matrix.counts += counts.sum(axis=0).reshape(matrix.counts.shape)
        return matrix

    def update(self, labels: NDArray[Any], predictions: NDArray[Any]) -> None:
        """Add integer class maps of equal shape."""
        classes = len(self.counts)
        valid = labels != IGNORE
        pairs = labels[valid].astype(np.int64) * classes + predictions[valid]
        self.counts += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    def scores(self) -> dict[str, NDArray[np.float64]]:
        """``iou``, ``precision``, ``recall``, ``f1`` and ``support`` (labelled pixels), each (class,).

        A class without a labelled pixel has no recall and so is nan in all four; one that is never
        predicted has precision 0.
        """
        return class_scores(self.counts) | {"support": self.counts.sum(1).astype(float)}

    def summary(self) -> dict[str, dict[str, float]]:
        """Averages over the classes with a labelled pixel.

        ``macro avg`` (plain) and ``weighted avg`` (by support) of iou, precision, recall, f1;
        ``all`` with ``miou`` (the macro iou) and ``accuracy`` (of labelled pixels). Raises
        ValueError when no pixel is labelled.
        """
        scores = self.scores()
        support = scores.pop("support")
        present = support > 0
        if not present.any():
            raise ValueError("segmentation scores need at least one labelled pixel")
        macro = {name: float(values[present].mean()) for name, values in scores.items()}
        weights = support[present] / support.sum()
        weighted = {name: float(values[present] @ weights) for name, values in scores.items()}
        accuracy = float(np.trace(self.counts)) / float(self.counts.sum())
        return {
            "macro avg": macro,
            "weighted avg": weighted,
            "all": {"miou": macro["iou"], "accuracy": accuracy},
        }


def class_scores(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """``iou``, ``precision``, ``recall`` and ``f1`` (..., class) of confusion matrices (..., class, class).

    They are as of ``ConfusionMatrix.scores``.
    """
    hit = np.diagonal(counts, axis1=-2, axis2=-1).astype(float)
    labelled, predicted = counts.sum(-1).astype(float), counts.sum(-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = {
            "iou": hit / (labelled + predicted - hit),
            "precision": hit / np.maximum(predicted, 1),
            "recall": hit / labelled,
            "f1": 2 * hit / (labelled + predicted),
        }
    return {name: np.where(labelled > 0, values, np.nan) for name, values in result.items()}


def miou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """As in ``ConfusionMatrix.summary``, of matrices (..., class, class); nan of one without a count."""
    labelled = (counts.sum(-1) > 0).sum(-1)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = np.nansum(class_scores(counts)["iou"], axis=-1) / labelled
    return mean


def accuracy(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """As in ``ConfusionMatrix.summary``, of matrices (..., class, class); nan of one without a count."""
    with np.errstate(invalid="ignore"):
        share: NDArray[np.float64] = np.trace(counts, axis1=-2, axis2=-1) / counts.sum((-2, -1))
    return share


def counts_by_sample(labels: NDArray[Any], predictions: NDArray[Any], classes: int) -> csr_array:
    """A confusion matrix a sample, as a row: int64 (sample, class of the label * class of the prediction).

    ``labels`` and ``predictions`` (sample, ...) are as of ``ConfusionMatrix.update``. A sample shows few
    pairs of classes: the others take no memory.
    """
    from scipy.sparse import csr_array, vstack  # late: most jobs on scenes need none of it

    rows = []
    for first in range(0, len(labels), at_once := max(AT_ONCE // classes**2, 1)):
        truth, guess = (one[first : first + at_once] for one in (labels, predictions))
        valid = truth != IGNORE
        pairs = truth[valid].astype(np.int64) * classes + guess[valid]
        row = np.repeat(np.arange(len(truth)), valid.reshape(len(truth), -1).sum(axis=1))
        counts = np.bincount(row * classes**2 + pairs, minlength=len(truth) * classes**2)
        rows.append(csr_array(counts.reshape(len(truth), -1)))
    return vstack(rows)


def reweighted(counts: csr_array, score: Callable[[NDArray[np.int64]], NDArray[np.float64]]) -> Reweighted:
    """A score of confusion matrices, such as ``miou``, where samples count several times or not at all.

    ``counts`` are those of ``counts_by_sample``: the matrices of all resamples are one product with them.
    """
    classes = round(counts.shape[1] ** 0.5)

    def of(times: NDArray[np.int32]) -> NDArray[np.float64]:
        return score((times @ counts).reshape(len(times), classes, classes))

    return of


def scene_averages(targets: NDArray[Any], shown: NDArray[Any]) -> dict[str, dict[str, float]]:
    """``precision``, ``recall`` and ``f1`` of scenes that may show several classes, averaged in four ways.

    ``macro avg`` (plain) and ``weighted avg`` (by scenes that show it) over the classes that any scene has,
    ``micro avg`` over all decisions, ``samples avg`` over scenes. What is not predicted has precision 0, and
    so has a scene without a class recall.
    """
    targets, shown = np.asarray(targets, bool), np.asarray(shown, bool)
    of_classes, support = scene_scores(targets, shown), targets.sum(0)
    present = support > 0
    weights = support[present] / support.sum()
    pooled = scene_scores(targets.reshape(-1, 1), shown.reshape(-1, 1))
    of_scenes = scene_scores(targets.T, shown.T)
    return {
        "macro avg": {name: float(values[present].mean()) for name, values in of_classes.items()},
        "weighted avg": {name: float(values[present] @ weights) for name, values in of_classes.items()},
        "micro avg": {name: float(values[0]) for name, values in pooled.items()},
        "samples avg": {name: float(np.nan_to_num(values).mean()) for name, values in of_scenes.items()},
    }


def scene_scores(targets: NDArray[Any], shown: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """``precision``, ``recall`` and ``f1`` (class,) of scenes that may show several classes.

    ``targets`` and ``shown`` (sample, class) say which classes there are and which are predicted. A class
    that no sample has is nan in all three; one that is never predicted has precision 0.
    """
    targets, shown = np.asarray(targets, bool), np.asarray(shown, bool)
    hit, labelled, predicted = (one.sum(0).astype(float) for one in (targets & shown, targets, shown))
    with np.errstate(invalid="ignore", divide="ignore"):
        result = {
            "precision": hit / np.maximum(predicted, 1),
            "recall": hit / labelled,
            "f1": 2 * hit / (labelled + predicted),
        }
    return {name: np.where(labelled > 0, values, np.nan) for name, values in result.items()}
