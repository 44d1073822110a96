"""Works on the blocks of a cube side by side, results in order; memory holds a few blocks at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[tuple[Item, Result]]:
    """Each item with what ``function`` makes of it, in order; ``threads`` are worked on at a time."""
    rest = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[tuple[Item, Future[Result]]] = deque(
            (item, pool.submit(function, item)) for item in islice(rest, threads)
        )
        while under_way:
            item, future = under_way.popleft()
            result = future.result()
            under_way.extend((following, pool.submit(function, following)) for following in islice(rest, 1))
            yield item, result
