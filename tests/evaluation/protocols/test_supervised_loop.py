"""The training loop of the downstream tasks: rates, batches, which state is kept."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.evaluation.protocols.course import Course, Held
from revisit.evaluation.protocols.fitting import Fitted, Look, fit, shuffled
from revisit.training.schedules import polynomial


def test_batches_are_full_and_a_pass_shows_no_sample_twice() -> None:
    """Indices are drawn without replacement and reshuffled."""
    drawn = list(islice(shuffled(np.arange(10, 20), 5, seed=0), 4))
    assert all(len(batch) == 5 for batch in drawn)
    assert set(np.concatenate(drawn[:2])) == set(np.concatenate(drawn[2:])) == set(range(10, 20))
    assert not np.array_equal(drawn[0], drawn[2])
    assert len(next(shuffled(np.arange(3), 64, seed=0))) == 3


def run(
    validations: Iterator[float], seen: list[float], scale: float = 1.0, gradient_clip: float = 0
) -> tuple[nn.Linear, Fitted]:
    """Ten updates that lower the weight by the learning rate; ``seen``: the weight at each validation."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)

    def loss(_: None) -> Tensor:
        return scale * model.weight.sum()

    def validate() -> Look:
        seen.append(model.weight.item())
        return Look(next(validations), 1.0)

    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    course = Course(10, polynomial(10), patience=2, min_rise=0, min_fall=0)
    batches = shuffled(np.arange(9), 3, 0)
    return model, fit(model, optimiser, batches, lambda _: None, loss, validate, course, 2, gradient_clip)


def test_the_state_with_the_best_validation_is_kept() -> None:
    """Not the last: that would overfit."""
    seen: list[float] = []
    model, (converged, history) = run(iter([0.1, 0.2, 0.9, 0.4, 0.3, 0.2]), seen)
    assert converged
    assert model.weight.item() == seen[2] != seen[-1]
    assert [record["step"] for record in history] == [0, 2, 4, 6, 8, 10]
    assert [record["validation"] for record in history] == [0.1, 0.2, 0.9, 0.4, 0.3, 0.2]


def test_the_rate_of_the_record_is_the_rate_used() -> None:
    """Plain SGD on a loss of slope one moves by exactly the rate of each update."""
    seen: list[float] = []
    _, (_, history) = run(iter([0.0] * 6), seen)
    rates = [0.5 * (1 - step / 10) ** 0.9 for step in range(10)]
    assert -seen[-1] == pytest.approx(sum(rates))
    assert history[1]["learning_rate"] == pytest.approx(rates[1])
    assert history[-1]["learning_rate"] == pytest.approx(rates[9])


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    """It would end as a row of chance level, or as a number JSON cannot hold."""
    with pytest.raises(RevisitError, match="not finite by step 2;"):
        run(iter([0.0] * 6), [], scale=float("nan"))


def test_a_gradient_beyond_the_bound_is_cut_to_it() -> None:
    """Slope 100, bound 0.01: each update moves by a hundredth of its rate."""
    seen: list[float] = []
    run(iter([0.0] * 6), seen, scale=100.0, gradient_clip=0.01)
    rates = [0.5 * (1 - step / 10) ** 0.9 for step in range(10)]
    assert -seen[-1] == pytest.approx(0.01 * sum(rates), rel=1e-3)


def test_the_rate_falls_from_the_best_state() -> None:
    """Once validation rests the weights may be past the best: on the way down they start from there."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    seen: list[float] = []
    scores = iter([0.1, 0.2, 0.9, 0.2, 0.2, 0.2, 0.2, *[0.3] * 10])

    def validate() -> Look:
        seen.append(model.weight.item())
        return Look(next(scores), 1.0)

    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    course = Held(100, warmup=0, patience=3, min_rise=0.0, min_fall=0.0, cooldown=0.5)
    fitted = fit(
        model, optimiser, shuffled(np.arange(9), 3, 0), lambda _: None, lambda _: model.weight.sum(),
        validate, course, validate_every=2,
    )  # fmt: skip
    assert fitted.converged
    fall = next(number for number, record in enumerate(fitted.curve) if 0 < record["learning_rate"] < 1)
    made = fitted.curve[fall - 1]["step"]
    length = round(0.5 * made)
    assert seen[fall] == pytest.approx(seen[2] - sum(1 - step / length for step in range(2)))
    assert model.weight.item() == seen[2]
