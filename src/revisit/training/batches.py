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

from revisit.patches.batch import Batch
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
    times one a step, drawn at random. ``pin``: in page-locked memory, from which a GPU copies while it
    computes.
    """
    times = max(store.times(bands), 1)

    def read(task: tuple[int, NDArray[Any]]) -> Batch[Tensor]:
        step, chosen = task
        time = None if series else derived_seed("time", seed, step) % times
        drawn = store.batch(chosen, bands, time)
        if not series:
            _replace_absent(store, drawn, derived_seed("absent", seed, step))
        return drawn.map(torch.from_numpy).map(lambda values: values.pin_memory() if pin else values)

    return lambda first: ahead(draws(indices, batch_size, seed, steps, first), read)


def _replace_absent(store: PatchStore, drawn: Batch[NDArray[Any]], seed: int) -> None:
    """Give samples that lack the time drawn for all another one that they have."""
    lacking = np.flatnonzero(~drawn.present.all(1))
    if not len(lacking):
        return
    random, whole = np.random.default_rng(seed), store.batch(drawn.samples[lacking], drawn.bands)
    for row, held in enumerate(whole.present.all(-1)):
        if held.ndim and held.any():
            time = random.choice(np.flatnonzero(held))
            for name in ("images", "dates", "present"):
                getattr(drawn, name)[lacking[row]] = getattr(whole, name)[row, time]


def to_device(batch: Batch[Tensor], device: torch.device) -> Batch[Tensor]:
    """The batch on ``device``, without waiting for the copy."""

    def move(values: Tensor) -> Tensor:
        if device.type == "mps" and values.dtype == torch.float64:  # which MPS does not have
            values = values.float()
        return values.to(device, non_blocking=True)

    return batch.map(move)
