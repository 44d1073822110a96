"""Which weights decay, what each optimiser has at each update, and that several optimisers take turns."""

import pytest
import torch
from torch import Tensor, nn

from revisit.methods.method import Method
from revisit.training.gradients import Part, backward
from revisit.training.optimiser import Course, Descent, OptimiserSettings
from revisit.training.schedules import constant
from revisit.training.settings import Training

COURSE = Course(steps=100, epoch_steps=10, device=torch.device("cpu"))


def test_decay_spares_biases(tiny: Method) -> None:
    (descent,) = tiny.optimisers(Training(weight_decay=0.3), COURSE)
    groups = descent.optimiser.param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert decay.keys() == {id(parameter) for parameter in tiny.parameters()}
    assert decay[id(tiny.get_parameter("leave.1.weight"))] == 0.3
    assert decay[id(tiny.get_parameter("leave.1.bias"))] == 0.0
    assert decay[id(tiny.get_parameter("encoder.channel_bias"))] == 0.0


def test_default_rate_follows_the_settings(tiny: Method) -> None:
    (descent,) = tiny.optimisers(Training(batch_size=128, learning_rate=1e-3, warmup_fraction=0.2), COURSE)
    descent.set(19)
    assert {group["lr"] for group in descent.optimiser.param_groups} == {5e-4} == {descent.rate}
    descent.set(0)
    assert descent.rate == pytest.approx(5e-4 / 20)


def test_sgd_decays_everything() -> None:
    """As the sources with SGD do; AdamW of the same settings leaves out biases."""
    named, training = list(nn.Linear(2, 2).named_parameters()), Training(weight_decay=0.1)
    (group,) = OptimiserSettings().groups(named, training)
    assert len(group["params"]) == 2 and group["weight_decay"] == 0.1
    assert [len(group["params"]) for group in OptimiserSettings(name="adamw").groups(named, training)] == [
        1,
        1,
    ]


def test_each_optimiser_descends_on_its_own_part() -> None:
    """Of two players, each part of the loss moves its own one only, both from where they stood."""
    one, other = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    descents = [
        Descent(torch.optim.SGD(player.parameters(), lr=0.1), [{"lr": constant(0.1)}], part)
        for player, part in ((one, "loss"), (other, "judge"))
    ]
    a, b = one.weight.item(), other.weight.item()

    def loss(views: dict[str, Tensor]) -> dict[str, Tensor]:
        product = (one.weight * other.weight).sum()
        return {"loss": product, "judge": -(product**2)}

    backward([Part({}, None)], loss, descents)
    assert one.weight.grad is not None and one.weight.grad.item() == pytest.approx(b)
    assert other.weight.grad is not None and other.weight.grad.item() == pytest.approx(-2 * a * a * b)


def test_stage_without_its_part_leaves_an_optimiser_alone() -> None:
    """In alternating stages what is not trained has no gradient, and no loss at all is a fault."""
    one, other = nn.Linear(1, 1), nn.Linear(1, 1)
    descents = [
        Descent(torch.optim.SGD(player.parameters(), lr=0.1), [{"lr": constant(0.1)}], part)
        for player, part in ((one, "first"), (other, "second"))
    ]

    def loss(views: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"second": (one(views["x"]) + other(views["x"])).sum()}

    backward([Part({"x": torch.ones(1, 1)}, None)], loss, descents)
    assert one.weight.grad is None and other.weight.grad is not None
    with pytest.raises(ValueError, match="no optimiser descends"):
        backward([Part({}, None)], lambda views: {"third": torch.ones(())}, descents)
