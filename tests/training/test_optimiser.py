"""The learning rate: that its values are those stated, and that weights without decay have none."""

import pytest
import torch

from revisit.methods.base import Method
from revisit.training.optimiser import learning_rate, make_optimiser
from revisit.training.settings import Settings


def test_warm_up_peak_and_end() -> None:
    rates = [learning_rate(step, steps=100, warmup_fraction=0.1, peak=0.5) for step in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[9] == rates[10] == 0.5 == max(rates)
    assert rates[55] == pytest.approx(0.25)  # half-way down
    assert 0 < rates[-1] < 1e-3 * 0.5
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_no_warm_up_and_nothing_else(fraction: float) -> None:
    rates = [learning_rate(step, 4, fraction, 1.0) for step in range(4)]
    assert max(rates) == 1.0 and min(rates) > 0


def test_decay_spares_biases(tiny: Method) -> None:
    """The method's own groups reach the optimiser."""
    optimiser = make_optimiser(tiny, Settings.read({"weight_decay": 0.3}), torch.device("cpu"))
    decay = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    assert decay.keys() == {id(parameter) for parameter in tiny.parameters()}
    assert decay[id(tiny.get_parameter("leave.1.weight"))] == 0.3
    assert decay[id(tiny.get_parameter("leave.1.bias"))] == 0.0
