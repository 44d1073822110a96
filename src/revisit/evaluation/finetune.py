"""Fine-tune protocol: encoder, LayerNorm and linear head trained together on labelled scenes (BCE)."""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit.evaluation.augment import draw, turn
from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.features import Images, Pooled, predict
from revisit.evaluation.fitting import Fit, fit, shuffled, warmup_cosine
from revisit.nets.encoder import Encoder


@dataclass(frozen=True)
class FineTune:
    """Recipe of the fine-tune protocol.

    Updates are ``epochs`` passes over the labelled samples, at least ``min_steps`` (few labels need
    more passes) and at most ``max_steps``; ``warmup`` is the share of them before the full rate.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    min_steps: int = 0
    max_steps: int | None = None
    weight_decay: float = 0.05
    layer_decay: float = 1.0
    warmup: float = 0.1
    validations: int = 10
    gradient_clip: float = 5.0

    def steps(self, samples: int) -> int:
        wanted = max(self.epochs * max(samples // self.batch_size, 1), self.min_steps)
        return min(wanted, self.max_steps) if self.max_steps else wanted


class SceneClassifier(nn.Module):
    """Pooled features of an encoder, LayerNorm, one logit a class (0 at the start)."""

    def __init__(self, encoder: Encoder, bands: Sequence[str], classes: int) -> None:
        super().__init__()
        self.features = Pooled(encoder, bands)
        self.norm = nn.LayerNorm(encoder.feature_dim)
        self.head = nn.Linear(encoder.feature_dim, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.features(images)))


def fine_tune(
    encoder: Encoder,
    images: Images,
    bands: Sequence[str],
    targets: NDArray,
    train: NDArray,
    val: NDArray,
    recipe: FineTune,
    seed: int,
) -> tuple[SceneClassifier, list[dict[str, Any]]]:
    """Fine-tune a copy of ``encoder`` on the samples ``train``; the model of the best val micro mAP.

    ``targets`` (sample, class) 0/1 are of the whole store, ``train`` and ``val`` index into them.
    Augmentation is flips and quarter turns, the same for all bands of a sample.
    """
    torch.manual_seed(seed)
    device = next(encoder.parameters()).device
    model = SceneClassifier(copy.deepcopy(encoder), bands, targets.shape[1]).to(device)
    criterion = nn.BCEWithLogitsLoss()
    turns = np.random.default_rng(seed)

    def read(indices: NDArray) -> tuple[Tensor, Tensor]:
        return images(indices), torch.from_numpy(targets[indices]).float().to(device)

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        inputs, wanted = batch
        return criterion(model(turn(inputs, draw(turns, len(inputs)))), wanted)

    def validate() -> float:
        return mean_average_precision(targets[val], predict(model, images, val).numpy()).micro

    steps = recipe.steps(len(train))
    plan = Fit(
        steps=steps,
        rate=warmup_cosine(steps, max(round(recipe.warmup * steps), 1)),
        validations=recipe.validations,
        gradient_clip=recipe.gradient_clip,
    )
    optimiser = torch.optim.AdamW(
        parameter_groups(model, recipe.learning_rate, recipe.weight_decay, recipe.layer_decay)
    )
    drawn = shuffled(train, recipe.batch_size, seed)
    history = fit(model, optimiser, drawn, read, loss, validate, plan)
    return model, history


def parameter_groups(
    model: SceneClassifier, learning_rate: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """AdamW groups: no weight decay on biases, norms and tokens; a rate that shrinks with depth.

    The head has the full rate, each layer (ViT) or stage (Swin) below it ``layer_decay`` times the one
    above, the embedding the least (BEiT, MAE).
    """
    levels = {name: _level(name) for name, _ in model.named_parameters()}
    top = max((level for level in levels.values() if level is not None), default=0) + 1
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        level = levels[name]
        last = name.rpartition(".")[2]
        decays = parameter.ndim > 1 and "bias" not in last and "token" not in last
        groups.setdefault((top if level is None else level, decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * layer_decay ** (top - level),
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (level, decays), parameters in groups.items()
    ]


def _level(name: str) -> int | None:
    """0 for what embeds pixels, 1, 2, … for layers or stages, None for what is above them all."""
    found = re.match(r"features\.encoder\.(?:blocks|stages|merges)\.(\d+)", name)
    if found:
        return int(found[1]) + 1
    return None if re.match(r"norm|head|features\.encoder\.norm", name) else 0
