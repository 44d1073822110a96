"""When a training ends, and which rate its updates have."""

from collections.abc import Sequence

import numpy as np
import pytest

from revisit.evaluation.protocols.course import Course, Held
from revisit.training.schedules import polynomial


def played(
    course: Course, scores: list[float], losses: Sequence[float] = (1.0,), every: int = 10
) -> tuple[int, list[float]]:
    """Updates made and their rates, with a look at the validation samples after every ten of them."""
    rates: list[float] = []
    course.look(0, 0.0, 1.0)
    while not course.done(len(rates)):
        rates.append(course.factor(len(rates)))
        if len(rates) % every == 0:
            look = len(rates) // every - 1
            course.look(len(rates), scores[min(look, len(scores) - 1)], losses[min(look, len(losses) - 1)])
    return len(rates), rates


def test_a_held_rate_cools_down_once_the_score_has_stopped_rising() -> None:
    """It rises until the third look; two looks then are as the two before: 60 updates, and the fall."""
    course = Held(1000, warmup=10, patience=2, min_rise=0.01, min_fall=0.01, cooldown=0.2)
    made, rates = played(course, [0.5, 0.6, 0.7, 0.7, 0.71, 0.7])
    assert course.converged and course.falling
    assert made == 60 + 12
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10:60] == [1.0] * 50
    assert rates[60:] == pytest.approx([1 - step / 12 for step in range(12)])


def test_a_score_that_rises_to_the_end_is_cut_and_says_so() -> None:
    """The budget holds to the update, and the fall of the rate fits into it."""
    course = Held(125, warmup=0, patience=2, min_rise=0.001, min_fall=0.01, cooldown=0.25)
    made, rates = played(course, [number / 100 for number in range(1, 13)])
    assert not course.converged and not course.falling
    assert made == 125
    assert rates[99] == 1.0
    assert rates[-1] == pytest.approx(1 / 25)


def test_a_rise_too_small_to_count_is_none_and_slow_rises_add_up() -> None:
    """Noise of a thousandth must not keep a training going; a slow true rise must."""
    noise = Held(1000, warmup=0, patience=3, min_rise=0.01, min_fall=0.01, cooldown=0.1)
    assert played(noise, [0.5, 0.501, 0.502, 0.503])[0] < 100
    slow = Held(1000, warmup=0, patience=3, min_rise=0.01, min_fall=0.01, cooldown=0.1)
    assert played(slow, [0.5 + 0.006 * number for number in range(100)])[0] > 900


def test_noise_does_not_end_a_rise() -> None:
    """The best of many noisy looks is a lucky one, which the next ones miss: means are compared instead."""
    random = np.random.default_rng(0)
    ends = {"rising": [], "level": []}
    for _ in range(100):
        noise = 0.02 * random.standard_normal(200)
        looks = np.arange(1, 201)
        for name, score in (
            ("rising", 0.6 - 0.25 * np.exp(-looks / 30)),
            ("level", 0.6 - 0.25 * np.exp(-looks / 5)),
        ):
            course = Held(2000, warmup=0, patience=8, min_rise=0.002, min_fall=0.01, cooldown=0.25)
            made, _ = played(course, list(score + noise))
            ends[name].append(made / 1.25 / 10)
    assert np.quantile(ends["rising"], 0.1) > 60  # looks; 87 % of the rise are over
    assert np.median(ends["level"]) < 60


def test_a_loss_that_falls_keeps_a_training_going() -> None:
    """A score of class maps stands still for a while as the network still learns."""
    losses = [0.9**look for look in range(20)]
    assert played(Held(1000, 0, 3, 0.01, 0.01, cooldown=0.1), [0.5], losses)[0] > 200
    assert played(Held(1000, 0, 3, 0.01, 0.01, cooldown=0.1), [0.5], losses[:1])[0] < 100


def test_a_fixed_schedule_makes_all_its_updates() -> None:
    """And has converged where the last looks brought no rise."""
    still, rising = (Course(60, polynomial(60), patience=3, min_rise=0.001, min_fall=0) for _ in range(2))
    assert played(still, [0.6, 0.6, 0.6, 0.6])[0] == played(rising, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])[0] == 60
    assert still.converged and not rising.converged
