"""Protects work on blocks side by side: in order, a few at a time, and no fault is lost."""

import threading
import time
from itertools import islice

import pytest

from revisit.cube.in_order import in_order


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
    assert len(begun) <= 3


def test_they_run_side_by_side() -> None:
    barrier = threading.Barrier(2, timeout=10)
    assert len(list(in_order(lambda number: barrier.wait(), range(2), 2))) == 2


def test_a_fault_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda number: 1 // number, [1, 0, 1], 2))
