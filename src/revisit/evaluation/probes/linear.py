"""Linear probe: logistic regressions on standardised features, regularised as the validation part says."""

import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from revisit.evaluation.probes.probe import Features, Outputs, Probe, Score, Targets
from revisit.record import Record

ITERATIONS = 100  # of the solver; it seldom takes more than ten


class LinearSettings(Record):
    """Recipe of the linear probe."""

    c: Annotated[list[PositiveFloat], Field(min_length=1)] = [0.001, 0.01, 0.1, 1.0, 10.0]
    """Inverse regularisations to choose from on the validation set."""


class Linear(Probe):
    """One-vs-rest logistic regressions that predict probabilities, with the C of the best validation score.

    The features are standardised by the training part alone.
    """

    Settings = LinearSettings
    title = "linear"

    def fit(
        self,
        features: Features,
        targets: Targets,
        validation_features: Features,
        validation_targets: Targets,
        score: Score,
        seed: int,
    ) -> tuple[Callable[[Features], Outputs], dict[str, Any]]:
        """See ``Probe``; ``seed`` decides nothing.

        Record: ``c`` chosen, ``edge`` (``lowest`` or ``highest``) where that is the end of the candidates, so
        that a better one may lie outside, and whether the regressions of that ``c`` ``converged``.
        """
        from sklearn.preprocessing import StandardScaler  # takes a second to import; few jobs need it
        from threadpoolctl import threadpool_limits

        candidates = self.settings.c
        with threadpool_limits(1):  # the last bits depend on the number of threads
            scaler = StandardScaler().fit(features)
            inputs, held_out = scaler.transform(features), scaler.transform(validation_features)
            fitted = {c: [_regression(inputs, target, c) for target in targets.T] for c in candidates}
            validation = {
                c: score(validation_targets, _probabilities(models, held_out)) for c, models in fitted.items()
            }
        best = max(candidates, key=lambda c: validation[c])

        def predict(features: Features) -> Outputs:
            with threadpool_limits(1):
                return _probabilities(fitted[best], scaler.transform(features))

        return predict, {
            "c": best,
            "edge": _edge(best, candidates),
            "validation": {str(c): value for c, value in validation.items()},
            "converged": all(model.converged for model in fitted[best]),
        }


PROBE = Linear


class _Class(NamedTuple):
    """The probability (sample,) of a class, from standardised features (sample, dimension)."""

    probability: Callable[[NDArray[Any]], NDArray[Any]]
    converged: bool


def _regression(inputs: NDArray[Any], target: NDArray[Any], c: float) -> _Class:
    """A regression; the frequency of a class that the few labels have always or never."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if target.min() == target.max():
        frequency = (target.sum() + 0.5) / (len(target) + 1)
        return _Class(lambda inputs: np.full(len(inputs), frequency), True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = LogisticRegression(C=c, solver="newton-cholesky", max_iter=ITERATIONS).fit(inputs, target)
    stopped = any(issubclass(one.category, ConvergenceWarning) for one in caught)
    return _Class(lambda inputs: model.predict_proba(inputs)[:, 1], not stopped)


def _probabilities(models: Sequence[_Class], inputs: NDArray[Any]) -> Outputs:
    return np.stack([model.probability(inputs) for model in models], axis=1).astype(np.float32)


def _edge(best: float, candidates: Sequence[float]) -> str | None:
    if len(set(candidates)) == 1:
        return None  # there was nothing to choose
    return {min(candidates): "lowest", max(candidates): "highest"}.get(best)
