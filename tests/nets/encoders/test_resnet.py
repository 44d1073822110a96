"""The ResNet is torchvision's, but for the bands it takes."""

import subprocess
import sys

import pytest
import torch

from revisit.errors import RevisitError
from revisit.nets.encoders.resnet import ResNet
from revisit.nets.load_save import build_encoder

RGB = ["red", "green", "blue"]


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_is_torchvisions(depth: int) -> None:
    """Same names, shapes and features as the reference, in training mode too."""
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    reference = getattr(models, f"resnet{depth}")()
    encoder = build_encoder({"name": "resnet", "depth": depth, "bands": RGB, "image_pixels": 64})
    state = {k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}
    assert list(encoder.state_dict()) == list(state)
    encoder.load_state_dict(state, strict=True)
    reference.fc = torch.nn.Identity()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)  # norms of so few values magnify rounding
    reference.double(), encoder.double()
    torch.testing.assert_close(encoder.pooled(images), reference(images))
    torch.testing.assert_close(encoder.eval().pooled(images), reference.eval()(images))
    assert encoder.feature_dim == (2048 if depth == 50 else 512)


def test_bands_and_stems() -> None:
    """Any number of bands; the small stem keeps the image's side; wrong depths and bands are refused."""
    entry = {"name": "resnet", "depth": 18, "bands": [f"b{n}" for n in range(12)], "image_pixels": 32}
    usual, small = build_encoder(entry), build_encoder({**entry, "stem": "small"})
    images = torch.randn(2, 12, 32, 32)
    assert [level.shape[2] for level in usual.pyramid(images)] == [8, 4, 2, 1]
    assert [level.shape[2] for level in small.pyramid(images)] == [32, 16, 8, 4]
    with pytest.raises(RevisitError, match="depth"):
        build_encoder({**entry, "depth": 20})
    with pytest.raises(RevisitError, match="needs bands"):
        usual.pooled(images[:, :2], ["b0", "b1"])


@pytest.mark.parametrize("depth", [18, 50])
def test_blocks_start_as_identity(depth: int) -> None:
    """As torchvision's zero_init_residual: the same weights are 0, all other norms stay 1."""
    models = pytest.importorskip("torchvision.models")
    reference = getattr(models, f"resnet{depth}")(zero_init_residual=True).state_dict()
    encoder = build_encoder({"name": "resnet", "depth": depth, "bands": RGB, "image_pixels": 64})
    assert isinstance(encoder, ResNet)
    encoder.start_as_identity()
    for name, value in encoder.state_dict().items():
        if value.ndim == 1:
            assert torch.equal(value, reference[name]), name


def test_layers_by_depth() -> None:
    """Layer decay sees the stem, then every block with its shortcut."""
    encoder = build_encoder({"name": "resnet", "depth": 18, "bands": RGB, "image_pixels": 32})
    named = {id(parameter): name for name, parameter in encoder.named_parameters()}
    groups = [{named[id(p)].rsplit(".", 2)[0] for p in group} for group in encoder.layers()]
    assert len(groups) == 1 + 8
    assert {named[id(p)] for p in encoder.layers()[0]} == {"conv1.weight", "bn1.weight", "bn1.bias"}
    assert any(name.startswith("layer2.0.downsample") for name in groups[3])


def test_weights_decide_the_layout() -> None:
    """With channels-last weights all maps are channels last, also of images cut from larger tensors."""
    torch.manual_seed(0)
    encoder = build_encoder({"name": "resnet", "depth": 18, "bands": RGB, "image_pixels": 32}).eval()
    images = torch.randn(2, 4, 3, 32, 32)[:, 1]
    expected = encoder.pyramid(images)
    last = encoder.to(memory_format=torch.channels_last)
    for level, wanted in zip(last.pyramid(images), expected, strict=True):
        assert level.shape[2:] == (1, 1) or level.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(level, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("width", [4, 8])
def test_narrow_networks_train_channels_last(width: int) -> None:
    """Strided 1 x 1 convolutions of so few channels write past their memory (PyTorch 2.15)."""
    code = (
        "import torch; from revisit.nets.load_save import build_encoder; "
        f"made = build_encoder({{'name': 'resnet', 'depth': 18, 'stem': 'small', 'width': {width}, "
        "'bands': ['b', 'g', 'r'], 'image_pixels': 64}).to(memory_format=torch.channels_last); "
        "[made.pooled(torch.randn(8, 3, 64, 64)).sum().backward() for _ in range(3)]"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
