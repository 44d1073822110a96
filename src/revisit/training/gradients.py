"""Gradients of a batch that is computed in parts: one after the other, on several processes, or both.

Each part counts by its share of the batch, so that the sum over parts is the gradient of the whole. Processes
add up their gradients here and not in a wrapper of the network: a method's loss may be several losses of
several networks, which take turns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from revisit.methods.method import Method
from revisit.methods.parts import ranks
from revisit.training.optimiser import Descent

Views = dict[str, Tensor]
Loss = Callable[[Views], dict[str, Tensor]]


@dataclass(frozen=True)
class Part:
    """Views of some of a batch's samples, and how much they count; None where they are all of it."""

    views: Views
    share: Tensor | float | None


def own_parts(method: Method, views: Views, accumulate: int) -> list[Part]:
    """The parts of a batch's ``views`` that fall to this process."""
    count = accumulate * ranks.size()
    if count == 1:
        return [Part(views, None)]
    weights = method.shares(views)
    pieces = {name: values.chunk(count) for name, values in views.items()}
    shares: Sequence[Tensor | float] = [1 / count] * count
    if weights is not None:
        shares = [piece.sum() / weights.sum() for piece in weights.chunk(count)]
    first = accumulate * ranks.rank()
    return [
        Part({name: piece[number] for name, piece in pieces.items()}, shares[number])
        for number in range(first, first + accumulate)
    ]


def backward(parts: Sequence[Part], loss: Loss, descents: Sequence[Descent]) -> dict[str, Tensor]:
    """Add the gradients of all parts to those in the weights; returns the losses by name, float32, detached.

    Every descent gets the gradient of its own part of the loss, all of the weights as they were.
    """
    total: dict[str, Tensor] = {}
    for part in parts:
        losses = loss(part.views)
        if part.share is not None:
            losses = {name: value * part.share for name, value in losses.items()}
        active = [descent for descent in descents if descent.part in losses]
        if not active:
            raise ValueError(f"the loss has the parts {list(losses)}, no optimiser descends on any of them")
        if len(descents) == 1:
            losses[active[0].part].backward()  # type: ignore[no-untyped-call]
        else:
            for descent in active:
                inputs = [weight for weight in descent.parameters if weight.requires_grad]
                last = descent is active[-1]
                torch.autograd.backward(losses[descent.part], inputs=inputs, retain_graph=not last)
        for name, value in losses.items():
            value = value.detach().float()
            total[name] = total[name] + value if name in total else value
    if ranks.together():
        _add_up([weight for descent in descents for weight in descent.parameters])
    return total


def _add_up(weights: Sequence[Tensor]) -> None:
    """Sum the gradients of all processes, in one message."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    for gradient, values in zip(
        gradients, torch.split(flat, [gradient.numel() for gradient in gradients]), strict=True
    ):
        gradient.copy_(values.view_as(gradient))
