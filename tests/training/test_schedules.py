"""Schedules have the values stated."""

import pytest

from revisit.training.schedules import constant, cosine, polynomial, warmup_cosine, warmup_falls


def test_warm_up_peak_and_end() -> None:
    rates = [warmup_cosine(100, 10, peak=0.5)(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[9] == rates[10] == 0.5 == max(rates)
    assert rates[55] == pytest.approx(0.25)  # half-way down
    assert 0 < rates[-1] < 1e-3 * 0.5
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)


@pytest.mark.parametrize("warmup", [0, 4])
def test_no_warm_up_and_nothing_else(warmup: int) -> None:
    rates = [warmup_cosine(4, warmup)(step) for step in range(4)]
    assert max(rates) == 1.0 and min(rates) > 0


def test_floor_is_where_it_ends() -> None:
    schedule = warmup_cosine(100, 10, peak=1.0, floor=0.2)
    assert schedule(10) == 1.0 and schedule(55) == pytest.approx(0.6) and schedule(100) == pytest.approx(0.2)


def test_falls_at_60_and_80_per_cent() -> None:
    """Epochs 600 and 800 of 1,000 in SeCo's command, the first of them already at the lower rate."""
    rates = [warmup_falls(1000, 10, peak=0.5)(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.05) and rates[4] == pytest.approx(0.25)
    assert set(rates[9:600]) == {0.5}
    assert rates[600:800] == pytest.approx([0.05] * 200) and rates[800:] == pytest.approx([0.005] * 200)
    assert [warmup_falls(5, 0)(step) for step in range(5)] == pytest.approx([1, 1, 1, 0.1, 0.01])


def test_cosine_between_two_values() -> None:
    schedule = cosine(10, 0.04, 0.4)
    assert schedule(0) == pytest.approx(0.04) and schedule(5) == pytest.approx(0.22)
    assert schedule(10) == pytest.approx(0.4)


def test_polynomial_and_constant() -> None:
    assert polynomial(10)(5) == pytest.approx(0.5**0.9) and polynomial(10)(0) == 1
    assert constant(0.3)(0) == constant(0.3)(99) == 0.3
