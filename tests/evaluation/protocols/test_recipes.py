"""Recipes: updates, rates by layer, weight decay."""

from pathlib import Path
from typing import Any

import pytest

from revisit.errors import RevisitError
from revisit.evaluation.protocols.recipes import Recipe, parameter_groups
from revisit.evaluation.scene_network import SceneClassifier
from revisit.nets.load_save import build_encoder, load_encoder
from revisit.nets.segmentation.swin_unet import SwinUNet
from revisit.record import read

S1 = ("vv", "vh")


def test_the_most_updates_follow_labels_and_bounds() -> None:
    """Whichever bound is reached first."""
    recipe = Recipe(max_epochs=10, max_steps=300, batch_size=50, learning_rate=1e-3)
    assert [recipe.most_updates(samples) for samples in (20, 500, 50_000)] == [10, 100, 300]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimiser": "sgd", "layer_decay": 0.5}, "optimiser sgd has no layer_decay"),
        ({"schedule": "polynomial", "warmup": 0.2}, "schedule polynomial has no warmup"),
        ({"schedule": "cosine", "cooldown": 9.0}, "schedule cosine has no cooldown"),
        ({"schedule": "cosine", "warmup": 0.2, "layer_decay": 0.5}, ""),
    ],
)
def test_what_a_recipe_would_ignore_is_refused(changes: dict[str, Any], message: str) -> None:
    """Else two runs with other settings are one run, and a comparison of them says nothing."""
    given = {"max_steps": 300, "batch_size": 50, "learning_rate": 1e-3, **changes}
    if not message:
        read(Recipe, given, "train")
        return
    with pytest.raises(RevisitError, match=message):
        read(Recipe, given, "train")


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


def test_a_resnet_below_a_classifier_has_a_rate_for_each_block() -> None:
    """The stem has the least; the shortcut of a block learns as fast as the block."""
    shape = {"name": "resnet", "depth": 18, "width": 4, "bands": S1, "image_pixels": 32}
    encoder = build_encoder(shape)
    classifier = SceneClassifier(encoder, S1, classes=3)
    groups = parameter_groups(classifier, 1.0, 0.05, layer_decay=0.5)
    rate = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert len(rate) == len(list(classifier.parameters()))
    of_blocks = [{rate[id(parameter)] for parameter in group} for group in encoder.layers()]
    assert of_blocks == [{0.5**above} for above in range(8, -1, -1)]
    assert rate[id(classifier.head.weight)] == rate[id(classifier.norm.weight)] == 1


def test_fixed_schedules_fall_to_nothing_and_warm_up() -> None:
    """One that stands still is a known fault; both give the rate of the first update and the last."""
    common = {"max_steps": 100, "batch_size": 1, "learning_rate": 1e-3}
    cosine = Recipe(schedule="cosine", warmup=0.1, **common).course(1)
    assert [cosine.factor(0), cosine.factor(9), cosine.factor(55)] == pytest.approx([0.1, 1, 0.5])
    assert cosine.factor(99) < 0.001
    polynomial = Recipe(schedule="polynomial", **common).course(1)
    assert [polynomial.factor(0), polynomial.factor(50)] == pytest.approx([1, 0.5**0.9])


def test_sgd_has_momentum_and_the_stated_decay(classifier: SceneClassifier) -> None:
    """Swin-Unet's optimiser."""
    recipe = Recipe(optimiser="sgd", weight_decay=1e-4, max_steps=1, batch_size=1, learning_rate=0.05)
    (group,) = recipe.make_optimiser(classifier).param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.05, 0.9, 1e-4)
