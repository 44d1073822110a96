"""A copy of a network that follows it slowly (momentum encoder, teacher)."""

import copy
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def follower(network: Network) -> Network:
    """A copy with the same weights, to which no gradient flows."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """Weights of ``slow`` become ``momentum`` times themselves plus the rest of those of ``fast``.

    Statistics of batch normalisation are no weights: each network keeps those of what it sees itself.
    """
    for mine, theirs in zip(slow.parameters(), fast.parameters(), strict=True):
        # Not by `alpha`, which rounds once or twice, as an element lies in the processor's vectors.
        mine.mul_(momentum).add_((1 - momentum) * theirs)
