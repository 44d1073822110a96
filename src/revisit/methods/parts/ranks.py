"""The processes that train together: who one is, and what all of them hold; one process is a group of one."""

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


@torch.no_grad()
def mean(values: Tensor) -> Tensor:
    """The mean over all processes, without gradient."""
    if not together():
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / size()
