"""Weights from elsewhere come in whole, on the scale they were trained with, or not at all."""

import itertools
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from revisit.errors import RevisitError
from revisit.files import sha256
from revisit.methods.method import DataDescription, Method, build_method
from revisit.nets.external.encoder import External

timm = pytest.importorskip("timm")
BANDS = ("vv", "red", "green", "blue")
SCALING = {
    sensor: {
        "clip_sigma": 3.0,
        "source_unit": unit,
        "bands": {band: {"lower": low, "upper": high} for band in bands},
    }
    for sensor, unit, low, high, bands in (
        ("sentinel-1", "dB", -20.0, 0.0, BANDS[:1]),
        ("sentinel-2", "reflectance", -0.1, 0.5, BANDS[1:]),
    )
}
RESNET = {"name": "timm", "model": "test_resnet", "channels": ["red", "green", "blue"]}
VIT = {**RESNET, "model": "test_vit"}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A model as timm or torchvision saves it, with its classifier."""
    torch.manual_seed(0)
    weights: dict[str, Tensor] = timm.create_model("test_resnet", num_classes=7).state_dict()
    return weights


@pytest.fixture
def file(state: dict[str, Tensor], tmp_path: Path) -> Path:
    torch.save(state, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def build(weights: Path, encoder: dict[str, Any] = RESNET, side: int = 32, **changes: Any) -> Method:
    entry = {"name": "external", "encoder": encoder, "weights": str(weights), **changes}
    data = DataDescription(BANDS, side, clip_sigma=3.0, kind="pairs", scaling=SCALING)
    return build_method(entry, data)


def model_of(method: Method) -> torch.nn.Module:
    assert isinstance(method.encoder, External)
    return method.encoder.backbone.model


def test_every_weight_but_the_classifier(state: dict[str, Tensor], file: Path) -> None:
    """From torch's file or safetensors, also one from before batch norms counted; the card names the file."""
    method = build(file)
    for name, value in model_of(method).state_dict().items():
        assert torch.equal(value, state[name]), name
    origin = method.encoder.origin
    assert method.baseline and origin is not None and origin["sha256"] == sha256(file)
    assert origin["fresh"] == []
    older = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    save_file(older, file.with_suffix(".safetensors"))
    again = build(file.with_suffix(".safetensors"))
    assert torch.equal(model_of(again).state_dict()["conv1.0.weight"], state["conv1.0.weight"])


def test_a_layout_of_ones_own(state: dict[str, Tensor], tmp_path: Path) -> None:
    """A prefix, nested mappings, surplus networks, and weights that the file is said to lack."""
    path = tmp_path / "moco.pth"
    content = {f"module.encoder_q.{name}": value for name, value in state.items() if name != "bn1.weight"}
    content |= {f"module.encoder_k.{name}": value for name, value in state.items()}
    content |= {"module.encoder_q.projector.0.weight": torch.zeros(2, 2)}
    torch.save({"state_dict": content, "epoch": 3}, path)
    layout = {"prefix": "state_dict.module.encoder_q.", "left_out": ["projector."], "fresh": ["bn1.weight"]}
    method = build(path, layout=layout)
    assert torch.equal(model_of(method).state_dict()["bn1.bias"], state["bn1.bias"])
    assert method.encoder.origin is not None and method.encoder.origin["fresh"] == ["bn1.weight"]


def test_a_table_of_positions_is_resampled_as_timm_does(tmp_path: Path) -> None:
    """For images of another size the features are those of timm, which resamples as it goes."""
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=0, dynamic_img_size=True).eval()
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    method = build(tmp_path / "vit.pth", {**VIT, "channels": ["blue", "green", "red"]}, side=64)
    images = torch.randn(2, 4, 64, 64)
    with torch.inference_mode():
        expected = model(images[:, [3, 2, 1]])
        torch.testing.assert_close(method.encoder.eval().pooled(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda s: {n: v for n, v in s.items() if n != "layer2.0.bn1.bias"}, "1 weights missing"),
        (lambda s: {**s, "surplus": torch.zeros(1)}, r"1 weights unknown \(surplus"),
        (lambda s: {**s, "bn1.weight": torch.zeros(3)}, r"1 weights of another shape \(bn1.weight"),
        (lambda s: itertools.chain, "not a file of tensors alone"),
        (lambda s: [], "no weights begin with ''"),
    ],
)
def test_files_of_another_layout_are_one_line(spoil: Any, told: str, state: Any, tmp_path: Path) -> None:
    """On the meta device too, where planning looks."""
    path = tmp_path / "weights.pth"
    torch.save(spoil(state), path)
    for device in ("meta", "cpu"):
        with torch.device(device), pytest.raises(RevisitError, match=rf"weights\.pth: .*{told}") as caught:
            build(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("encoder", "changes", "told"),
    [
        (
            {**RESNET, "channels": ["red", "nir"]},
            {},
            "timm: needs a band 'nir', the images have vv, red, green",
        ),
        (RESNET, {"side": 48}, "timm: image_pixels 48 must be a multiple of 32 pixels"),
        ({**RESNET, "enlarge": 3}, {}, "timm: enlarge 3 must divide its finest cell of 4 pixels"),
        ({**VIT, "enlarge": 4}, {"side": 30}, "image_pixels 30 must be a multiple of 4"),
        ({**RESNET, "model": "resnet51"}, {}, "timm has no model 'resnet51'; there is resnet"),
        ({**RESNET, "model": "test_efficientnet"}, {}, "pools 256 features of a last map of 64; choose"),
        ({**RESNET, "options": {"depht": 3}}, {}, "timm cannot make test_resnet .*depht"),
        ({**RESNET, "scale": {"unit": "dB"}}, {}, "unit: is dB for 'red', band 'red' .* in reflectance"),
        ({**RESNET, "scale": {"mean": [0, 1]}}, {}, "scale.mean: has 2 values for 3 channels"),
        ({**RESNET, "scale": {"std": 0}}, {}, "scale.std"),
        ({"name": "resnet", "depth": 18}, {}, "takes encoders of other projects, such as timm; not resnet"),
        (
            RESNET,
            {"layout": {"prefix": "model."}},
            "no weights begin with 'model.', the first are conv1.0.weight",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(encoder: Any, changes: Any, told: str, file: Path) -> None:
    """A wrong band, image size, model, option, unit or file, at planning."""
    with torch.device("meta"), pytest.raises(RevisitError, match=told) as caught:
        build(file, encoder, **changes)
    assert "\n" not in str(caught.value)


def test_a_library_that_is_not_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install."""
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RevisitError, match=r"timm is not installed, .*pip install 'revisit\[timm\]'"):
        build(file, {**RESNET, "channels": ["red", "green"]})


def test_planning_copies_nothing(file: Path) -> None:
    """The file is held against the architecture, which stays without memory; then the scaling is needed."""
    with torch.device("meta"):
        planned = build(file)
    assert all(value.is_meta for value in planned.encoder.parameters())
    entry = {"name": "external", "encoder": RESNET, "weights": str(file)}
    with pytest.raises(RevisitError, match="scaling of the images is unknown"):
        build_method(entry, DataDescription(BANDS, 32, clip_sigma=3.0, kind="pairs"))
