"""Recipes: updates, rates by layer, weight decay."""

from pathlib import Path

import pytest

from revisit.evaluation.protocols.recipes import FineTune, Train, parameter_groups
from revisit.evaluation.tasks.multi_label import SceneClassifier
from revisit.nets.load_save import build_encoder, load_encoder
from revisit.nets.segmentation.swin_unet import SwinUNet

S1 = ("vv", "vh")


def test_the_number_of_updates_follows_the_labels_within_bounds() -> None:
    """Few labels get at least min_steps, many at most max_steps."""
    recipe = FineTune(epochs=10, batch_size=50, learning_rate=1e-3, min_steps=60, max_steps=300)
    assert [recipe.updates(samples) for samples in (20, 500, 50_000)] == [60, 100, 300]


@pytest.fixture
def classifier(vits: list[Path]) -> SceneClassifier:
    return SceneClassifier(load_encoder(vits[0]), S1, classes=3)


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


def test_layers_of_an_encoder_inside_any_network_have_their_rates() -> None:
    """Not only below a classifier of scenes: a decoder has the full rate, the patch embedding the least."""
    shape = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [2, 2], "window": 4, "patch_pixels": 2}
    network = SwinUNet(build_encoder({**shape, "bands": ["vv"], "image_pixels": 16}), classes=3)  # type: ignore[arg-type]
    rate = {
        id(parameter): group["lr"]
        for group in parameter_groups(network, 1.0, 0.05, layer_decay=0.5)
        for parameter in group["params"]
    }
    assert {rate[id(parameter)] for parameter in network.decoder.parameters()} == {1.0}
    assert rate[id(network.encoder.mask_token)] == 0.5**3


def test_recipes_fall_to_nothing_and_warm_up() -> None:
    """One that stands still is a known fault; both give the rate of the first update and the last."""
    fine_tune = FineTune(epochs=1, batch_size=1, learning_rate=1e-3).rate(100)
    assert [fine_tune(0), fine_tune(9), fine_tune(55)] == pytest.approx([0.1, 1, 0.5])
    assert fine_tune(99) < 0.001
    train = Train(steps=100, batch_size=1, learning_rate=1e-3)
    assert [train.updates(7), train.rate(100)(0), train.rate(100)(50)] == pytest.approx([100, 1, 0.5**0.9])
