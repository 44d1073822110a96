"""The fine-tune protocol on a set it can learn."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.features import Reader, pooled_features, predict
from revisit.evaluation.finetune import FineTune, SceneClassifier, fine_tune, parameter_groups
from revisit.nets.encoder import Encoder, load_encoder
from revisit.patches.store import PatchStore

RECIPE = FineTune(epochs=1, batch_size=16, learning_rate=3e-3, min_steps=60, validations=3)
S1 = ("vv", "vh")


def test_it_fits_a_few_samples_and_leaves_the_given_encoder_alone(pairs: Path, vits: list[Path]) -> None:
    """A loop that does not learn, or that trains the shared encoder of the next seed, fails here."""
    store, encoder = PatchStore(pairs), load_encoder(vits[0], bands=S1)
    before = copy.deepcopy(encoder.state_dict())
    images, few = Reader(store, S1, torch.device("cpu")), np.arange(24)
    targets = store.multi_label(np.arange(store.samples))[:, :2]
    model, history = fine_tune(encoder, images, S1, targets, few, few, RECIPE, seed=0)
    reached = mean_average_precision(targets[few], predict(model, images, few).numpy()).micro
    assert reached == pytest.approx(max(record["validation"] for record in history))
    assert history[0]["validation"] + 0.2 < reached
    assert reached > 0.9
    assert history[-1]["loss"] < history[1]["loss"]
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    trained = model.features.encoder.state_dict()
    assert not torch.equal(before["blocks.0.attn.qkv.weight"], trained["blocks.0.attn.qkv.weight"])


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


def test_the_number_of_updates_follows_the_labels_within_bounds() -> None:
    """Few labels get at least min_steps, many at most max_steps."""
    recipe = FineTune(epochs=10, batch_size=50, learning_rate=1e-3, min_steps=60, max_steps=300)
    assert [recipe.steps(samples) for samples in (20, 500, 50_000)] == [60, 100, 300]


@pytest.fixture
def classifier(vits: list[Path]) -> SceneClassifier:
    encoder: Encoder = load_encoder(vits[0])
    return SceneClassifier(encoder, S1, classes=3)


def test_rates_shrink_with_depth_and_every_parameter_is_in_one_group(classifier: SceneClassifier) -> None:
    """Head 1, last layer 0.5, first 0.25, embedding 0.125 of the rate; no decay on biases and norms."""
    groups = parameter_groups(classifier, 1.0, 0.05, layer_decay=0.5)
    where = {id(p): group for group in groups for p in group["params"]}
    named = dict(classifier.named_parameters())
    assert len(where) == len(named) == sum(len(group["params"]) for group in groups)
    vit = "features.encoder."
    rates = [
        where[id(named[name])]["lr"]
        for name in ("head.weight", f"{vit}norm.weight", f"{vit}blocks.1.mlp.fc1.weight",
                     f"{vit}blocks.0.mlp.fc1.weight", f"{vit}embedding", f"{vit}channel_bias")
    ]  # fmt: skip
    assert rates == [1, 1, 0.5, 0.25, 0.125, 0.125]
    undecayed = {name for name in named if where[id(named[name])]["weight_decay"] == 0}
    assert {"head.bias", "norm.weight", f"{vit}channel_bias", f"{vit}blocks.0.attn.qkv.bias"} <= undecayed
    assert not {"head.weight", f"{vit}embedding", f"{vit}blocks.0.attn.qkv.weight"} & undecayed
