"""Fine-tune protocol: the whole network learns from the labels, encoder and head together.

Augmentation is flips and quarter turns, the same for all bands of a sample and for its label map. Of a
network without a pretrained encoder tables say ``supervised``.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit.evaluation.features import Reader, predict
from revisit.evaluation.protocol import Indices, Learned, Protocol
from revisit.evaluation.protocols.augment import draw, turn
from revisit.evaluation.protocols.fitting import Fitted, Look, fit, shuffled
from revisit.evaluation.protocols.recipes import Recipe
from revisit.evaluation.task import Data, Task
from revisit.nets.compiler import compiler_left_out


class WholeNetwork(Protocol):
    """Trains by a ``Recipe`` until validation has come to rest."""

    Settings = Recipe
    labels = ("scene", "map", "change")

    def build(self) -> nn.Module:
        """The network of the run, before any update."""
        return self.networks.build()

    def train(self, labelled: Indices, validating: Indices, seed: int) -> tuple[nn.Module, Learned]:
        torch.manual_seed(seed)
        # Convolutions are a third faster with channels last, other layers as they are.
        network = self.build().to(self.images.device).to(memory_format=torch.channels_last)
        fitted = self.fit(network, labelled, validating, seed)
        return network, Learned(fitted.converged, {"curve": fitted.curve})

    def fit(self, network: nn.Module, labelled: Indices, validating: Indices, seed: int) -> Fitted:
        """Train ``network`` in place."""
        return train_network(
            network, self.task, self.data, self.images, labelled, validating, self.recipe, seed
        )


PROTOCOL = WholeNetwork


def train_network(
    network: nn.Module,
    task: Task,
    data: Data,
    images: Reader,
    labelled: Indices,
    validating: Indices,
    recipe: Recipe,
    seed: int,
) -> Fitted:
    """Train ``network`` in place on the samples ``labelled``; leave it as it was best on ``validating``."""
    turns = np.random.default_rng(seed)

    def read(indices: Indices) -> tuple[Tensor, Tensor]:
        inputs = images(indices)
        return inputs, torch.from_numpy(data.labels(indices)).to(inputs.device)

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        inputs, labels = batch
        symmetries = draw(turns, len(inputs))
        if task.labels != "scene":
            labels = turn(labels, symmetries)
        return task.loss(network(turn(inputs, symmetries)), labels)

    def validate() -> Look:
        losses: list[tuple[float, int]] = []

        def outputs(indices: Indices) -> NDArray[np.float32]:
            found = predict(network, images, indices)
            value = task.loss(torch.from_numpy(found), torch.from_numpy(data.labels(indices)))
            losses.append((float(value), len(indices)))
            return found

        score = task.validation(data, validating, outputs)
        values, counts = zip(*losses, strict=True)
        return Look(score, float(np.average(values, weights=counts)))

    with compiler_left_out():
        optimiser = recipe.make_optimiser(network)
    return fit(
        network,
        optimiser,
        shuffled(labelled, recipe.batch_size, seed),
        read,
        loss,
        validate,
        recipe.course(len(labelled)),
        recipe.validate_every,
        recipe.gradient_clip,
    )
