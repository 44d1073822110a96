"""The channel U-Net looks at each band by itself first, with the same weights, and keeps every pixel."""

import pytest
import torch
import torch.nn.functional as F

from revisit.errors import RevisitError
from revisit.nets.encoders.channel_unet import ChannelUNet
from revisit.nets.segmentation.linear import LinearMap


@pytest.fixture
def encoder() -> ChannelUNet:
    torch.manual_seed(0)
    return ChannelUNet(ChannelUNet.Settings(channel_width=4, width=6), ["vv", "vh", "red"], 16).eval()


def test_channels_are_seen_one_by_one_and_alike(encoder: ChannelUNet) -> None:
    """A channel's features do not depend on the others, nor on which channel it is."""
    images = torch.randn(2, 3, 16, 32)
    features = encoder.of_channels(images)
    assert features.shape == (2, 3, 4, 16, 32)
    torch.testing.assert_close(encoder.of_channels(images[:, [2, 0]]), features[:, [2, 0]])


def test_every_pixel_has_features_of_all_bands(encoder: ChannelUNet) -> None:
    """One map as large as the image, whose mean are the pooled features; each band changes it."""
    images = torch.randn(2, 3, 32, 16)
    (features,) = encoder.pyramid(images)
    assert features.shape == (2, 6, 32, 16) and encoder.strides == (1,) and encoder.widths == (6,)
    torch.testing.assert_close(encoder.pooled(images), features.mean((2, 3)))
    for band in range(3):
        other = images.clone()
        other[:, band] = 0
        assert not torch.allclose(encoder.pyramid(other)[0], features)


def test_a_linear_map_of_it_is_one_of_pixels(encoder: ChannelUNet) -> None:
    """What CoRe's last layer is for bands, the network `linear` is for classes: nothing is resampled."""
    network, images = LinearMap(encoder, classes=5).eval(), torch.randn(1, 3, 16, 16)
    cells = network.norm(encoder.pyramid(images)[0])
    torch.testing.assert_close(network(images), F.conv2d(cells, network.head.weight, network.head.bias))


def test_layers_hold_every_weight_once_and_gradients_reach_them(encoder: ChannelUNet) -> None:
    encoder.train()
    (encoder.pyramid(torch.randn(2, 3, 16, 16))[0] * torch.randn(6, 16, 16)).sum().backward()
    layered = [id(parameter) for group in encoder.layers() for parameter in group]
    assert sorted(layered) == sorted(id(parameter) for parameter in encoder.parameters())
    extractor = {id(parameter) for parameter in encoder.extractor.parameters()}
    assert {id(parameter) for parameter in encoder.layers()[0]} == extractor
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_sides_that_cannot_be_halved_four_times_are_refused(encoder: ChannelUNet) -> None:
    with pytest.raises(RevisitError, match="multiples of 16"):
        encoder.pooled(torch.zeros(1, 3, 24, 16))
    with pytest.raises(RevisitError, match="channel-unet: image_pixels 24 must be a multiple of 16"):
        ChannelUNet(ChannelUNet.Settings(), ["vv"], 24)
