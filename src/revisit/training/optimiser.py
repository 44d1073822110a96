"""Optimisers with their schedules, and which weights are decayed.

A method trains by one or several descents: an optimiser, the part of the loss it descends on, and for each
of its parameter groups what changes from update to update.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from revisit.record import Record
from revisit.training.schedules import Schedule, warmup_cosine, warmup_falls
from revisit.training.settings import Training


@dataclass(frozen=True)
class Course:
    """How long a run is and where: updates in all, updates an epoch, the device."""

    steps: int
    epoch_steps: int
    device: torch.device


@dataclass(frozen=True)
class Descent:
    """An optimiser, what its groups' options are at each update, and the part of the loss it descends on.

    ``schedules``: for each parameter group, its options (``lr``, ``weight_decay``) that follow a schedule.
    ``part``: a name in the dict that the method's ``loss`` returns. An update in which that part is
    missing leaves this descent's weights as they are, so stages may take turns.
    """

    optimiser: torch.optim.Optimizer
    schedules: Sequence[Mapping[str, Schedule]]
    part: str = "loss"

    def set(self, step: int) -> None:
        """Give every group the options of update ``step``, from 0."""
        for group, schedules in zip(self.optimiser.param_groups, self.schedules, strict=True):
            for option, schedule in schedules.items():
                group[option] = schedule(step)

    @property
    def parameters(self) -> list[Tensor]:
        """The weights it changes."""
        return [parameter for group in self.optimiser.param_groups for parameter in group["params"]]

    @property
    def rate(self) -> float:
        """The learning rate of its first group, as the last update had it."""
        rate: float = self.optimiser.param_groups[0]["lr"]
        return rate


def decays(name: str, parameter: Tensor) -> bool:
    """Whether weight decay acts on a parameter: not on biases, norms, learned tokens, position tables."""
    last = name.rpartition(".")[2]
    return parameter.ndim > 1 and "bias" not in last and "token" not in last


def decay_groups(
    named: Iterable[tuple[str, Tensor]], weight_decay: float, **options: Any
) -> list[dict[str, Any]]:
    """Two optimiser groups of the parameters that are trained: with weight decay, and without."""
    groups: tuple[list[Tensor], list[Tensor]] = ([], [])
    for name, parameter in named:
        if parameter.requires_grad:
            groups[not decays(name, parameter)].append(parameter)
    return [
        {"params": groups[0], "weight_decay": weight_decay, **options},
        {"params": groups[1], "weight_decay": 0.0, **options},
    ]


def adamw(groups: list[dict[str, Any]], training: Training) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019); schedules set the rates."""
    return torch.optim.AdamW(groups, lr=0.0, betas=training.betas, fused=True)


def adamw_descent(
    named: Iterable[tuple[str, Tensor]],
    training: Training,
    course: Course,
    rate: Schedule,
    part: str = "loss",
    **options: Any,
) -> Descent:
    """AdamW on these weights, all at one rate; ``options``: of its parameter groups, such as ``betas``."""
    groups = decay_groups(named, training.weight_decay, **options)
    return Descent(adamw(groups, training), [{"lr": rate}] * len(groups), part)


def main_schedule(training: Training, course: Course) -> Schedule:
    """The learning rate of a run's settings: linear warm-up, then half a cosine to 0."""
    return warmup_cosine(course.steps, round(training.warmup_fraction * course.steps), training.peak_rate)


class OptimiserSettings(Record):
    """The optimiser of a method whose source does not use AdamW."""

    name: Literal["sgd", "adamw"] = "sgd"
    """SGD decays all weights, as the sources with it do; AdamW leaves out biases and norms."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Of SGD."""
    schedule: Literal["cosine", "steps"] = "cosine"
    """Of the rate after its warm-up: half a `cosine` to 0, or `steps`, a tenth of it from 60 % of the updates
    on and a hundredth from 80 %, as in SeCo and CACo."""

    def rate(self, training: Training, course: Course) -> Schedule:
        """The learning rate of a run's settings by this schedule."""
        if self.schedule == "cosine":
            return main_schedule(training, course)
        return warmup_falls(course.steps, round(training.warmup_fraction * course.steps), training.peak_rate)

    def groups(self, named: Iterable[tuple[str, Tensor]], training: Training) -> list[dict[str, Any]]:
        """Parameter groups of those that are trained: one for SGD, two for AdamW."""
        if self.name == "adamw":
            return decay_groups(named, training.weight_decay)
        trained = [parameter for _, parameter in named if parameter.requires_grad]
        return [{"params": trained, "weight_decay": training.weight_decay}]

    def make(self, groups: list[dict[str, Any]], training: Training) -> torch.optim.Optimizer:
        """The optimiser; schedules set the rates."""
        if self.name == "adamw":
            return adamw(groups, training)
        return torch.optim.SGD(groups, lr=0.0, momentum=self.momentum)
