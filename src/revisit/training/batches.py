"""Which samples each step draws, and their images, read ahead of the step that needs them.

The order of an epoch follows from (seed, epoch) alone, so a resumed run draws what it would have drawn.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from revisit.patches.batch import Batch, joined
from revisit.patches.store import PatchStore
from revisit.training.settings import derived_seed

AHEAD = 4  # batches in memory beside the one in use

Task = TypeVar("Task")
Result = TypeVar("Result")


def epoch_order(indices: NDArray[Any], seed: int, epoch: int) -> NDArray[Any]:
    """All indices once, in the order of that epoch."""
    return np.random.default_rng(derived_seed("order", seed, epoch)).permutation(indices)


def draws(
    indices: NDArray[Any], batch_size: int, seed: int, steps: int, first: int = 0
) -> Iterator[tuple[int, NDArray[Any]]]:
    """(step, samples) of steps ``first`` to ``steps``; an epoch's last, incomplete batch is left out."""
    epoch_steps = len(indices) // batch_size
    order, ordered = indices, -1
    for step in range(first, steps):
        epoch, position = divmod(step, epoch_steps)
        if epoch != ordered:
            order, ordered = epoch_order(indices, seed, epoch), epoch
        yield step, order[position * batch_size : (position + 1) * batch_size]


def ahead(
    tasks: Iterable[Task], read: Callable[[Task], Result], depth: int = AHEAD
) -> Generator[Result, None, None]:
    """``read(task)`` of each task, in order, done by a thread that is at most ``depth`` results ahead.

    Closing the generator ends the thread; an exception in ``read`` is raised here.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(1, "batches") as thread:
        try:
            for task in tasks:
                waiting.append(thread.submit(read, task))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            thread.shutdown(cancel_futures=True)


def batches(
    store: PatchStore,
    bands: Sequence[str],
    indices: NDArray[Any],
    batch_size: int,
    seed: int,
    steps: int,
    *,
    series: bool,
    pin: bool,
) -> Callable[[int], Generator[Batch[Tensor], None, None]]:
    """What the loop draws from: a function of the first step, yielding that step's batch and all later ones.

    ``series``: all times of each place, uint8 [B, T, C, H, W]; else [B, C, H, W], where there are several
    times one of each sample's own, drawn at random: images of a batch are of different dates, or the date
    would tell them apart. ``pin``: in page-locked memory, from which a GPU copies while it computes.
    """
    held = None if series or not store.times(bands) else store.present(bands)

    def read(task: tuple[int, NDArray[Any]]) -> Batch[Tensor]:
        step, chosen = task
        if held is None:
            drawn = store.batch(chosen, bands)
        else:
            drawn = _at(store, chosen, bands, _times(held[chosen], derived_seed("time", seed, step)))
        return drawn.map(torch.from_numpy).map(lambda values: values.pin_memory() if pin else values)

    return lambda first: ahead(draws(indices, batch_size, seed, steps, first), read)


def _times(held: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """One of the times that each sample has, bool [B, T]; any where it has none."""
    lots = np.random.default_rng(seed).random(held.shape)
    return np.where(held, lots, lots - 1).argmax(1)


def _at(
    store: PatchStore, samples: NDArray[Any], bands: Sequence[str], times: NDArray[np.int64]
) -> Batch[NDArray[Any]]:
    """The batch of these samples, each at its own time."""
    back = np.argsort(np.argsort(times, kind="stable"))  # where each sample is among those sorted by time
    parts = [store.batch(samples[times == time], bands, int(time)) for time in np.unique(times)]
    return joined(parts).map(lambda values: values[back])


def to_device(batch: Batch[Tensor], device: torch.device) -> Batch[Tensor]:
    """The batch on ``device``, without waiting for the copy."""

    def move(values: Tensor) -> Tensor:
        if device.type == "mps" and values.dtype == torch.float64:  # which MPS does not have
            values = values.float()
        return values.to(device, non_blocking=True)

    return batch.map(move)
