"""The fine-tune protocol on a set it can learn."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from revisit.evaluation.features import Reader, pooled_features, predict
from revisit.evaluation.protocols.fine_tune import train_network
from revisit.evaluation.protocols.recipes import FineTune
from revisit.evaluation.task import Data
from revisit.evaluation.tasks.multi_label import TASK, SceneNetworks
from revisit.nets.load_save import load_encoder
from revisit.patches.store import PatchStore

RECIPE = FineTune(epochs=1, batch_size=16, learning_rate=3e-3, min_steps=60, validations=3)
S1 = ("vv", "vh")


def test_it_fits_a_few_samples_and_leaves_the_given_encoder_alone(pairs: Path, vits: list[Path]) -> None:
    """A loop that does not learn, or that trains the shared encoder of the next seed, fails here."""
    store, encoder = PatchStore(pairs), load_encoder(vits[0], bands=S1)
    before = copy.deepcopy(encoder.state_dict())
    images, few = Reader(store, S1, torch.device("cpu")), np.arange(24)
    targets = store.multi_label(np.arange(store.samples))[:, :2]
    data = Data(images, S1, lambda indices: targets[indices], ("a", "b"), store.positions, few, few, few)
    torch.manual_seed(0)
    model = SceneNetworks([encoder], S1, 2).build(0)
    history = train_network(model, TASK, data, few, RECIPE, seed=0)
    reached = TASK.validation(data, lambda indices: predict(model, images, indices))
    assert reached == pytest.approx(max(record["validation"] for record in history))
    assert history[0]["validation"] + 0.2 < reached
    assert reached > 0.9
    assert history[-1]["loss"] < history[1]["loss"]
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    trained = model.state_dict()
    name = "blocks.0.attn.qkv.weight"
    assert not torch.equal(before[name], trained[f"features.encoder.{name}"])


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
