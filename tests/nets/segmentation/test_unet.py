"""The U-Net has the shape it is known by."""

import pytest
import torch

from revisit.errors import RevisitError
from revisit.nets.segmentation.unet import UNet


def test_usual_widths() -> None:
    """At width 64 the levels are 64-128-256-512-(1024 // 2), with the 17 million weights of that network."""
    network = UNet(channels=3, classes=4)
    assert [level[0].out_channels for level in network.down] == [64, 128, 256, 512, 512]
    assert [(level[0].in_channels, level[3].out_channels) for level in network.up] == [
        (1024, 256),
        (512, 128),
        (256, 64),
        (128, 64),
    ]
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(17.26e6, rel=0.01)


def test_logits_and_gradients() -> None:
    """Logits have the image's size, every weight gets a gradient, odd sizes are refused."""
    torch.manual_seed(0)
    network = UNet(channels=2, classes=4, width=4)
    logits = network(torch.randn(2, 2, 32, 48))
    assert logits.shape == (2, 4, 32, 48)
    (logits * torch.randn_like(logits)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    with pytest.raises(RevisitError, match="multiples of 16"):
        network(torch.zeros(1, 2, 40, 40))


def doubling(side: int) -> torch.Tensor:
    """The matrix [2 side, side] of bilinear upsampling: 3/4 of the cell a pixel lies in, 1/4 of the next."""
    matrix = torch.zeros(2 * side, side)
    for pixel in range(2 * side):
        cell, neighbour = pixel // 2, pixel // 2 + (1 if pixel % 2 else -1)
        matrix[pixel, cell] += 0.75
        matrix[pixel, min(max(neighbour, 0), side - 1)] += 0.25
    return matrix


def test_forward_by_hand() -> None:
    """Down by maxima of 2 x 2 pixels, up bilinearly, each skip before what comes from below."""
    torch.manual_seed(0)
    network = UNet(channels=2, classes=3, width=4).eval()
    images = torch.randn(2, 2, 32, 48)
    skips = [network.down[0](images)]
    for convolution in network.down[1:]:
        batch, width, rows, columns = skips[-1].shape
        cut = skips[-1].view(batch, width, rows // 2, 2, columns // 2, 2)
        skips.append(convolution(cut.amax((3, 5))))
    features = skips.pop()
    for convolution in network.up:
        large = doubling(features.shape[2]) @ features @ doubling(features.shape[3]).T
        features = convolution(torch.cat([skips.pop(), large], 1))
    torch.testing.assert_close(network(images), network.head(features), atol=1e-5, rtol=1e-4)


def test_is_a_network() -> None:
    """It is built from its settings, takes no encoder, and refuses at planning what it cannot take."""
    settings = UNet.Settings(width=4)
    assert UNet.build(settings, [], channels=2, classes=4)(torch.zeros(2, 2, 16, 16)).shape == (2, 4, 16, 16)
    UNet.check([], 64)
    with pytest.raises(RevisitError, match="multiple of 16"):
        UNet.check([], 40)
    with pytest.raises(RevisitError, match="no encoder"):
        UNet.check([{"name": "swin"}], 64)
