"""U-Nets on an encoder's pyramid: the decoder by hand, which encoders, change between two dates."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.evaluation.protocols.fitting import to_training
from revisit.evaluation.protocols.recipes import parameter_groups
from revisit.nets.encoder import Encoder
from revisit.nets.load_save import build_encoder
from revisit.nets.segmentation.pyramid_decoder import PyramidDecoder
from revisit.nets.segmentation.pyramid_difference import PyramidDifference
from revisit.nets.segmentation.pyramid_unet import PyramidUNet

SETTINGS: dict[str, dict[str, Any]] = {
    "resnet": {"depth": 18, "width": 4},
    "resnet deep": {"depth": 50, "width": 2},
    "resnet small": {"depth": 18, "stem": "small", "width": 4},
    "swin": {"dim": 8, "depths": [1, 1], "heads": [1, 2], "window": 2, "patch_pixels": 4},
    "channel-vit": {"dim": 16, "depth": 1, "heads": 2, "patch_pixels": 8},
}


def architecture(which: str, **changes: Any) -> dict[str, Any]:
    entry = {"name": which.split()[0], "bands": ["vv", "vh"], "image_pixels": 32, **SETTINGS[which]}
    return entry | changes


def encoder(which: str = "resnet") -> Encoder:
    torch.manual_seed(0)
    return build_encoder(architecture(which))


def step(weights: dict[str, Tensor], name: str, features: Tensor, skip: Tensor) -> Tensor:
    """By the words of the source, in evaluation mode: nearest x 2, 3 x 3, join, 3 x 3, norm, ReLU."""
    features = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
    narrow = (weights[f"{name}.narrow.weight"], weights[f"{name}.narrow.bias"])
    features = torch.cat([F.conv2d(features, *narrow, padding=1), skip], 1)
    features = F.conv2d(features, weights[f"{name}.join.0.weight"], padding=1)
    norm = (weights[f"{name}.join.1.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
    mean, variance, scale, shift = (value[:, None, None] for value in norm)
    return ((features - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)


def test_the_decoder_by_hand() -> None:
    """Each level is brought to the next finer one's width and joined with it; then x 2 and a 1 x 1 map."""
    torch.manual_seed(0)
    decoder = PyramidDecoder([(2, 3), (4, 5), (8, 7)], 2).eval()
    for module in decoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
    maps = [torch.randn(2, 3, 8, 8), torch.randn(2, 5, 4, 4), torch.randn(2, 7, 2, 2)]
    weights = decoder.state_dict()
    features = step(weights, "steps.1", step(weights, "steps.0", maps[2], maps[1]), maps[0])
    features = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = F.conv2d(features, weights["head.weight"], weights["head.bias"])
    torch.testing.assert_close(decoder(maps), expected)
    assert [module.p for module in decoder.modules() if isinstance(module, nn.Dropout2d)] == [0.3, 0.3]
    assert not any(key.endswith("join.0.bias") for key in weights)


@pytest.mark.parametrize("which", SETTINGS)
def test_any_encoder_whose_cells_double(which: str) -> None:
    """Logits of every pixel, of images of other sizes too; all of the encoder learns from them."""
    network = PyramidUNet(encoder(which), classes=3)
    PyramidUNet.check([architecture(which)], 32)
    images = torch.randn(2, 2, 32, 64)
    logits = network(images)
    assert logits.shape == (2, 3, 32, 64)
    logits.square().mean().backward()
    # What lies above the last map (a norm on the way to the pooled features) is no part of a pyramid.
    without = [name for name, value in network.named_parameters() if value.grad is None]
    assert not [name for name in without if "norm" not in name and "mask_token" not in name], without


def test_a_resnets_stem_is_a_skip_as_in_the_source() -> None:
    """Its raw convolution at half the side; the pyramid stays as it is, and a small stem adds nothing."""
    usual, small = encoder(), encoder("resnet small")
    images = torch.randn(1, 2, 32, 32)
    stem, *rest = usual.eval().skips(images)
    torch.testing.assert_close(stem, usual.conv1(images))
    for own, of_pyramid in zip(rest, usual.pyramid(images), strict=True):
        torch.testing.assert_close(own, of_pyramid)
    for one in (usual, small):
        shapes = [(32 // level.shape[2], level.shape[1]) for level in one.skips(images)]
        assert shapes == one.settings.skip_shapes()
    assert usual.settings.skip_shapes() == [(2, 4), (4, 4), (8, 8), (16, 16), (32, 32)]
    assert small.settings.skip_shapes() == [(1, 4), (2, 8), (4, 16), (8, 32)]


def test_change_is_what_differs() -> None:
    """The decoder sees absolute differences of both dates' maps, so their order does not matter."""
    network = PyramidDifference(encoder(), classes=2).eval()
    images = torch.randn(3, 2, 2, 32, 32)
    before, after = (network.encoder.skips(images[:, date]) for date in (0, 1))
    apart = [(one - other).abs() for one, other in zip(before, after, strict=True)]
    torch.testing.assert_close(network(images), network.decoder(apart))
    torch.testing.assert_close(network(images.flip(1)), network(images))
    same = images[:, :1].expand(-1, 2, -1, -1, -1)
    nothing = [torch.zeros_like(level) for level in apart]
    torch.testing.assert_close(network(same), network.decoder(nothing))


def test_both_dates_share_the_statistics_of_batch_normalisation() -> None:
    """In training too a pair must not differ because its dates were normalised apart."""
    network = PyramidDifference(encoder(), classes=2).train()
    images = torch.randn(3, 2, 2, 32, 32)
    images[:, 1] = images[:, 0] * 2 + 1
    maps = network.encoder.skips(images.flatten(0, 1))
    torch.manual_seed(1)
    found = network(images)
    torch.manual_seed(1)
    expected = network.decoder([(level[0::2] - level[1::2]).abs() for level in maps])
    torch.testing.assert_close(found, expected)


def test_a_frozen_resnet_keeps_its_statistics() -> None:
    """The published code lets them run, so that a frozen encoder is another after training."""
    network = PyramidDifference(encoder(), classes=2)
    network.encoder.requires_grad_(False)
    before = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    to_training(network)
    network(torch.randn(2, 2, 2, 32, 32) + 3).sum().backward()
    assert all(torch.equal(before[name], value) for name, value in network.encoder.state_dict().items())
    assert network.decoder.training and not network.encoder.training


@pytest.mark.parametrize("which", ["resnet", "resnet deep"])
def test_layer_decay_of_a_resnet(which: str) -> None:
    """The stem has the least rate, the last block and the decoder the full one; no weight is left out."""
    network = PyramidUNet(encoder(which), classes=2)
    groups = parameter_groups(network, 1.0, 0.1, layer_decay=0.5)
    rates = {id(value): group["lr"] for group in groups for value in group["params"]}
    assert len(rates) == len(list(network.parameters()))
    blocks = {"resnet": 8, "resnet deep": 16}[which]
    assert rates[id(network.encoder.conv1.weight)] == rates[id(network.encoder.bn1.bias)] == 0.5**blocks
    assert rates[id(network.encoder.layer1[0].conv1.weight)] == 0.5 ** (blocks - 1)
    assert rates[id(network.encoder.layer4[-1].conv1.weight)] == 1
    assert {rates[id(value)] for value in network.decoder.parameters()} == {1}


@pytest.mark.parametrize(
    ("architectures", "pixels", "message"),
    [
        ([], 32, "takes one encoder, got 0"),
        ([architecture("resnet")] * 2, 32, "takes one encoder, got 2"),
        ([architecture("resnet")], 48, "image_pixels 48 must be a multiple of 32, the encoder's wid"),
        ([architecture("channel-vit", patch_pixels=6, image_pixels=48)], 48, r"of channel-vit are \[6\]"),
    ],
)  # fmt: skip
def test_what_it_cannot_take_is_refused(architectures: list[Any], pixels: int, message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        PyramidUNet.check(architectures, pixels)


def test_a_pyramid_that_does_not_double_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """At planning and when it is built: an encoder from outside may have any cells."""
    network = encoder()
    shapes = [(2, 4), (4, 4), (16, 16)]
    monkeypatch.setattr(type(network.settings), "skip_shapes", lambda settings: shapes)
    for attempt in (
        lambda: PyramidUNet.check([architecture("resnet")], 32),
        lambda: PyramidUNet.build(PyramidUNet.Settings(), [network], 2, 3),
    ):
        with pytest.raises(RevisitError, match=r"each level's twice .* those of resnet are \[2, 4, 16\]"):
            attempt()
