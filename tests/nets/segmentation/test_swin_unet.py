"""Segmentation networks on Swin encoders: shapes, use of both inputs, and the encoder's weights inside."""

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F

from revisit.errors import RevisitError
from revisit.nets.encoders.swin import SwinEncoder
from revisit.nets.load_save import build_encoder
from revisit.nets.segmentation.dual_swin_unet import DualSwinUNet
from revisit.nets.segmentation.swin_decoder import Expand, SwinNetwork
from revisit.nets.segmentation.swin_unet import SwinUNet


def encoder(bands: Sequence[str], dim: int = 8) -> SwinEncoder:
    settings = SwinEncoder.Settings(patch_pixels=4, dim=dim, depths=(2, 2, 2), heads=(1, 2, 4), window=2)
    return SwinEncoder(settings, bands, image_pixels=32)


SAR, RGB = ("vv", "vh"), ("red", "green", "blue")


def test_logits_have_the_images_size() -> None:
    """One logit a class and pixel, also for another image size, through the very encoder given."""
    torch.manual_seed(0)
    own = encoder(SAR)
    network = SwinUNet(own, classes=4).eval()
    assert network.encoder is own
    assert network(torch.randn(2, 2, 32, 32)).shape == (2, 4, 32, 32)
    assert network(torch.randn(1, 2, 48, 64)).shape == (1, 4, 48, 64)


def test_full_scale_is_swin_unet() -> None:
    """At the paper's scale the decoder mirrors the encoder, and the network has its 27 million weights."""
    settings = SwinEncoder.Settings(
        patch_pixels=4, dim=96, depths=(2, 2, 2, 2), heads=(3, 6, 12, 24), window=7
    )
    with torch.device("meta"):
        large = SwinEncoder(settings, RGB, image_pixels=224)
        network = SwinUNet(large, classes=9, drop_path=0.2)
    count = sum(p.numel() for p in network.parameters()) - large.mask_token.numel()
    assert count == pytest.approx(27.2e6, rel=0.02)


def test_fusion_uses_both_inputs_at_every_level() -> None:
    """Each encoder changes the output, and each level's fusion gets a gradient from both halves."""
    torch.manual_seed(0)
    network = DualSwinUNet(encoder(SAR), encoder(RGB), classes=4)
    images = torch.randn(2, 5, 32, 32)
    logits = network(images)
    assert logits.shape == (2, 4, 32, 32)
    for channels in (slice(0, 2), slice(2, 5)):
        other = images.clone()
        other[:, channels] = 0
        assert (network(other) - logits).abs().max() > 1e-3
    (logits * torch.randn_like(logits)).sum().backward()
    for linear, width in zip((f[0] for f in network.fuse), (8, 16, 32), strict=True):
        assert linear.weight.shape == (width, 2 * width)
        for half in linear.weight.grad.split(width, dim=1):
            assert half.abs().sum() > 0


@pytest.mark.parametrize("swap", [False, True])
def test_each_encoder_sees_its_own_sensor(swap: bool) -> None:
    """The first encoder gets the first bands, also where both sensors have as many; nothing is exchanged."""
    torch.manual_seed(0)
    sensors = [("vv", "vh"), ("red", "nir")]
    first, second = (encoder(bands) for bands in (reversed(sensors) if swap else sensors))
    network = DualSwinUNet(first, second, classes=4).eval()
    assert network.encoder_a is first and network.encoder_b is second
    images = torch.randn(2, 4, 32, 32)
    levels = zip(network.fuse, first.maps(images[:, :2]), second.maps(images[:, 2:]), strict=True)
    fused = [
        norm(F.linear(torch.cat(maps, -1), linear.weight, linear.bias)) for (linear, norm), *maps in levels
    ]
    assert torch.equal(network(images), network.decoder(fused))


@pytest.mark.parametrize("factor", [2, 4])
def test_patches_expand_row_by_row(factor: int) -> None:
    """Numbers of a token's map become its pixels in Swin-Unet's order: row, column, channel."""
    torch.manual_seed(0)
    expand = Expand(6, factor, out=5)
    tokens = torch.randn(2, 3, 4, 6)
    pixels = expand(tokens)
    assert pixels.shape == (2, 3 * factor, 4 * factor, 5)
    numbers = tokens @ expand.linear.weight.T
    for row in range(3 * factor):
        for column in range(4 * factor):
            first = 5 * (row % factor * factor + column % factor)
            own = numbers[:, row // factor, column // factor, first : first + 5]
            torch.testing.assert_close(pixels[:, row, column], expand.norm(own))


def test_what_does_not_fit_is_refused() -> None:
    """Encoders of two shapes, and images with other channels, raise one line."""
    with pytest.raises(RevisitError, match="one shape"):
        DualSwinUNet(encoder(SAR), encoder(RGB, dim=16), classes=4)
    with pytest.raises(RevisitError, match="needs 5 channels"):
        DualSwinUNet(encoder(SAR), encoder(RGB), classes=4)(torch.zeros(1, 4, 32, 32))


def test_are_networks() -> None:
    """They are built from settings and encoders; planning refuses other encoders, numbers and shapes."""
    settings = SwinUNet.Settings(drop_path=0.1)
    swin = encoder(SAR).architecture()
    assert SwinUNet.build(settings, [encoder(SAR)], channels=2, classes=4).encoder.bands == SAR
    assert DualSwinUNet.build(settings, [encoder(SAR), encoder(RGB)], 5, 4).encoder_b.bands == RGB
    SwinUNet.check([swin], 32)
    vit = {"name": "channel-vit", "dim": 8, "depth": 1, "heads": 1, "patch_pixels": 4}
    with pytest.raises(RevisitError, match="takes 1 swin encoders, got channel-vit"):
        SwinUNet.check([vit], 32)
    with pytest.raises(RevisitError, match="takes 1 swin encoders, got channel-vit"):
        SwinUNet.build(settings, [build_encoder({**vit, "bands": ["vv"], "image_pixels": 32})], 1, 4)
    with pytest.raises(RevisitError, match="takes 2 swin encoders, got swin"):
        DualSwinUNet.check([swin], 32)
    with pytest.raises(RevisitError, match="one shape"):
        DualSwinUNet.check([swin, {**swin, "dim": 16}], 32)


def test_gradients_reach_everything() -> None:
    """No weight is idle but the mask token, which supervised training has no use for."""
    torch.manual_seed(0)
    network = SwinUNet(encoder(SAR), classes=4)
    logits = network(torch.randn(2, 2, 32, 32))
    (logits * torch.randn_like(logits)).sum().backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == ["encoder.mask_token"]


def test_drop_path_rises_with_depth() -> None:
    """Stochastic depth is 0 at the first block, the given rate at the last, and mirrored by the decoder."""
    network = SwinUNet(encoder(SAR), classes=4, drop_path=0.5)
    rates = [[block.drop_path1.drop_prob for block in stage] for stage in network.encoder.stages]
    assert torch.tensor(rates).flatten().tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    upward = [[block.drop_path2.drop_prob for block in stage] for stage in network.decoder.stages]
    assert torch.tensor(upward).flatten().tolist() == pytest.approx([0.2, 0.3, 0, 0.1])


@pytest.mark.parametrize("network", [SwinUNet, DualSwinUNet])
def test_the_decoder_starts_from_a_pretrained_encoder_alone(network: type[SwinNetwork]) -> None:
    """Half of the blocks would forget what was learnt; a new encoder has nothing to hand on."""
    torch.manual_seed(0)
    for card in (None, {"steps": 9}):
        encoders = [encoder(SAR), encoder(RGB)][: network.encoders]
        encoders[0].card = card
        built = network.build(network.Settings(), encoders, 5, 4)
        for level, stage in zip((1, 0), built.decoder.stages, strict=True):
            own, source = stage.state_dict(), encoders[0].stages[level].state_dict()
            same = [torch.equal(own[name], source[name]) for name in own if name.endswith("qkv.weight")]
            assert same == [card is not None] * len(same) and same
