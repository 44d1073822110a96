"""Scores of class maps and of scenes, from counts over the whole test set: never averaged over tiles."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORE = 255


class ConfusionMatrix:
    """Pixels counted by (label, prediction); labels of ``IGNORE`` are left out."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros((classes, classes), np.int64)

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
        hit = np.diag(self.counts).astype(float)
        labelled, predicted = self.counts.sum(1).astype(float), self.counts.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            result = {
                "iou": hit / (labelled + predicted - hit),
                "precision": hit / np.maximum(predicted, 1),
                "recall": hit / labelled,
                "f1": 2 * hit / (labelled + predicted),
            }
        return {name: np.where(labelled > 0, values, np.nan) for name, values in result.items()} | {
            "support": labelled
        }

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
