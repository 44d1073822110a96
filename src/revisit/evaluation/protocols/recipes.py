"""Recipes of training a whole network on labels: how many updates, with which optimiser, at which rate."""

from abc import abstractmethod
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import nn

from revisit.nets.encoder import Encoder
from revisit.record import Record
from revisit.training.optimiser import decays
from revisit.training.schedules import Schedule, polynomial, warmup_cosine


class Recipe(Record):
    """What all recipes say."""

    batch_size: PositiveInt
    """Samples an update; a smaller training set is one batch."""
    learning_rate: PositiveFloat
    """Highest rate of the schedule."""
    weight_decay: NonNegativeFloat
    validations: PositiveInt = 10
    """How often the validation score is looked at; the best state is kept."""
    gradient_clip: NonNegativeFloat = 5.0
    """Largest norm of the gradient; 0 for no bound."""

    @abstractmethod
    def updates(self, samples: int) -> int:
        """How many updates are made with so many labelled samples."""

    @abstractmethod
    def rate(self, steps: int) -> Schedule:
        """The factor on the learning rate before each update."""

    @abstractmethod
    def make_optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of all weights of a network."""


class FineTune(Recipe):
    """AdamW with layer-wise rates, linear warm-up and half a cosine (MAE, BEiT)."""

    epochs: PositiveInt
    """Passes over the labelled samples, within the bounds of `min_steps` and `max_steps`."""
    min_steps: NonNegativeInt = 0
    """Updates made at least: few labels need more passes."""
    max_steps: PositiveInt | None = None
    """Updates made at most; no bound when left out."""
    weight_decay: NonNegativeFloat = 0.05
    """Of AdamW; biases, norms and tokens have none."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Each layer's rate is that of the layer above times this; 1 for one rate."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the updates in which the rate rises."""

    def updates(self, samples: int) -> int:
        wanted = max(self.epochs * max(samples // self.batch_size, 1), self.min_steps)
        return min(wanted, self.max_steps) if self.max_steps else wanted

    def rate(self, steps: int) -> Schedule:
        return warmup_cosine(steps, max(round(self.warmup * steps), 1))

    def make_optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            parameter_groups(network, self.learning_rate, self.weight_decay, self.layer_decay)
        )


class Train(Recipe):
    """A fixed number of updates at a rate that falls as a polynomial of power 0.9 (Swin-Unet)."""

    steps: PositiveInt
    """Updates."""
    optimiser: Literal["sgd", "adamw"] = "sgd"
    """`sgd` (momentum 0.9) or `adamw`."""
    weight_decay: NonNegativeFloat = 1e-4
    """Weight decay of the optimiser."""

    def updates(self, samples: int) -> int:
        return self.steps

    def rate(self, steps: int) -> Schedule:
        return polynomial(steps)

    def make_optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        if self.optimiser == "sgd":
            return torch.optim.SGD(
                network.parameters(), self.learning_rate, momentum=0.9, weight_decay=self.weight_decay
            )
        return torch.optim.AdamW(network.parameters(), self.learning_rate, weight_decay=self.weight_decay)


def parameter_groups(
    network: nn.Module, learning_rate: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """AdamW groups: no weight decay on biases, norms and tokens; a rate that shrinks with depth.

    The head has the full rate, as has the last layer of an encoder; each layer below it has ``layer_decay``
    times the one above, the embedding the least (BEiT, MAE).
    """
    below: dict[int, int] = {}  # by parameter, how many layers of its encoder lie above it
    for encoder in (module for module in network.modules() if isinstance(module, Encoder)):
        for depth, parameters in enumerate(reversed(encoder.layers())):
            for parameter in parameters:
                below.setdefault(id(parameter), depth)
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        key = below.get(id(parameter), 0), decays(name, parameter)
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * layer_decay**depth,
            "weight_decay": weight_decay if decayed else 0.0,
        }
        for (depth, decayed), parameters in groups.items()
    ]
