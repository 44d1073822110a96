"""Works on the parts of a cube side by side, results in order; memory holds a few parts at a time.

A single thread is the caller's own. Several do all the work while the caller waits. So as many cores are busy
as there are threads, since in a job codecs run in the thread that calls them (revisit.stage).
"""

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
    """Each item with what ``function`` makes of it, in order; ``threads`` are worked on at a time.

    One more waits, so that no thread is idle because an item before takes longer.
    """
    if threads == 1:
        yield from ((item, function(item)) for item in items)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from _in_order(function, items, threads, pool)


def each(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> list[Result]:
    """What ``function`` makes of all items, ``threads`` of them at a time."""
    return [result for _, result in in_order(function, items, threads)]


def in_turn(
    make: Callable[[Item], Result], take: Callable[[Result], None], items: Iterable[Item], threads: int
) -> None:
    """``take`` what ``make`` makes of each item, in order and one at a time; ``threads`` do both."""
    if threads == 1:
        for item in items:
            take(make(item))
        return
    with ThreadPoolExecutor(threads) as pool:
        for _, result in _in_order(make, items, threads, pool):
            pool.submit(take, result).result()


def _in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, pool: ThreadPoolExecutor
) -> Iterator[tuple[Item, Result]]:
    rest = iter(items)
    under_way: deque[tuple[Item, Future[Result]]] = deque(
        (item, pool.submit(function, item)) for item in islice(rest, threads + 1)
    )
    while under_way:
        item, future = under_way.popleft()
        result = future.result()
        under_way.extend((following, pool.submit(function, following)) for following in islice(rest, 1))
        yield item, result
