"""The linear map sees every level of an encoder of any architecture, and nothing but a linear map of it."""

import pytest
import torch
import torch.nn.functional as F

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder
from revisit.nets.load_save import build_encoder
from revisit.nets.segmentation.linear import LinearMap

SETTINGS = {
    "channel-vit": {"dim": 16, "depth": 1, "heads": 2, "patch_pixels": 8},
    "swin": {"dim": 8, "depths": [1, 1], "heads": [1, 2], "window": 2, "patch_pixels": 4},
    "resnet": {"depth": 18, "stem": "small", "width": 4},
}


def encoder(name: str) -> Encoder:
    torch.manual_seed(0)
    return build_encoder({"name": name, "bands": ["vv", "vh"], "image_pixels": 32, **SETTINGS[name]})


@pytest.mark.parametrize("name", SETTINGS)
def test_logits_are_a_linear_map_of_all_levels(name: str) -> None:
    """By hand: every cell of the finest level has what lies there in each level, weighed and summed."""
    network = LinearMap(encoder(name), classes=3).eval()
    images = torch.randn(2, 2, 32, 32)
    levels = network.encoder.pyramid(images)
    side = levels[0].shape[2:]
    cells = torch.cat([F.interpolate(level, side, mode="bilinear") for level in levels], 1)
    cells = cells / (1 + network.norm.eps) ** 0.5  # of an untrained norm in evaluation mode
    weighed = torch.einsum("kc,bcyx->bkyx", network.head.weight[:, :, 0, 0], cells)
    weighed = weighed + network.head.bias[:, None, None]
    expected = F.interpolate(weighed, images.shape[2:], mode="bilinear")
    torch.testing.assert_close(network(images), expected, atol=1e-5, rtol=1e-4)
    assert network.head.in_channels == sum(network.encoder.widths)


def test_it_takes_one_encoder() -> None:
    """None would leave nothing to map, of two it is not said which."""
    architecture = encoder("swin").architecture()
    LinearMap.check([architecture], 32)
    for number in (0, 2):
        with pytest.raises(RevisitError, match=f"linear: takes one encoder, got {number}"):
            LinearMap.check([architecture] * number, 32)
        with pytest.raises(RevisitError, match=f"linear: takes one encoder, got {number}"):
            LinearMap.build(LinearMap.Settings(), [encoder("swin")] * number, 2, 3)
    assert LinearMap.short_name(LinearMap.Settings(), [architecture]).startswith("swin")
