"""ImageNet weights come in whole or not at all, and widening keeps the response to equal input."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from revisit.errors import RevisitError
from revisit.files import read_json, sha256
from revisit.nets.imagenet_weights import adopt_imagenet, widened
from revisit.nets.load_save import build_encoder, load_encoder, save_encoder

RGB = ["red", "green", "blue"]
ENTRY: dict[str, Any] = {"name": "resnet", "depth": 18, "bands": RGB, "image_pixels": 64}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Random weights in the layout of the real file."""
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    weights: dict[str, Tensor] = models.resnet18().state_dict()
    return weights


@pytest.fixture
def file(state: dict[str, Tensor], tmp_path: Path) -> Path:
    torch.save(state, tmp_path / "resnet18.pth")
    return tmp_path / "resnet18.pth"


def test_rgb_is_the_network_itself(state: dict[str, Tensor], file: Path) -> None:
    """On RGB the features are torchvision's; bands in another order get their own filters."""
    reference = pytest.importorskip("torchvision.models").resnet18()
    reference.load_state_dict(state)
    reference.fc = torch.nn.Identity()
    images = torch.randn(2, 3, 64, 64)
    for order in ([0, 1, 2], [2, 1, 0]):
        encoder = build_encoder({**ENTRY, "bands": [RGB[channel] for channel in order]}).eval()
        adopt_imagenet(encoder, file)
        torch.testing.assert_close(encoder.pooled(images[:, order]), reference.eval()(images))
    assert encoder.origin is not None and encoder.origin["sha256"] == sha256(file)


def test_files_of_other_makers(state: dict[str, Tensor], file: Path) -> None:
    """Safetensors are read too, and files from before batch norms counted batches."""
    older = {n: v for n, v in state.items() if not n.endswith("num_batches_tracked")}
    save_file(older, file.with_suffix(".safetensors"))
    first, second = build_encoder(ENTRY), build_encoder(ENTRY)
    adopt_imagenet(first, file)
    adopt_imagenet(second, file.with_suffix(".safetensors"))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.mark.parametrize("widen", ["mean", "repeat", "rgb-first"])
@pytest.mark.parametrize("extra", range(5))
def test_response_to_equal_input_is_kept(widen: Any, extra: int) -> None:
    """The sum of the filters over the bands stays, for any number of bands."""
    filters = torch.randn(8, 3, 7, 7, dtype=torch.float64)
    bands = ["nir", *RGB, "swir", "b9", "b10"][: 4 + extra] if extra else RGB
    wide = widened(filters, bands, widen)
    assert wide.shape == (8, len(bands), 7, 7)
    torch.testing.assert_close(wide.sum(1), filters.sum(1))


def test_what_each_band_gets() -> None:
    """Each choice does what its name says."""
    filters = torch.randn(4, 3, 3, 3)
    mean = filters.mean(1)
    four = widened(filters, ["nir", *RGB], "rgb-first") / 0.75
    for band, expected in zip(four.unbind(1), (mean, *filters.unbind(1)), strict=True):
        torch.testing.assert_close(band, expected)
    for sar in (widened(filters, ["vv", "vh"], widen) for widen in ("mean", "rgb-first")):
        torch.testing.assert_close(sar, torch.stack([1.5 * mean] * 2, 1))
    red, green, _, again = widened(filters, ["b1", "b2", "b3", "b4"], "repeat").unbind(1)
    torch.testing.assert_close(red, filters[:, 0] / 2)
    assert torch.equal(red, again) and torch.equal(green, filters[:, 1])
    assert torch.equal(widened(filters, RGB, "rgb-first"), filters)
    with pytest.raises(RevisitError, match="three bands or more"):
        widened(filters, ["vv", "vh"], "repeat")
    with pytest.raises(RevisitError, match="all of"):
        widened(filters, ["red", "nir"], "rgb-first")


def test_what_does_not_fit_is_refused(state: dict[str, Tensor], file: Path) -> None:
    """Absent, incomplete, surplus and misshapen weights, other architectures, and pickles of objects."""
    encoder = build_encoder(ENTRY)
    before = encoder.state_dict()["layer1.0.conv1.weight"].clone()
    with pytest.raises(RevisitError, match=r"nowhere\.pth: no such file; download .*https://"):
        adopt_imagenet(encoder, file.with_name("nowhere.pth"))
    cases = {
        "missing": {n: v for n, v in state.items() if n != "layer2.0.bn1.bias"},
        "unknown": {**state, "surplus": torch.zeros(1)},
        "another shape": {**state, "layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)},
        "holds no state dict": {"state_dict": state},
    }
    for message, weights in cases.items():
        torch.save(weights, file)
        with pytest.raises(RevisitError, match=message) as caught:
            adopt_imagenet(encoder, file)
        assert "\n" not in str(caught.value)
    torch.save(itertools.chain, file)
    with pytest.raises(RevisitError, match="tensors alone"):
        adopt_imagenet(encoder, file)
    assert torch.equal(encoder.state_dict()["layer1.0.conv1.weight"], before)
    torch.save(state, file)
    for other in ({"depth": 50}, {"stem": "small"}):
        with pytest.raises(RevisitError):
            adopt_imagenet(build_encoder({**ENTRY, **other}), file)


def test_planning_checks_without_memory(file: Path) -> None:
    """On the meta device the file is held against the architecture, and nothing is copied."""
    with torch.device("meta"):
        encoder = build_encoder({**ENTRY, "bands": ["vv", "vh"]})
    adopt_imagenet(encoder, file)
    with torch.device("meta"):
        deeper = build_encoder({**ENTRY, "depth": 34})
    with pytest.raises(RevisitError, match="missing"):
        adopt_imagenet(deeper, file)


def test_a_saved_encoder_says_where_its_weights_are_from(file: Path, tmp_path: Path) -> None:
    """It loads like ours, with the origin of its weights on its card."""
    limits = {"lower": -20.0, "upper": 0.0}
    scaling = {"sentinel-1": {"clip_sigma": 3, "source_unit": "dB", "bands": {"vv": limits, "vh": limits}}}
    out = tmp_path / "imagenet" / "encoder.safetensors"
    entry = {**ENTRY, "bands": ["vv", "vh"]}
    adopted = build_encoder(entry)
    adopt_imagenet(adopted, file, "mean")
    save_encoder(adopted, out.parent, {"scaling": scaling})
    encoder = load_encoder(out, scaling=scaling)
    expected = build_encoder(entry)
    adopt_imagenet(expected, file, "mean")
    images = torch.randn(1, 2, 64, 64)
    assert torch.equal(encoder.pooled(images), expected.eval().pooled(images))
    card = read_json(out.with_name("card.json"))
    assert card["weights"] == expected.origin and card["weights"]["trained_on"] == "ImageNet"
    assert card["weights"]["widen"] == "mean" and card["pooling"] == "mean"
