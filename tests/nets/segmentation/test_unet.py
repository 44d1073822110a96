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


def test_is_a_network() -> None:
    """It is built from its settings, takes no encoder, and refuses at planning what it cannot take."""
    settings = UNet.Settings(width=4)
    assert UNet.build(settings, [], channels=2, classes=4)(torch.zeros(2, 2, 16, 16)).shape == (2, 4, 16, 16)
    assert UNet.short_name(settings, []) == "unet width 4"
    UNet.check([], 64)
    with pytest.raises(RevisitError, match="multiple of 16"):
        UNet.check([], 40)
    with pytest.raises(RevisitError, match="no encoder"):
        UNet.check([{"name": "swin"}], 64)
