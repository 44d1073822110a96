"""Protects work on blocks side by side: in order, a few at a time, and no fault is lost."""

import threading
import time
from itertools import islice

import pytest

from revisit.cube.in_order import each, in_order, in_turn


def test_results_come_in_order_whichever_is_done_first() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.03 if number % 3 == 0 else 0)
        return number**2

    assert list(in_order(slow_first, range(8), 3)) == [(number, number**2) for number in range(8)]


def test_only_so_many_are_begun_before_the_first_is_taken() -> None:
    """What lies ready is memory."""
    begun = []
    some = islice(in_order(lambda number: begun.append(number), range(100), 2), 1)
    list(some)
    assert len(begun) <= 4


def test_they_run_side_by_side() -> None:
    barrier = threading.Barrier(2, timeout=10)
    assert len(list(in_order(lambda number: barrier.wait(), range(2), 2))) == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fault_is_raised(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda number: 1 // number, [1, 0, 1], threads))
    with pytest.raises(ZeroDivisionError):
        in_turn(lambda number: number, lambda number: 1 // number, [1, 0, 1], threads)  # type: ignore[arg-type, return-value]


def test_one_thread_is_the_callers() -> None:
    """So that a job of one core is one core, what it does with the results included."""
    own = threading.get_ident()
    assert each(lambda _: threading.get_ident(), range(3), 1) == [own] * 3
    takers: list[int] = []
    in_turn(lambda number: number, lambda _: takers.append(threading.get_ident()), range(3), 1)
    assert takers == [own] * 3


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_no_more_threads_than_asked_for_make_and_take(threads: int) -> None:
    """Taking is work too; and what is made is taken in order."""
    busy, most, taken, lock = 0, 0, [], threading.Lock()

    def work(number: int) -> int:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.01 if number % 2 else 0.003)
        with lock:
            busy -= 1
        return number

    in_turn(work, lambda number: taken.append(work(number)), range(12), threads)
    assert taken == list(range(12))
    assert most == threads
