"""How many samples fit in a GPU's memory, when a batch does not."""

from collections.abc import Callable

import torch

STEPS = 32  # the answer is known to this share of the batch


def largest(tries: Callable[[int], object], too_many: int) -> int:
    """The largest number below ``too_many`` for which ``tries(number)`` does not run out of memory.

    Found by halving, to 1/32 of ``too_many``; 0 where nothing fits. Too few samples for a network are refused
    by a ValueError, as a batch norm refuses one: those do not fit either.
    """
    fits = 0
    while too_many - fits > max(too_many // STEPS, 1):
        middle = (fits + too_many) // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            tries(middle)
            fits = middle
        except (torch.OutOfMemoryError, ValueError):
            too_many = middle
    return fits
