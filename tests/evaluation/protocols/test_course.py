"""When a training ends, and which rate its updates have."""

import pytest

from revisit.evaluation.protocols.course import Course, Held
from revisit.training.schedules import polynomial


def played(course: Course, scores: list[float], every: int = 10) -> tuple[int, list[float]]:
    """Updates made and their rates, the validation score being looked at after every ten of them."""
    rates: list[float] = []
    course.look(0, 0.0)
    while not course.done(len(rates)):
        rates.append(course.factor(len(rates)))
        if len(rates) % every == 0:
            course.look(len(rates), scores[min(len(rates) // every - 1, len(scores) - 1)])
    return len(rates), rates


def test_a_held_rate_cools_down_once_the_score_has_stopped_rising() -> None:
    """It rises for 30 updates, two looks show no rise: 50 at full rate, then a quarter of that falling."""
    course = Held(1000, warmup=10, patience=2, min_rise=0.01, cooldown=0.24)
    made, rates = played(course, [0.5, 0.6, 0.7, 0.7, 0.705])
    assert course.converged
    assert made == 50 + 12
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10:50] == [1.0] * 40
    assert rates[50:] == pytest.approx([1 - step / 12 for step in range(12)])


def test_a_score_that_rises_to_the_end_is_cut_and_says_so() -> None:
    """The budget holds to the update, and the fall of the rate fits into it."""
    course = Held(125, warmup=0, patience=2, min_rise=0.001, cooldown=0.25)
    made, rates = played(course, [number / 100 for number in range(1, 13)])
    assert not course.converged
    assert made == 125
    assert rates[99] == 1.0
    assert rates[-1] == pytest.approx(1 / 25)


def test_a_rise_too_small_to_count_is_none_and_slow_rises_add_up() -> None:
    """Noise of a thousandth must not keep a training going; a slow true rise must."""
    noise = Held(1000, warmup=0, patience=3, min_rise=0.01, cooldown=0.1)
    assert played(noise, [0.5, 0.501, 0.502, 0.503])[0] < 60
    slow = Held(1000, warmup=0, patience=3, min_rise=0.01, cooldown=0.1)
    assert played(slow, [0.5 + 0.006 * number for number in range(100)])[0] > 900


def test_a_fixed_schedule_makes_all_its_updates() -> None:
    """And has converged where the last looks brought no rise."""
    still, rising = (Course(60, polynomial(60), patience=3, min_rise=0.001) for _ in range(2))
    assert (
        played(still, [0.5, 0.6, 0.6, 0.6, 0.6])[0] == played(rising, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])[0] == 60
    )
    assert still.converged and not rising.converged
