"""Linear probe: logistic regressions on standardised features, regularised as the validation part says.

All classes and all penalties share one decomposition of the features, X = U S V'. Along its axes the Hessian
of a regression is at most S² / 4 + penalty (Böhning 1992, Multinomial logistic regression algorithm). In
units of the root of that bound L-BFGS takes tens of steps for all classes at once, each two products of
matrices, where Newton's method needs a Hessian a class and step. Few samples have as few axes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from revisit.evaluation.probes.probe import Features, Outputs, Probe, Score, Targets
from revisit.record import Record

ITERATIONS = 1000  # of the solver at most, for one penalty
GRADIENT = 2e-6  # of the mean loss, largest part at which it stops
MEMORY = 20  # steps that the solver remembers
BLOCK = 4096  # samples that are doubles at a time
NOTHING = 1e-10  # of the largest squared singular value: such an axis is rounding


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
        from threadpoolctl import threadpool_limits

        candidates = self.settings.c
        with threadpool_limits(1):  # the last bits depend on the number of threads
            standardise = _standardiser(features)
            fitted = _regressions(standardise(features), targets, candidates)
            held_out = standardise(validation_features)
            validation = {c: score(validation_targets, fitted[c].probabilities(held_out)) for c in candidates}
        best = max(candidates, key=lambda c: validation[c])

        def predict(features: Features) -> Outputs:
            with threadpool_limits(1):
                return fitted[best].probabilities(standardise(features))

        return predict, {
            "c": best,
            "edge": _edge(best, candidates),
            "validation": {str(c): value for c, value in validation.items()},
            "converged": fitted[best].converged,
        }


PROBE = Linear


class _Regressions(NamedTuple):
    """Those of all classes at one penalty: ``weights`` (dimension, class), ``intercepts`` (class,)."""

    weights: NDArray[Any]
    intercepts: NDArray[Any]
    converged: bool

    def probabilities(self, inputs: Features) -> Outputs:
        from scipy.special import expit

        probabilities: Outputs = expit(inputs @ self.weights.astype(inputs.dtype) + self.intercepts).astype(
            np.float32
        )
        return probabilities


def _standardiser(features: Features) -> Callable[[Features], Features]:
    """Takes features to mean 0 and deviation 1 of these; one that is the same everywhere becomes 0."""
    mean = features.mean(axis=0, dtype=float)
    squares = sum(np.square(features[rows] - mean).sum(axis=0) for rows in _blocks(features))
    deviation = np.sqrt(squares / len(features))
    steady = deviation <= np.finfo(np.float32).eps * np.abs(mean)
    deviation[steady] = 1

    def standardise(features: Features) -> Features:
        standardised = np.empty(features.shape, np.float32)
        for rows in _blocks(features):
            standardised[rows] = (features[rows] - mean) / deviation
        return standardised

    return standardise


def _blocks(features: Features) -> Iterator[slice]:
    """Rows few enough that doubles of them take little memory."""
    return (slice(first, first + BLOCK) for first in range(0, len(features), BLOCK))


def _regressions(
    inputs: Features, targets: Targets, candidates: Sequence[float]
) -> dict[float, _Regressions]:
    """Regressions of all classes for each C, from the strongest penalty on, each from where the last ended.

    A class that the few labels have always or never gets its frequency.
    """
    samples, classes = targets.shape
    learnt = np.flatnonzero(targets.min(axis=0) != targets.max(axis=0))
    frequency = (targets.sum(axis=0) + 0.5) / (samples + 1)
    along, axes, squares = _axes(inputs)
    coefficients, found = np.zeros((len(squares) + 1, len(learnt))), {}
    for c in sorted(candidates):
        coefficients, converged = _minimise(along, squares, targets[:, learnt], 1 / c, coefficients)
        weights = np.zeros((inputs.shape[1], classes))
        weights[:, learnt] = axes @ coefficients[:-1]
        intercepts = np.log(frequency / (1 - frequency))
        intercepts[learnt] = coefficients[-1]
        found[c] = _Regressions(weights, intercepts, converged)
    return found


def _axes(inputs: Features) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Inputs along their axes (sample, axis), the axes (dimension, axis), squared singular values (axis,)."""
    from scipy.linalg import eigh

    samples, dimension = inputs.shape
    if samples >= dimension:
        squares, axes = eigh((inputs.T @ inputs).astype(float))
        kept = squares > NOTHING * squares[-1]
        return inputs @ axes[:, kept].astype(np.float32), axes[:, kept], squares[kept]
    exact = inputs.astype(float)
    squares, left = eigh(exact @ exact.T)
    kept = squares > NOTHING * squares[-1]
    sizes = np.sqrt(squares[kept])
    return left[:, kept] * sizes, exact.T @ (left[:, kept] / sizes), squares[kept]


def _minimise(
    along: NDArray[Any], squares: NDArray[Any], targets: Targets, penalty: float, start: NDArray[Any]
) -> tuple[NDArray[Any], bool]:
    """Coefficients (axis and intercept, class) of the least loss, and whether the solver came to its end.

    Loss: the sum of -log p over samples, plus ``penalty`` / 2 of the squared weights; divided by the samples.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    if not targets.shape[1]:
        return start, True
    samples = len(along)
    penalties = np.append(np.full(len(squares), penalty / samples), 0)[:, None]
    unit = 1 / np.sqrt(np.append(squares / samples, 1)[:, None] / 4 + penalties)
    sign = 1 - 2 * targets.astype(along.dtype)

    def loss(scaled: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        coefficients = scaled.reshape(start.shape) * unit
        weights, intercepts = coefficients[:-1].astype(along.dtype), coefficients[-1].astype(along.dtype)
        against = (along @ weights + intercepts) * sign
        value = np.logaddexp(0, against).sum(dtype=float) / samples + (penalties * coefficients**2).sum() / 2
        slope = expit(against) * sign
        gradient = np.vstack([along.T @ slope, slope.sum(axis=0)]).astype(float) / samples
        return value, ((gradient + penalties * coefficients) * unit).ravel()

    ended = minimize(
        loss,
        (start / unit).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ITERATIONS, "maxcor": MEMORY, "gtol": GRADIENT, "ftol": 0},
    )
    # Status 1: out of iterations. 2: no step lowers the loss any more, as far as single precision can tell.
    return ended.x.reshape(start.shape) * unit, ended.status != 1


def _edge(best: float, candidates: Sequence[float]) -> str | None:
    if len(set(candidates)) == 1:
        return None  # there was nothing to choose
    return {min(candidates): "lowest", max(candidates): "highest"}.get(best)
