"""What is handed out: other libraries load it as it stands, and its features are ours."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from revisit.export.command import export, main
from revisit.files import read_json
from revisit.nets.external.encoder import External
from revisit.nets.load_save import build_encoder, load_encoder, save_encoder

RTOL, ATOL = 1e-4, 1e-5  # of features, between two libraries in float32
BANDS = ["vv", "red", "green", "blue"]
LIMITS = {"vv": (-21.0, -3.0), "red": (-0.05, 0.3), "green": (-0.03, 0.25), "blue": (-0.02, 0.2)}
SCALING = {
    sensor: {
        "clip_sigma": 3.0,
        "source_unit": unit,
        "bands": {band: dict(zip(("lower", "upper"), LIMITS[band], strict=True)) for band in bands},
    }
    for sensor, unit, bands in (("sentinel-1", "dB", BANDS[:1]), ("sentinel-2", "reflectance", BANDS[1:]))
}
RESNET = {"name": "resnet", "depth": 18}
VIT = {"name": "channel-vit", "dim": 32, "depth": 2, "heads": 2, "patch_pixels": 8, "mlp_ratio": 2.0}
MAE = {**VIT, "name": "vit"}
SATVIT = {**MAE, "qkv_bias": False}
DINO = {**MAE, "pooling": "class-token"}
SWIN = {"name": "swin", "patch_pixels": 4, "dim": 8, "depths": [1, 1], "heads": [1, 2], "window": 4}
TIMM = {
    "name": "timm",
    "model": "test_vit",
    "channels": [665.0, "vv", "swir16", "nir"],
    "scale": {
        "unit": ["reflectance-10000", "dB", "reflectance-10000", "reflectance-10000"],
        "mean": [1200.0, -11.0, 900.0, 1500.0],
        "std": [900.0, 4.0, 500.0, 800.0],
    },
    "missing": "nearest",
}


def saved(folder: Path, architecture: dict[str, Any], side: int = 32) -> Path:
    """An encoder with random weights on disk, its norms away from where they begin."""
    torch.manual_seed(0)
    encoder = build_encoder({**architecture, "bands": BANDS, "image_pixels": side})
    for name, value in encoder.named_parameters():
        if value.ndim == 1:
            torch.nn.init.normal_(value, 1.0 if name.endswith("weight") else 0.0, 0.1)
    if isinstance(encoder, External):
        encoder.set_scale(SCALING)
    card = {"scaling": SCALING, "method": "mine", "title": "Mine", "steps": 7, "regions": ["here"]}
    save_encoder(encoder, folder, card)
    return folder


def physical(count: int = 2, side: int = 32) -> Tensor:
    """Reflectance and dB between the limits, [count, band, side, side]."""
    shares = torch.rand(count, len(BANDS), side, side, generator=torch.Generator().manual_seed(5))
    low, high = (torch.tensor([LIMITS[band][end] for band in BANDS])[:, None, None] for end in (0, 1))
    return low + shares * (high - low)


def features(folder: Path, values: Tensor) -> Tensor:
    encoder = load_encoder(folder)
    with torch.inference_mode():
        return encoder.pooled(encoder.standardise(values, BANDS))


@pytest.mark.parametrize("architecture", [RESNET, VIT, MAE, SATVIT, DINO], ids=lambda one: one["name"])
def test_timm_gives_the_same_features(architecture: dict[str, Any], tmp_path: Path) -> None:
    """By timm's own loader, from reflectance and dB, with the mean and deviation that its config says."""
    timm = pytest.importorskip("timm")
    folder = saved(tmp_path / "encoder", architecture)
    export(folder, "timm", tmp_path / "timm")
    model = timm.create_model(f"local-dir:{tmp_path / 'timm'}", pretrained=True).eval()
    mean, std = (torch.tensor(model.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    values = physical()
    with torch.inference_mode():
        found = model((values - mean) / std)
    torch.testing.assert_close(found, features(folder, values), rtol=RTOL, atol=ATOL)
    config = read_json(tmp_path / "timm" / "config.json")
    assert config["channels"] == BANDS and config["units"] == ["dB"] + ["reflectance"] * 3
    assert config["pretrained_cfg"]["input_size"] == [4, 32, 32]
    assert len({file.stat().st_mode for file in (tmp_path / "timm").iterdir()}) == 1


def test_a_model_of_timm_goes_back_to_timm(tmp_path: Path) -> None:
    """With its own channels, whose mean and deviation are the published ones in the cube's units."""
    timm = pytest.importorskip("timm")
    folder = saved(tmp_path / "encoder", TIMM)
    export(folder, "timm", tmp_path / "timm")
    model = timm.create_model(f"local-dir:{tmp_path / 'timm'}", pretrained=True).eval()
    config = model.pretrained_cfg
    np.testing.assert_allclose(config["mean"], [0.12, -11.0, 0.09, 0.15], rtol=1e-5)
    np.testing.assert_allclose(config["std"], [0.09, 4.0, 0.05, 0.08], rtol=1e-5)
    values = physical()
    fed = values[:, [1, 0, 1, 1]]  # red is nearest to both infrared bands
    mean, std = (torch.tensor(config[key])[:, None, None] for key in ("mean", "std"))
    with torch.inference_mode():
        found = model((fed - mean) / std)
    torch.testing.assert_close(found, features(folder, values), rtol=RTOL, atol=ATOL)
    assert "nir was fed band red" in (tmp_path / "timm" / "README.md").read_text()


@pytest.mark.parametrize("architecture", [SWIN, TIMM], ids=lambda one: one["name"])
def test_a_folder_for_a_hub_is_read_back(architecture: dict[str, Any], tmp_path: Path) -> None:
    """Every architecture; to the bit, with its card, and with the scale contract for those who read."""
    if architecture is TIMM:
        pytest.importorskip("timm")
    folder = saved(tmp_path / "encoder", architecture)
    assert main([str(folder), "--to", "hub"]) == 0
    hub = folder / "hub"
    assert sorted(file.name for file in hub.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    values = physical()
    assert torch.equal(features(hub, values), features(folder, values))
    assert load_encoder(hub).card == load_encoder(folder).card
    readme = (hub / "README.md").read_text()
    assert readme.startswith("---\nlibrary_name:") and "| vv | dB | -12 | 3 |" in readme


def test_torchgeo_takes_the_checkpoint(tmp_path: Path) -> None:
    """As the weights of a task, whose model then gives our features."""
    trainers = pytest.importorskip("torchgeo.trainers", reason="torchgeo, which reads it, is not installed")
    folder = saved(tmp_path / "encoder", RESNET)
    export(folder, "torchgeo", tmp_path / "torchgeo")
    checkpoint = str(tmp_path / "torchgeo" / "encoder.ckpt")
    task = trainers.ClassificationTask(model="resnet18", weights=checkpoint, in_channels=4, num_classes=3)
    form = read_rows(tmp_path / "torchgeo" / "README.md")
    mean, std = (torch.tensor([float(row[key]) for row in form])[:, None, None] for key in (2, 3))
    values, model = physical(), task.model.eval()
    with torch.inference_mode():
        found = model.forward_head(model.forward_features((values - mean) / std), pre_logits=True)
    torch.testing.assert_close(found, features(folder, values), rtol=RTOL, atol=ATOL)


def read_rows(readme: Path) -> list[list[str]]:
    """The rows of the README's table of channels."""
    lines = [line for line in readme.read_text().splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(
    "architecture", [VIT, SWIN, DINO, RESNET], ids=["channel-vit", "swin", "vit", "resnet"]
)
def test_onnx_takes_physical_values(architecture: dict[str, Any], tmp_path: Path) -> None:
    """By ONNX Runtime, any number of images; values beyond the limits are cut as ours."""
    folder = saved(tmp_path / "encoder", architecture)
    export(folder, "onnx", tmp_path / "onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "encoder.onnx"))
    for count in (1, 3):
        values = physical(count) + torch.tensor([3.0, 0.2, 0.0, 0.0])[:, None, None]
        (found,) = session.run(None, {"values": values.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), features(folder, values), rtol=RTOL, atol=ATOL)


def test_forms_an_encoder_does_not_have_are_one_line(tmp_path: Path, capsys: Any) -> None:
    """What cannot be is refused by name, what is there is not written over, and nothing is left half done."""
    pytest.importorskip("timm")
    swin, vit = saved(tmp_path / "swin", SWIN, 16), saved(tmp_path / "vit", VIT, 16)
    cases: list[tuple[list[str], str]] = [
        ([str(swin), "--to", "timm"], "swin: timm has no such architecture.*hub or onnx"),
        ([str(vit), "--to", "torchgeo"], "channel-vit: torchgeo makes models by their name alone"),
        ([str(vit), "--to", "hub", "--into", str(swin)], "swin: is there already; remove it"),
        ([str(tmp_path / "nowhere"), "--to", "hub"], "nowhere: not an encoder; give the folder"),
    ]
    for arguments, told in cases:
        assert main(arguments) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(told, line), line
    assert sorted(file.name for file in tmp_path.glob("*/*")) == sorted(
        ["card.json", "encoder.safetensors"] * 2
    )
