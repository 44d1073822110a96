"""The collapse monitor: says collapsed of constant and of one-line features, not of an untrained network."""

import pytest
import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.nets.encoders.channel_vit import ChannelViT
from revisit.nets.load_save import build_encoder
from revisit.training.monitor import encoder_spread, spread

SETTINGS = ChannelViT.Settings(patch_pixels=4, dim=32, depth=1, heads=2)


class Constant(ChannelViT):
    """Answers the same features to every image."""

    def pooled(self, images: Tensor, bands: object = None) -> Tensor:
        return torch.linspace(1, 2, 32).expand(len(images), 32) + 0 * images.mean()


def test_constant_encoder_has_collapsed() -> None:
    """The loss of a collapsed run falls like any other; only this shows it."""
    images = torch.randn(64, 2, 8, 8)
    found = encoder_spread(Constant(SETTINGS, ("vv", "vh"), 8), images, ("vv", "vh"))
    assert found.collapsed and found.feature_std < 1e-6 and found.effective_rank == 0


def test_untrained_encoder_has_not() -> None:
    torch.manual_seed(0)
    encoder = build_encoder(
        {
            "name": "channel-vit",
            "dim": 32,
            "depth": 2,
            "heads": 2,
            "patch_pixels": 4,
            "bands": ["vv", "vh"],
            "image_pixels": 8,
        }
    ).train()
    images = torch.randn(64, 2, 1, 1) + 0.3 * torch.randn(64, 2, 8, 8)
    found = encoder_spread(encoder, images, ("vv", "vh"))
    assert not found.collapsed
    assert encoder.training  # put back


def test_features_on_one_line_have_collapsed() -> None:
    """Every image a multiple of one direction: spread, but of rank one."""
    torch.manual_seed(0)
    found = spread(torch.randn(64, 1) * torch.ones(1, 16))
    assert found.collapsed and found.feature_std > 0.5
    assert found.effective_rank == pytest.approx(1.0)


def test_isotropic_features_measure_one_and_full_rank() -> None:
    torch.manual_seed(0)
    found = spread(torch.randn(20_000, 8))
    assert found.feature_std == pytest.approx(1.0, abs=0.01)
    assert found.effective_rank == pytest.approx(8.0, abs=0.01)


def test_features_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(RevisitError, match="not finite"):
        spread(torch.tensor([[1.0, float("nan")]]))
