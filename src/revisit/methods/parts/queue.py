"""The queue of keys of earlier batches that contrastive methods take their negatives from (MoCo)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Queue(nn.Module):
    """The last ``length`` keys of ``dim`` numbers, first in first out; buffers, so that a resume keeps them.

    ``keys`` [length, dim] are ``start`` at first, or else random directions, L2-normalised float32;
    ``pointer``: the row that is next to be overwritten, which holds the oldest key. Integers about the keys
    of a queue, such as the places they are of, are kept in a queue beside it.
    """

    keys: Tensor
    pointer: Tensor

    def __init__(self, length: int, dim: int, start: Tensor | None = None) -> None:
        super().__init__()
        keys = F.normalize(torch.randn(length, dim), dim=1) if start is None else start
        self.register_buffer("keys", keys)
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(self, keys: Tensor) -> None:
        """Put ``keys`` [B, dim] in the place of the B oldest."""
        length = len(self.keys)
        rows = (self.pointer + torch.arange(len(keys), device=keys.device)) % length
        self.keys[rows] = keys.to(self.keys.dtype)
        self.pointer.copy_((self.pointer + len(keys)) % length)
