"""The fine-tune protocol on a set it can learn."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.evaluation.features import Reader, pooled_features, predict
from revisit.evaluation.protocols.fine_tune import train_network
from revisit.evaluation.protocols.frozen import FrozenEncoder
from revisit.evaluation.protocols.frozen_adapting import AdaptingEncoder
from revisit.evaluation.protocols.recipes import Recipe
from revisit.evaluation.scene_network import SceneNetworks
from revisit.evaluation.task import Data
from revisit.evaluation.tasks.multi_label import TASK
from revisit.evaluation.tasks.segmentation import Segmentation
from revisit.nets.encoder import Encoder
from revisit.nets.load_save import load_encoder
from revisit.patches.store import PatchStore

RECIPE = Recipe(batch_size=16, learning_rate=3e-3, max_steps=60, validate_every=20)
S1 = ("vv", "vh")


def learnable(pairs: Path, vit: Path) -> tuple[Encoder, Reader, Data]:
    """An encoder and 24 samples with two classes, to train, select and test on."""
    store, few = PatchStore(pairs), np.arange(24)
    targets = store.multi_label(np.arange(store.samples))[:, :2]

    def labels(indices: np.ndarray) -> np.ndarray:
        return targets[indices]

    data = Data(store, S1, None, labels, labels, ("a", "b"), store.positions, few, few, few)
    return load_encoder(vit, bands=S1), Reader(store, S1, torch.device("cpu")), data


def test_it_fits_a_few_samples_and_leaves_the_given_encoder_alone(pairs: Path, vits: list[Path]) -> None:
    """A loop that does not learn, or that trains the shared encoder of the next seed, fails here."""
    encoder, images, data = learnable(pairs, vits[0])
    before, few = copy.deepcopy(encoder.state_dict()), data.train
    torch.manual_seed(0)
    model = SceneNetworks(copy.deepcopy(encoder), S1, 2).build()
    _, history = train_network(model, TASK, data, images, few, few, RECIPE, seed=0)
    reached = TASK.validation(data, few, lambda indices: predict(model, images, indices))
    assert reached == pytest.approx(max(record["validation"] for record in history))
    assert history[0]["validation"] + 0.2 < reached
    assert reached > 0.9
    assert history[-1]["loss"] < history[1]["loss"]
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    trained = model.state_dict()
    name = "blocks.0.attn.qkv.weight"
    assert not torch.equal(before[name], trained[f"features.encoder.{name}"])


def test_images_and_maps_are_turned_together(yearly: Path) -> None:
    """Augmentation is on in training, off in validation, and keeps labels in register with their images."""
    store = PatchStore(yearly)
    images = Reader(store, ("vv",), torch.device("cpu"), 0)
    values = images(np.arange(store.samples))[:, 0].numpy()
    middle = np.median(values)
    turned = []

    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, inputs: Tensor) -> Tensor:
            return inputs * self.scale

    class Register(Segmentation):
        def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
            pixels = outputs[:, 0].detach().numpy()
            assert np.array_equal(pixels > middle, labels.numpy())
            if not outputs.requires_grad:
                return outputs.square().mean()
            turned.extend(not any(np.array_equal(one, image) for image in values) for one in pixels)
            return outputs.square().mean()

        def agreement(self, labels: np.ndarray, outputs: np.ndarray) -> float:
            assert np.array_equal(outputs[:, 0], values[24:32])
            return 0.0

        def validation(self, data: Data, validating: np.ndarray, predict: Any) -> float:
            return self.agreement(data.labels(validating), predict(validating))

    def labels(indices: np.ndarray) -> np.ndarray:
        return (values[indices] > middle).astype(np.uint8)

    train, val = np.arange(24), np.arange(24, 32)
    data = Data(store, ("vv",), 0, labels, labels, ("a", "b"), store.positions, train, val, val)
    recipe = Recipe(batch_size=8, learning_rate=0.0001, max_steps=6, validate_every=100, weight_decay=0)
    recipe = recipe.model_copy(update={"learning_rate": 0.0})
    train_network(Same(), Register(), data, images, train, val, recipe, seed=0)
    assert 0.7 < np.mean(turned) < 1  # seven of eight symmetries move something


def test_frozen_features_leave_the_encoder_as_it_is(pairs: Path, vits: list[Path]) -> None:
    """Weights, running statistics and the mode: a frozen probe must be frozen."""
    store, encoder = PatchStore(pairs), load_encoder(vits[0])
    encoder.train()
    before = copy.deepcopy(encoder.state_dict())
    images = Reader(store, S1, torch.device("cpu"))
    features = pooled_features(encoder, images, S1, np.arange(20))
    assert features.shape == (20, encoder.feature_dim)
    assert not encoder.training
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    alone = pooled_features(encoder, images, S1, np.arange(5, 6))
    assert alone[0] == pytest.approx(features[5], abs=1e-5)


@pytest.mark.parametrize("adapting", [False, True])
def test_batch_norms_of_a_frozen_encoder(
    pairs: Path, encoder_of: Callable[..., Path], tmp_path: Path, adapting: bool
) -> None:
    """They stay, or follow the training images as in SeCo's code; weights stay, and tests change nothing."""
    resnet = {"name": "resnet", "depth": 18, "width": 8, "stem": "small"}
    encoder, images, data = learnable(pairs, encoder_of(tmp_path, resnet, "s1", list(S1), 0))
    weights = copy.deepcopy(dict(encoder.named_parameters()))
    running = {name: value.clone() for name, value in encoder.named_buffers()}
    kind, few = AdaptingEncoder if adapting else FrozenEncoder, data.train
    recipe = RECIPE.model_copy(update={"max_steps": 4, "validate_every": 2})
    network, _ = kind(TASK, data, images, SceneNetworks(encoder, S1, 2), recipe).train(few, few, seed=0)
    trained = network.features.encoder
    assert all(torch.equal(weights[name], value) for name, value in trained.named_parameters())
    moved = [not torch.equal(running[name], value) for name, value in trained.named_buffers()]
    assert any(moved) == adapting
    once = predict(network, images, few)
    # But for rounding: another batch size may take another kernel.
    np.testing.assert_allclose(predict(network, images, few[:3]), once[:3], rtol=1e-5)


def test_without_batch_norms_none_adapt(pairs: Path, vits: list[Path]) -> None:
    encoder, images, data = learnable(pairs, vits[0])
    with pytest.raises(RevisitError, match="the encoder has no batch norms that could adapt; take the prot"):
        AdaptingEncoder(TASK, data, images, SceneNetworks(encoder, S1, 2), RECIPE).build()


def test_a_frozen_encoder_stays_as_it_is(pairs: Path, vits: list[Path]) -> None:
    """Its weights and its mode; the head learns."""
    encoder, images, data = learnable(pairs, vits[0])
    before, few = copy.deepcopy(encoder.state_dict()), data.train
    modes = []
    encoder.blocks[0].register_forward_hook(lambda block, *_: modes.append(block.training))
    protocol = FrozenEncoder(TASK, data, images, SceneNetworks(encoder, S1, 2), RECIPE)
    network, learned = protocol.train(few, few, seed=0)
    assert modes and not any(modes)
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    scores = [record["validation"] for record in learned.record["curve"]]
    assert max(scores) > scores[0] + 0.1
    assert TASK.agreement(data.labels(few), predict(network, images, few)) == pytest.approx(max(scores))
