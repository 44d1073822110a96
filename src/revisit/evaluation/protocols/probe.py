"""Logistic regressions on standardised features, the regularisation chosen on the validation set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.evaluation.average_precision import mean_average_precision


@dataclass(frozen=True)
class Probe:
    """One regression a class, and what each candidate for ``c`` reached on the validation set."""

    scaler: Any
    classes: list[Any]
    c: float
    validation: dict[float, float]

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities (sample, class) of features (sample, dimension)."""
        return _probabilities(self.classes, self.scaler.transform(features))


def linear_probe(
    features: NDArray[np.float32],
    targets: NDArray[Any],
    train: NDArray[Any],
    val: NDArray[Any],
    candidates: Sequence[float],
) -> Probe:
    """One-vs-rest logistic regression with the C of the best val micro mAP.

    ``features`` (sample, dimension) and ``targets`` (sample, class) are of all samples, the others
    index into them. The features are standardised with the labelled training samples alone.
    """
    from sklearn.preprocessing import StandardScaler  # takes a second to import; few jobs need it

    scaler = StandardScaler().fit(features[train])
    inputs, held_out = scaler.transform(features[train]), scaler.transform(features[val])
    fitted = {c: [_regression(inputs, target, c) for target in targets[train].T] for c in candidates}
    validation = {
        c: mean_average_precision(targets[val], _probabilities(classes, held_out)).micro
        for c, classes in fitted.items()
    }
    best = max(candidates, key=lambda c: validation[c])
    return Probe(scaler, fitted[best], best, validation)


def _regression(inputs: NDArray[Any], target: NDArray[Any], c: float) -> Any:
    """A regression; the frequency of a class that the few labels have always or never."""
    from sklearn.linear_model import LogisticRegression

    if target.min() == target.max():
        return (target.sum() + 0.5) / (len(target) + 1)
    return LogisticRegression(C=c, solver="newton-cholesky", max_iter=100).fit(inputs, target)


def _probabilities(classes: Sequence[Any], inputs: NDArray[Any]) -> NDArray[np.float64]:
    columns = [
        np.full(len(inputs), one) if isinstance(one, float) else one.predict_proba(inputs)[:, 1]
        for one in classes
    ]
    return np.stack(columns, axis=1)
