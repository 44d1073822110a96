"""The recipe of training a whole network on labels: when it ends, with which optimiser, at which rate."""

from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import nn

from revisit.evaluation.protocols.course import Course, Held
from revisit.nets.encoder import Encoder
from revisit.record import Record
from revisit.training.optimiser import decays
from revisit.training.schedules import polynomial, warmup_cosine


class Recipe(Record):
    """How a whole network is trained: until validation comes to rest, within a number of updates."""

    batch_size: PositiveInt
    """Samples an update; a smaller training set is one batch."""
    learning_rate: PositiveFloat
    """Highest rate of the schedule."""
    max_steps: PositiveInt
    """Updates made at most. A run whose validation has not come to rest by then is marked in every table."""
    max_epochs: PositiveInt | None = None
    """Passes over the labelled samples made at most; no bound but `max_steps` when left out."""
    validate_every: PositiveInt = 20
    """Updates between two looks at the validation score; the state with the best score is kept."""
    patience: PositiveInt = 8
    """Looks averaged, at least: validation has come to rest when the mean score of the last ones is not above
    that of as many before, nor the mean loss below. While the rate is held these are a third of all looks, if
    that is more."""
    min_rise: NonNegativeFloat = 0.002
    """What counts as a rise of the mean score, which lies between 0 and 1."""
    min_fall: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """What counts as a fall of the mean validation loss, as a share of it."""
    schedule: Literal["hold", "cosine", "polynomial"] = "hold"
    """`hold` the rate until validation rests and cool down; or all updates, the rate falling along half
    a `cosine` (MAE, BEiT) or as a `polynomial` of power 0.9 (Swin-Unet)."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the most updates in which the rate rises; `polynomial` has none."""
    cooldown: PositiveFloat = 0.25
    """Length of the cooling down of `hold`, as a share of the updates before it."""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    """`adamw`, or `sgd` with momentum 0.9."""
    weight_decay: NonNegativeFloat = 0.05
    """Weight decay of the optimiser; with `adamw` biases, norms and tokens have none."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """With `adamw` each layer's rate is that of the layer above times this, where weights are pretrained;
    those from scratch all learn at one rate."""
    gradient_clip: NonNegativeFloat = 5.0
    """Largest norm of the gradient; 0 for no bound."""

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        unused = {
            "cooldown": self.schedule != "hold",
            "warmup": self.schedule == "polynomial",
            "layer_decay": self.optimiser == "sgd",
        }
        for key, ignored in unused.items():
            if ignored and getattr(self, key) != type(self).model_fields[key].default:
                of = f"optimiser {self.optimiser}" if key == "layer_decay" else f"schedule {self.schedule}"
                raise ValueError(f"{of} has no {key}; leave it out")
        return self

    def most_updates(self, samples: int) -> int:
        """How many updates are made at most with so many labelled samples."""
        if self.max_epochs is None:
            return self.max_steps
        return min(self.max_steps, self.max_epochs * max(samples // self.batch_size, 1))

    def course(self, samples: int) -> Course:
        """The course of a training on so many labelled samples."""
        most = self.most_updates(samples)
        warmup = round(self.warmup * most)
        if self.schedule == "hold":
            return Held(most, warmup, self.patience, self.min_rise, self.min_fall, self.cooldown)
        rate = warmup_cosine(most, max(warmup, 1)) if self.schedule == "cosine" else polynomial(most)
        return Course(most, rate, self.patience, self.min_rise, self.min_fall)

    def make_optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of all weights of a network that learn."""
        if self.optimiser == "sgd":
            learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
            return torch.optim.SGD(learning, self.learning_rate, momentum=0.9, weight_decay=self.weight_decay)
        groups = parameter_groups(network, self.learning_rate, self.weight_decay, self.layer_decay)
        return torch.optim.AdamW(groups, fused=True)


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
        if parameter.requires_grad:
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * layer_decay**depth,
            "weight_decay": weight_decay if decayed else 0.0,
        }
        for (depth, decayed), parameters in groups.items()
    ]
