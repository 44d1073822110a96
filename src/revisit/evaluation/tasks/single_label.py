"""Single-label scenes: which class covers most of a patch, scored by one confusion matrix.

Experiments are those of ``multi-label``. A patch that no class of its collection covers has no label. Of a
set that labels scenes as a whole, such as EuroSAT, it is the one class they have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError
from revisit.evaluation.metrics import ConfusionMatrix, accuracy, counts_by_sample, reweighted
from revisit.evaluation.protocol import Indices, Predict
from revisit.evaluation.task import Data, Given, Metric, Scored
from revisit.evaluation.tasks.multi_label import MultiLabel
from revisit.patches.store import PARTS, PatchStore

if TYPE_CHECKING:  # probes and floors need no network, and start without torch
    from torch import Tensor

READ = 1024  # maps read at once


class SingleLabel(MultiLabel):
    """The task; see ``revisit.evaluation.task``."""

    metrics = {
        "accuracy": Metric("accuracy"),
        "precision": Metric("precision"),
        "recall": Metric("recall"),
        "f1": Metric("F1"),
    }
    headline = "accuracy"
    exclusive = True

    def data(self, store: PatchStore, modality: str, given: Given) -> Data:
        data = super().data(store, modality, given)
        labels = _main_class(store)
        splits = []
        for split in PARTS:
            indices = store.indices(split, labelled=True)
            splits.append(indices[labels[indices].any(axis=1)])
            if not len(splits[-1]):
                raise RevisitError(
                    f"{store.path}: no scene in {split!r} that a class covers ({len(indices)} samples); "
                    "use more or larger regions, or another split"
                )

        def of(indices: Indices) -> NDArray[np.uint8]:
            return labels[indices]

        train, val, test = splits
        assert store.legend is not None  # of a store with labels
        colours = tuple(store.legend.colours[code] for code in store.attrs["class_codes"])
        return replace(data, labels=of, shows=of, train=train, val=val, test=test, colours=colours)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, labels.argmax(1))

    def predicted(self, outputs: NDArray[np.float32]) -> NDArray[Any]:
        return outputs

    def agreement(self, labels: NDArray[np.uint8], outputs: NDArray[np.float32]) -> float:
        return float((outputs.argmax(axis=1) == labels.argmax(axis=1)).mean())

    def score(self, data: Data, predict: Predict) -> Scored:
        """From one confusion matrix of the whole test set; predictions as of ``multi-label``, and colours."""
        targets, outputs = data.labels(data.test), predict(data.test)
        counts = counts_by_sample(targets.argmax(axis=1), outputs.argmax(axis=1), len(data.classes))
        matrix = ConfusionMatrix.total(counts)
        by_metric, shown = matrix.scores(), targets.any(axis=0)
        of_classes = {
            name: {metric: float(by_metric[metric][number]) for metric in by_metric}
            for number, name in enumerate(data.classes)
            if shown[number]
        }
        return Scored(
            numbers={
                name: {metric: value for metric, value in values.items() if metric in self.metrics}
                for name, values in (of_classes | matrix.summary()).items()
            },
            reweighted=reweighted(counts, accuracy),
            record={"confusion": matrix.counts.tolist()},
            absent=[name for number, name in enumerate(data.classes) if not shown[number]],
            predictions={
                "target": targets,
                "score": outputs,
                "sample": data.test,
                "classes": np.array(data.classes),
                "colours": np.array(data.colours),
            },
        )


TASK = SingleLabel()


def _main_class(store: PatchStore) -> NDArray[np.uint8]:
    """1 for the class that covers most of a sample, of those of the collection: (sample, class).

    Raises RevisitError where scenes are labelled as a whole, and some with several classes.
    """
    if not store.label_maps:
        labels = store.multi_label(np.arange(store.samples))
        if several := int((labels.sum(axis=1) > 1).sum()):
            raise RevisitError(
                f"{store.path}: {several} of its scenes have several classes, and no map says which "
                "covers most; use the task multi-label"
            )
        return labels
    codes = store.attrs["class_codes"]
    labels = np.zeros((store.samples, len(codes)), np.uint8)
    for first in range(0, store.samples, READ):
        rows = np.arange(first, min(first + READ, store.samples))
        cover = store.land_cover(rows)
        pixels = np.stack([(cover == code).sum(axis=(1, 2)) for code in codes], axis=1)
        labels[rows, pixels.argmax(axis=1)] = pixels.any(axis=1)
    return labels
