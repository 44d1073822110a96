"""The supervised training loop of all downstream tasks: to the end of its course, best state kept."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit import stage
from revisit.errors import RevisitError
from revisit.evaluation.protocols.course import Course
from revisit.nets.compiler import compiler_left_out
from revisit.nets.encoder import Encoder
from revisit.training.batches import ahead
from revisit.training.device import mixed_precision

Batch = TypeVar("Batch")


class Look(NamedTuple):
    """A look at the validation samples: their score, and the mean of their loss."""

    score: float
    loss: float


class Fitted(NamedTuple):
    """How a training went.

    ``converged``: whether validation had come to rest before the budget ended. ``curve``: a record a look,
    the first before any update: step, loss (mean since the last record; None at the start), validation and
    validation_loss, learning_rate (of the last update).
    """

    converged: bool
    curve: list[dict[str, Any]]


def shuffled(indices: NDArray[Any], batch_size: int, seed: int) -> Iterator[NDArray[Any]]:
    """Endless batches of full size, every sample once a pass; small sets are one batch a pass."""
    generator = np.random.default_rng(seed)
    size = min(batch_size, len(indices))
    while True:
        order = generator.permutation(indices)
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]


def to_training(model: nn.Module) -> None:
    """Training mode for all of ``model`` but the encoders none of whose weights learn."""
    model.train()
    for encoder in (module for module in model.modules() if isinstance(module, Encoder)):
        if not any(parameter.requires_grad for parameter in encoder.parameters()):
            encoder.eval()


def fit(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: Iterator[NDArray[Any]],
    read: Callable[[NDArray[Any]], Batch],
    loss: Callable[[Batch], Tensor],
    validate: Callable[[], Look],
    course: Course,
    validate_every: int,
    gradient_clip: float = 0,
) -> Fitted:
    """Train ``model`` and leave it in the state with the highest validation score.

    Where the course has the rate fall because validation has come to rest, training goes on from that state:
    the present one may be past it.

    ``batches`` yields sample indices without end; a thread has ``read`` fetch what ``loss`` needs of them
    ahead of time. ``validate_every``: updates between two looks at the validation score; the last state is
    looked at too. ``gradient_clip``: largest norm of the gradient, 0 for no bound. Raises RevisitError when
    the loss is no longer finite.
    """
    device = next(model.parameters()).device
    base = [group["lr"] for group in optimiser.param_groups]
    seen, kept = validate(), _state(model, optimiser)
    course.look(0, *seen)
    best, curve = seen.score, [_record(0, None, seen, 0.0)]
    losses: list[Tensor] = []
    with closing(ahead(batches, read)) as drawn:
        for step, batch in enumerate(stage.progress(drawn, "updates", course.most)):
            if not model.training:
                to_training(model)
            factor = course.factor(step)
            for group, rate in zip(optimiser.param_groups, base, strict=True):
                group["lr"] = rate * factor
            with mixed_precision(device):
                value = loss(batch)
            with compiler_left_out():
                optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
            if gradient_clip:
                nn.utils.clip_grad_norm_(model.parameters(), gradient_clip)
            with compiler_left_out():
                optimiser.step()
            losses.append(value.detach())
            made = step + 1
            if made % validate_every == 0 or course.done(made):
                mean_loss = float(torch.stack(losses).mean())
                if not math.isfinite(mean_loss):
                    raise RevisitError(
                        f"training: the loss is not finite by step {made}; "
                        "lower learning_rate or set gradient_clip"
                    )
                seen, held = validate(), not course.falling
                course.look(made, *seen)
                if seen.score > best:
                    best, kept = seen.score, _state(model, optimiser)
                used = max(group["lr"] for group in optimiser.param_groups)
                curve.append(_record(made, mean_loss, seen, used))
                losses.clear()
                if held and course.falling:
                    model.load_state_dict(kept[0])
                    with compiler_left_out():
                        optimiser.load_state_dict(copy.deepcopy(kept[1]))
            if course.done(made):
                break
    model.load_state_dict(kept[0])
    return Fitted(course.converged, curve)


def _state(model: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[dict[str, Any], dict[str, Any]]:
    """A copy of the weights, and of what the optimiser knows."""
    with compiler_left_out():
        return copy.deepcopy((model.state_dict(), optimiser.state_dict()))


def _record(step: int, loss: float | None, look: Look, rate: float) -> dict[str, Any]:
    return {
        "step": step,
        "loss": loss,
        "validation": look.score,
        "validation_loss": look.loss,
        "learning_rate": rate,
    }
