"""Change between two images of a place: which pixels are of another class now, scored by F1 of the change.

Works on bitemporal collections. A pixel counts as changed where change has the higher logit, which is a
threshold of 0.5 on its probability. Precision, recall, F1 and IoU are of the changed pixels, from counts over
the whole test split: never a mean over tiles or batches.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from revisit.errors import RevisitError
from revisit.evaluation.features import batches
from revisit.evaluation.metrics import ConfusionMatrix, class_scores, reweighted
from revisit.evaluation.protocol import Indices, Predict
from revisit.evaluation.task import Data, Given, Metric, Scored
from revisit.evaluation.tasks.losses import segmentation_loss
from revisit.evaluation.tasks.maps import MapExperiment, MapTask, confusion, confusions, kept
from revisit.patches.modality import bands_of
from revisit.patches.store import PARTS, PatchStore

CHANGED = 1  # number of the class, behind that of no change


class Change(MapTask):
    """The task; see ``revisit.evaluation.task``."""

    Settings = MapExperiment
    labels = "change"
    dates = 2
    kinds = ("bitemporal",)
    metrics = {
        "f1": Metric("F1"),
        "precision": Metric("precision"),
        "recall": Metric("recall"),
        "iou": Metric("IoU"),
    }
    headline = "f1"

    def data(self, store: PatchStore, modality: str, given: Given) -> Data:
        self.check_kind(store)
        bands = bands_of(modality, store.bands)
        every = [band for names in store.bands.values() for band in names]
        data = self.labelled(store, bands, None, store.present(every).all(axis=1), None)
        for split in PARTS:
            indices = getattr(data, split)
            if not any(data.shows(part)[:, CHANGED].any() for part in batches(indices)):
                raise RevisitError(
                    f"{store.path}: nothing changes in {split!r} ({len(indices)} samples); use more or "
                    "larger regions, years further apart, or another split"
                )
        return data

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return segmentation_loss(outputs, labels)

    def agreement(self, labels: NDArray[np.uint8], outputs: NDArray[np.float32]) -> float:
        matrix = ConfusionMatrix(outputs.shape[1])
        matrix.update(labels, outputs.argmax(1))
        return _scores(matrix)["f1"]

    def validation(self, data: Data, validating: Indices, predict: Predict) -> float:
        return _scores(confusion(data, predict, validating))["f1"]

    def score(self, data: Data, predict: Predict) -> Scored:
        """From one confusion matrix of the whole test set; predictions see ``kept``, images of two dates."""
        counts = confusions(data, predict, data.test)
        matrix = ConfusionMatrix.total(counts)
        return Scored(
            numbers={"all": _scores(matrix)},
            reweighted=reweighted(counts, _f1),
            record={"confusion": matrix.counts.tolist()},
            absent=[],
            predictions=kept(data, predict),
        )


TASK = Change()


def _scores(matrix: ConfusionMatrix) -> dict[str, float]:
    """The metrics of the changed pixels; 0 where none is changed."""
    scores = matrix.scores()
    return {name: float(np.nan_to_num(scores[name][CHANGED])) for name in Change.metrics}


def _f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """That of ``_scores``, of matrices (..., class, class)."""
    return np.nan_to_num(class_scores(counts)["f1"][..., CHANGED])
