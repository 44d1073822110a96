"""A misspelt or impossible setting must stop a run, and derived seeds must not repeat."""

from typing import Any

import pytest

from revisit.errors import RevisitError
from revisit.record import read
from revisit.training.settings import Training, derived_seed


def settings(given: dict[str, Any]) -> Training:
    return read(Training, given, "pretraining")


def test_unknown_setting_is_an_error() -> None:
    """An option nobody reads would silently train with the default."""
    with pytest.raises(RevisitError, match="learning_rat"):
        settings({"epochs": 1, "learning_rat": 1e-3})


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": 1, "steps": 1},
        {"steps": -1},
        {"batch_size": 0},
        {"precision": "half"},
        {"batch_size": 30, "gpus": 4},
        {"batch_size": 30, "gpus": 2, "accumulate": 2},
    ],
)
def test_impossible_settings_are_errors(given: dict[str, Any]) -> None:
    with pytest.raises(RevisitError):
        settings(given)


def test_batch_larger_than_split_is_named() -> None:
    """Such a run would have epochs of no step."""
    with pytest.raises(RevisitError, match="batch_size is 32, the training split has 24 samples"):
        settings({"epochs": 1, "batch_size": 32}).steps_for(24)


def test_length_in_epochs_or_steps() -> None:
    assert settings({"epochs": 3, "batch_size": 10}).steps_for(25) == (6, 2)
    assert settings({"steps": 5, "batch_size": 10}).steps_for(25) == (5, 2)
    with pytest.raises(RevisitError, match="epochs or steps"):
        settings({}).steps_for(300)


def test_rate_scales_with_the_batch() -> None:
    """The base rate is stated for 256 samples."""
    assert settings({"batch_size": 64, "learning_rate": 1e-3}).peak_rate == pytest.approx(2.5e-4)


def test_derived_seeds_differ() -> None:
    """Equal seeds for two purposes would tie their draws together."""
    seeds = {
        derived_seed(purpose, seed, step)
        for purpose in ("views", "network", "order")
        for seed in range(4)
        for step in range(50)
    }
    assert len(seeds) == 3 * 4 * 50
    assert derived_seed("views", 1, 2) == derived_seed("views", 1, 2)
