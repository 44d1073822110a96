"""The U-Net generator is pix2pix's: its layers by hand, its size, where it drops out; and an encoder."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from revisit.errors import RevisitError
from revisit.nets.compiler import compiler_left_out
from revisit.nets.encoders.unet_generator import UNetGenerator
from revisit.nets.load_save import build_encoder

RGB = ["red", "green", "blue"]


def generator(levels: int, width: int = 4, side: int = 32, **more: object) -> UNetGenerator:
    torch.manual_seed(0)
    entry = {"name": "unet-generator", "levels": levels, "width": width, **more}
    made = build_encoder({**entry, "bands": RGB, "image_pixels": side})
    assert isinstance(made, UNetGenerator)
    return made


def test_is_the_network_of_the_paper() -> None:
    """54.414 million weights from three bands to three, as the authors print of one with two biases less."""
    with compiler_left_out(), torch.device("meta"):
        made = generator(8, 64, 256, makes=["a", "b", "c"])
    count = sum(one.numel() for one in made.parameters()) - 64 - 512
    assert f"{count / 1e6:.3f}" == "54.414"
    assert made.widths == (64, 128, 256, 512, 512, 512, 512, 512) and made.strides[-1] == 256


def test_layers_by_hand() -> None:
    """Down by strides of 2, up again with the level of the same size beside, tanh at the end."""
    made = generator(3).eval()
    norms = [level[1] for level in (made.down[1], made.up[0], made.up[1])]
    for norm in norms:
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    images = torch.randn(2, 3, 32, 32)

    def normed(values: torch.Tensor, norm: nn.BatchNorm2d) -> torch.Tensor:
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return (values - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]

    down, up, head = made.down, made.up, made.head
    first = F.leaky_relu(F.conv2d(images, down[0][0].weight, down[0][0].bias, 2, 1), 0.2)
    second = F.leaky_relu(normed(F.conv2d(first, down[1][0].weight, None, 2, 1), norms[0]), 0.2)
    third = F.leaky_relu(F.conv2d(second, down[2][0].weight, down[2][0].bias, 2, 1), 0.2)
    upper = F.relu(normed(F.conv_transpose2d(third, up[0][0].weight, None, 2, 1), norms[1]))
    both = torch.cat([upper, second], 1)
    upper = F.relu(normed(F.conv_transpose2d(both, up[1][0].weight, None, 2, 1), norms[2]))
    wanted = torch.tanh(F.conv_transpose2d(torch.cat([upper, first], 1), head.weight, head.bias, 2, 1))
    torch.testing.assert_close(made.generate(images), wanted)
    assert wanted.shape == (2, 2, 32, 32)
    torch.testing.assert_close(made.pyramid(images)[2], third)
    torch.testing.assert_close(made.pooled(images), third.mean((2, 3)))


@pytest.mark.parametrize(("levels", "dropping"), [(8, [0, 1, 2]), (6, [0, 1]), (5, [0]), (4, [])])
def test_dropout_is_in_the_first_wide_levels_on_the_way_up(levels: int, dropping: list[int]) -> None:
    with compiler_left_out(), torch.device("meta"):
        made = generator(levels, side=2**levels)
    dropped = [any(isinstance(layer, nn.Dropout) for layer in level) for level in made.up]
    assert [level for level, drops in enumerate(dropped) if drops] == dropping


def test_weights_start_as_in_the_paper() -> None:
    """Deviation 0.02; another start does not train in as many steps."""
    made = generator(5, 32)
    weights = [one for name, one in made.named_parameters() if one.ndim == 4]
    assert all(one.std().item() == pytest.approx(0.02, rel=0.1) for one in weights)
    norms = [module for module in made.modules() if isinstance(module, nn.BatchNorm2d)]
    assert torch.cat([norm.weight for norm in norms]).mean().item() == pytest.approx(1, abs=0.01)


def test_every_weight_has_its_depth() -> None:
    """For rates that decay from layer to layer: the way down by levels, then all of the way up."""
    made = generator(4)
    groups = made.layers()
    assert len(groups) == 5
    assert sorted(map(id, made.parameters())) == sorted(id(one) for group in groups for one in group)


def test_refuses_sides_it_cannot_halve_to_one() -> None:
    with pytest.raises(RevisitError, match="image_pixels 32 must be a multiple of 256"):
        generator(8)
    with pytest.raises(RevisitError, match="levels"):
        generator(1)
