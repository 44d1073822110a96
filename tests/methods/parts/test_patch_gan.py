"""The discriminator is pix2pix's: its size, and how many pixels a verdict is of."""

import pytest
import torch

from revisit.methods.parts.patch_gan import Discriminator, PatchGAN
from revisit.nets.compiler import compiler_left_out


def test_is_the_network_of_the_paper() -> None:
    """2.769 million weights on two images of three bands, as the authors' code prints."""
    with compiler_left_out(), torch.device("meta"):
        count = sum(one.numel() for one in PatchGAN(6, 64, 3).parameters())
    assert f"{count / 1e6:.3f}" == "2.769"


@pytest.mark.parametrize(("layers", "side"), [(1, 16), (2, 34), (3, 70)])
def test_a_verdict_is_of_a_patch(layers: int, side: int) -> None:
    """Isola et al., section 4.4: patches of 16 and 70 pixels; told by where gradients come from."""
    judge = PatchGAN(2, 2, layers).eval()
    images = torch.randn(1, 2, 128, 128, requires_grad=True)
    verdicts = judge(images)
    verdicts[0, 0, verdicts.shape[2] // 2, verdicts.shape[3] // 2].backward()
    assert images.grad is not None
    touched = images.grad[0].abs().sum(0) > 0
    assert touched.any(0).sum() == touched.any(1).sum() == side


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_smallest_image_has_one_verdict(layers: int) -> None:
    least = Discriminator(layers=layers).least_pixels
    judge = PatchGAN(2, 2, layers).eval()
    assert judge(torch.zeros(1, 2, least, least)).shape == (1, 1, 1, 1)
