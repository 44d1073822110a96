"""The augmentation of all downstream tasks: the eight symmetries of the square."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def draw(generator: np.random.Generator, samples: int) -> NDArray[np.int64]:
    """One of the symmetries 0..7 for each sample."""
    return generator.integers(0, 8, samples)


def turn(images: Tensor, symmetries: NDArray[np.int64]) -> Tensor:
    """Turn each sample of (sample, ..., y, x) by its symmetry: quarter turns, from 4 on flipped too.

    The same symmetries give the same placement whatever the other dimensions, so images of several
    sensors and their labels stay in register.
    """
    result = torch.empty_like(images)
    for symmetry in range(8):
        chosen = torch.from_numpy(np.flatnonzero(symmetries == symmetry)).to(images.device)
        part = torch.rot90(images[chosen], symmetry % 4, (-2, -1))
        result[chosen] = part.flip(-1) if symmetry >= 4 else part
    return result
