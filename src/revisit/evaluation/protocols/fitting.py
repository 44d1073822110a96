"""The supervised training loop of all downstream tasks: fixed steps, best validated state kept."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.training.batches import ahead
from revisit.training.compiler import compiler_left_out
from revisit.training.device import mixed_precision
from revisit.training.schedules import Schedule

Batch = TypeVar("Batch")


def shuffled(indices: NDArray[Any], batch_size: int, seed: int) -> Iterator[NDArray[Any]]:
    """Endless batches of full size, every sample once a pass; small sets are one batch a pass."""
    generator = np.random.default_rng(seed)
    size = min(batch_size, len(indices))
    while True:
        order = generator.permutation(indices)
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]


@dataclass(frozen=True)
class Fit:
    """How often to update, at which rate, how often to look at the validation set.

    ``gradient_clip``: largest norm of the gradient, 0 for no bound.
    """

    steps: int
    rate: Schedule
    validations: int
    gradient_clip: float


def fit(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: Iterator[NDArray[Any]],
    read: Callable[[NDArray[Any]], Batch],
    loss: Callable[[Batch], Tensor],
    validate: Callable[[], float],
    plan: Fit,
) -> list[dict[str, Any]]:
    """Train ``model`` and leave it in the state with the highest validation score.

    ``batches`` yields sample indices; a thread has ``read`` fetch what ``loss`` needs of them ahead of time.
    Returns the history, one record a validation, the first before any update: step, loss (mean
    since the last record; None at the start), validation, learning_rate (of the last update).
    Raises RevisitError when the loss is no longer finite.
    """
    device = next(model.parameters()).device
    base = [group["lr"] for group in optimiser.param_groups]
    marks = {round(plan.steps * part / plan.validations) for part in range(1, plan.validations + 1)}
    best, best_state = validate(), copy.deepcopy(model.state_dict())
    history: list[dict[str, Any]] = [
        {"step": 0, "loss": None, "validation": best, "learning_rate": 0.0},
    ]
    losses: list[Tensor] = []
    with closing(ahead(islice(batches, plan.steps), read)) as drawn:
        for step, batch in enumerate(drawn):
            model.train()
            factor = plan.rate(step)
            for group, rate in zip(optimiser.param_groups, base, strict=True):
                group["lr"] = rate * factor
            with mixed_precision(device):
                value = loss(batch)
            with compiler_left_out():
                optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
            if plan.gradient_clip:
                nn.utils.clip_grad_norm_(model.parameters(), plan.gradient_clip)
            with compiler_left_out():
                optimiser.step()
            losses.append(value.detach())
            if step + 1 in marks:
                mean_loss = float(torch.stack(losses).mean())
                if not math.isfinite(mean_loss):
                    raise RevisitError(
                        f"training: the loss is not finite by step {step + 1} of {plan.steps}; "
                        "lower learning_rate or set gradient_clip"
                    )
                score = validate()
                if score > best:
                    best, best_state = score, copy.deepcopy(model.state_dict())
                history.append(
                    {
                        "step": step + 1,
                        "loss": mean_loss,
                        "validation": score,
                        "learning_rate": max(group["lr"] for group in optimiser.param_groups),
                    }
                )
                losses.clear()
    model.load_state_dict(best_state)
    return history
