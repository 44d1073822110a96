"""The processes that train together: who one is, and what all of them hold; one process is a group of one."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def together() -> bool:
    """Whether several processes train together."""
    return dist.is_available() and dist.is_initialized()


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if together() else 1


def rank() -> int:
    """The number of this process among them, from 0."""
    return dist.get_rank() if together() else 0


@torch.no_grad()
def gather(values: Tensor) -> Tensor:
    """The rows [B, ...] of all processes in the order of the whole batch, without gradient."""
    if not together():
        return values
    parts = [torch.empty_like(values) for _ in range(size())]
    dist.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def gather_learning(values: Tensor) -> Tensor:
    """The rows [B, ...] of all processes, in the order of their numbers; gradient flows back to all."""
    if not together():
        return values
    whole = values.new_zeros(size(), *values.shape)
    whole[rank()] = values
    return total(whole).flatten(0, 1)


@torch.no_grad()
def mean(values: Tensor) -> Tensor:
    """The mean over all processes, without gradient."""
    if not together():
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / size()


def total(values: Tensor) -> Tensor:
    """The sum over all processes, with the gradient of all their losses."""
    result: Tensor = _Total.apply(values)
    return result


class _Total(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        result = values.clone()
        dist.all_reduce(result)
        return result

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        result = gradients[0].clone()
        dist.all_reduce(result)
        return result
