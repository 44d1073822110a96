"""Training a segmentation network: cross-entropy and Dice on labelled pixels, best state by val mIoU.

Source of loss, optimiser and schedule: the Swin-Unet code (0.4 CE + 0.6 Dice, SGD with momentum 0.9,
polynomial rate); other augmentation: quarter turns and flips only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.evaluation.augment import draw, turn
from revisit.evaluation.features import Images, batches, predict
from revisit.evaluation.fitting import Fit, fit, polynomial, shuffled
from revisit.evaluation.metrics import IGNORE, ConfusionMatrix

# Class numbers (sample, y, x) uint8, IGNORE where there is no label, of the given sample indices.
Labels = Callable[[NDArray], NDArray[np.uint8]]

PREDICTION_BATCH = 32


@dataclass(frozen=True)
class Train:
    """Recipe of a segmentation run; ``optimiser`` is ``sgd`` (momentum 0.9) or ``adamw``."""

    steps: int
    batch_size: int
    learning_rate: float
    optimiser: str = "sgd"
    weight_decay: float = 1e-4
    validations: int = 10
    gradient_clip: float = 5.0


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """0.4 cross-entropy + 0.6 Dice over the labelled pixels; 0 (with a gradient) where there are none.

    ``logits`` (sample, class, y, x), ``labels`` (sample, y, x) integer with ``IGNORE``. Dice is
    1 - (2 Σpq + ε) / (Σp² + Σq² + ε), summed over the batch, averaged over classes.
    """
    logits, labels = logits.float(), labels.long()
    valid = labels != IGNORE
    entropy = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum") / valid.sum().clamp(min=1)
    target = F.one_hot(labels.where(valid, 0), logits.shape[1]).movedim(-1, 1) * valid[:, None]
    share = logits.softmax(1) * valid[:, None]
    over = (0, 2, 3)
    smooth = 1e-5
    overlap = 2 * (share * target).sum(over) + smooth
    dice = 1 - (overlap / (share.square().sum(over) + target.sum(over) + smooth)).mean()
    return 0.4 * entropy + 0.6 * dice


def train_network(
    network: nn.Module,
    images: Images,
    labels: Labels,
    train: NDArray,
    val: NDArray,
    classes: int,
    recipe: Train,
    seed: int,
) -> list[dict[str, Any]]:
    """Train ``network`` in place, keep its best state on ``val``; returns the history of the loop."""
    if recipe.optimiser not in OPTIMISERS:
        raise RevisitError(f"train: no optimiser {recipe.optimiser!r}; choose from {sorted(OPTIMISERS)}")
    turns = np.random.default_rng(seed)

    def read(indices: NDArray) -> tuple[Tensor, Tensor]:
        inputs = images(indices)
        return inputs, torch.from_numpy(labels(indices)).to(inputs.device)

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        inputs, wanted = batch
        symmetries = draw(turns, len(inputs))
        return segmentation_loss(network(turn(inputs, symmetries)), turn(wanted, symmetries))

    def validate() -> float:
        return confusion(network, images, labels, val, classes).summary()["all"]["miou"]

    optimiser = OPTIMISERS[recipe.optimiser](network.parameters(), recipe.learning_rate, recipe.weight_decay)
    plan = Fit(recipe.steps, polynomial(recipe.steps), recipe.validations, recipe.gradient_clip)
    drawn = shuffled(train, recipe.batch_size, seed)
    return fit(network, optimiser, drawn, read, loss, validate, plan)


def confusion(
    network: nn.Module, images: Images, labels: Labels, indices: NDArray, classes: int
) -> ConfusionMatrix:
    """One matrix over all labelled pixels of the given samples."""
    matrix = ConfusionMatrix(classes)
    for part in batches(indices, PREDICTION_BATCH):
        matrix.update(labels(part), class_maps(network, images, part))
    return matrix


def class_maps(network: nn.Module, images: Images, indices: NDArray) -> NDArray[np.uint8]:
    """Predicted class numbers (sample, y, x)."""
    return predict(network, images, indices).argmax(1).numpy().astype(np.uint8)


def _sgd(parameters: Any, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, learning_rate, momentum=0.9, weight_decay=weight_decay)


def _adamw(parameters: Any, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, learning_rate, weight_decay=weight_decay)


OPTIMISERS = {"sgd": _sgd, "adamw": _adamw}
