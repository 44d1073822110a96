"""Fine-tune protocol: the whole network learns from the labels, encoder and head together.

Augmentation is flips and quarter turns, the same for all bands of a sample and for its label map. Of a
network without a pretrained encoder tables say ``supervised``.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit.evaluation.features import predict
from revisit.evaluation.protocol import Predict, Protocol
from revisit.evaluation.protocols.augment import draw, turn
from revisit.evaluation.protocols.fitting import Fit, fit, shuffled
from revisit.evaluation.protocols.recipes import FineTune, Recipe
from revisit.evaluation.task import Data, Task
from revisit.training.compiler import compiler_left_out


class WholeNetwork(Protocol):
    """Takes any ``Recipe``; its own is ``FineTune``."""

    Settings = FineTune
    labels = ("scene", "map")

    def train(self, labelled: NDArray[Any], order: int, seed: int) -> tuple[Predict, dict[str, Any]]:
        torch.manual_seed(seed)
        network = self.networks.build(order).to(self.data.images.device)
        curve = train_network(network, self.task, self.data, labelled, self.recipe, seed)
        return lambda indices: predict(network, self.data.images, indices), {"curve": curve}


PROTOCOL = WholeNetwork


def train_network(
    network: nn.Module, task: Task, data: Data, labelled: NDArray[Any], recipe: Recipe, seed: int
) -> list[dict[str, Any]]:
    """Train ``network`` in place on the samples ``labelled`` and leave it in its best state on ``val``.

    Returns the history of the loop (see ``revisit.evaluation.protocols.fitting.fit``).
    """
    turns = np.random.default_rng(seed)

    def read(indices: NDArray[Any]) -> tuple[Tensor, Tensor]:
        inputs = data.images(indices)
        return inputs, torch.from_numpy(data.labels(indices)).to(inputs.device)

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        inputs, labels = batch
        symmetries = draw(turns, len(inputs))
        if task.labels == "map":
            labels = turn(labels, symmetries)
        return task.loss(network(turn(inputs, symmetries)), labels)

    def validate() -> float:
        return task.validation(data, lambda indices: predict(network, data.images, indices))

    steps = recipe.updates(len(labelled))
    plan = Fit(steps, recipe.rate(steps), recipe.validations, recipe.gradient_clip)
    drawn = shuffled(labelled, recipe.batch_size, seed)
    with compiler_left_out():
        optimiser = recipe.make_optimiser(network)
    return fit(network, optimiser, drawn, read, loss, validate, plan)
