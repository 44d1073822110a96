"""Linear protocol: logistic regressions on standardised frozen features, C chosen on the validation set."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from revisit.evaluation.average_precision import mean_average_precision


class Probe(NamedTuple):
    """The chosen regularisation and what each candidate reached on the validation set."""

    scores: NDArray[np.float64]
    c: float
    validation: dict[float, float]


def linear_probe(
    features: NDArray[np.float32],
    targets: NDArray,
    train: NDArray,
    val: NDArray,
    test: NDArray,
    candidates: Sequence[float],
) -> Probe:
    """One-vs-rest logistic regression; scores (test sample, class) of the C with the best val micro mAP.

    ``features`` (sample, dimension) and ``targets`` (sample, class) are of all samples, the others
    index into them. The features are standardised with the labelled training samples alone.
    """
    scaler = StandardScaler().fit(features[train])
    inputs = {
        part: scaler.transform(features[part_indices])
        for part, part_indices in (("train", train), ("val", val), ("test", test))
    }
    validation, outputs = {}, {}
    for c in candidates:
        val_scores, outputs[c] = _one_vs_rest(
            inputs["train"], targets[train], c, inputs["val"], inputs["test"]
        )
        validation[c] = mean_average_precision(targets[val], val_scores).micro
    best = max(candidates, key=lambda c: validation[c])
    return Probe(outputs[best], best, validation)


def _one_vs_rest(train: NDArray, targets: NDArray, c: float, *others: NDArray) -> list[NDArray[np.float64]]:
    """Probabilities (sample, class) for each of ``others``."""
    columns: list[list[NDArray]] = [[] for _ in others]
    for target in targets.T:
        if (
            target.min() == target.max()
        ):  # the few labels have it always or never: only its frequency is known
            frequency = (target.sum() + 0.5) / (len(target) + 1)
            for column, inputs in zip(columns, others, strict=True):
                column.append(np.full(len(inputs), frequency))
            continue
        model = LogisticRegression(C=c, solver="newton-cholesky", max_iter=100).fit(train, target)
        for column, inputs in zip(columns, others, strict=True):
            column.append(model.predict_proba(inputs)[:, 1])
    return [np.stack(column, axis=1) for column in columns]
