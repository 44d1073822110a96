"""Which samples each step draws, and their images, read ahead of the step that needs them.

The order of an epoch follows from (seed, epoch) alone, so a resumed run draws what it would have drawn.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from revisit.patches.store import PatchStore
from revisit.training.settings import derived_seed

AHEAD = 4  # batches in memory beside the one in use

Job = TypeVar("Job")
Result = TypeVar("Result")


def epoch_order(indices: NDArray, seed: int, epoch: int) -> NDArray:
    """All indices once, in the order of that epoch."""
    return np.random.default_rng(derived_seed("order", seed, epoch)).permutation(indices)


def draws(
    indices: NDArray, batch_size: int, seed: int, steps: int, first: int = 0
) -> Iterator[tuple[int, NDArray]]:
    """(step, samples) of steps ``first`` to ``steps``; an epoch's last, incomplete batch is left out."""
    epoch_steps = len(indices) // batch_size
    order, ordered = indices, -1
    for step in range(first, steps):
        epoch, position = divmod(step, epoch_steps)
        if epoch != ordered:
            order, ordered = epoch_order(indices, seed, epoch), epoch
        yield step, order[position * batch_size : (position + 1) * batch_size]


def ahead(
    jobs: Iterable[Job], read: Callable[[Job], Result], depth: int = AHEAD
) -> Generator[Result, None, None]:
    """``read(job)`` of each job, in order, done by a thread that is at most ``depth`` results ahead.

    Closing the generator ends the thread; an exception in ``read`` is raised here.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(1, "batches") as thread:
        try:
            for job in jobs:
                waiting.append(thread.submit(read, job))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            thread.shutdown(cancel_futures=True)


def batches(
    store: PatchStore,
    bands: Sequence[str],
    indices: NDArray,
    batch_size: int,
    seed: int,
    steps: int,
    *,
    series: bool,
    pin: bool,
) -> Callable[[int], Generator[Tensor, None, None]]:
    """What the loop draws from: a function of the first step, yielding that step's images and all later ones.

    ``series``: all years of each place, uint8 [B, T, C, H, W]; else [B, C, H, W], of a yearly store one year
    a step, drawn at random. ``pin``: in page-locked memory, from which a GPU copies while it computes.
    """
    times = max(len(store.years(bands)), 1)

    def read(job: tuple[int, NDArray]) -> Tensor:
        step, chosen = job
        time = None if series else derived_seed("time", seed, step) % times
        images = torch.from_numpy(store.images(chosen, bands, time))
        return images.pin_memory() if pin else images

    return lambda first: ahead(draws(indices, batch_size, seed, steps, first), read)
