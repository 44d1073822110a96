"""Saved encoders come back exactly, and nothing that does not fit is let through."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import revisit
from revisit.errors import RevisitError
from revisit.nets.load_save import (
    Encoder,
    architecture_modules,
    build_encoder,
    check_architecture,
    load_encoder,
    save_encoder,
)

VIT = {
    "name": "channel-vit",
    "bands": ["vv", "vh", "red"],
    "image_pixels": 16,
    "patch_pixels": 4,
    "dim": 16,
    "depth": 2,
    "heads": 2,
}
SWIN = {
    "name": "swin",
    "bands": ["vv", "vh"],
    "image_pixels": 32,
    "patch_pixels": 4,
    "dim": 8,
    "depths": [2, 2],
    "heads": [1, 2],
    "window": 4,
}
PLAIN_SWIN = {key: value for key, value in SWIN.items() if key not in ("bands", "image_pixels")}
RESNET = {"name": "resnet", "bands": ["vv", "vh"], "image_pixels": 32, "depth": 18, "stem": "small"}
COMPOSITE = {
    "name": "composite",
    "bands": ["vv", "vh", "red"],
    "image_pixels": 32,
    "parts": [
        {"bands": ["vv", "vh"], "encoder": PLAIN_SWIN},
        {"encoder": PLAIN_SWIN},
    ],
}
TIMM = {
    "name": "timm",
    "bands": ["vv", "vh", "red"],
    "image_pixels": 32,
    "model": "test_vit",
    "channels": ["vv", "red"],
    "enlarge": 2,
}
ALL = [VIT, SWIN, RESNET, COMPOSITE, TIMM]


def limits(lower: float) -> dict[str, float]:
    return {"lower": lower, "upper": lower + 20, "mean": lower + 10, "std": 10 / 3, "valid_pixels": 100}


SCALING: dict[str, Any] = {
    "sentinel-1": {"clip_sigma": 3, "source_unit": "dB", "bands": {"vv": limits(-22), "vh": limits(-28)}},
    "sentinel-2": {"clip_sigma": 3, "source_unit": "reflectance", "bands": {"red": limits(0)}},
}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Encoder, Path]:
    torch.manual_seed(0)
    encoder = build_encoder(VIT)
    save_encoder(encoder, tmp_path, {"scaling": SCALING, "method": "scratch"})
    return encoder, tmp_path


@pytest.mark.parametrize("architecture", ALL, ids=lambda entry: entry["name"])
def test_roundtrip(tmp_path: Path, architecture: dict[str, Any]) -> None:
    """A loaded encoder gives the same features to the bit, and the same file when saved again."""
    torch.manual_seed(0)
    encoder = build_encoder(architecture)
    images = torch.randn(2, len(encoder.bands), encoder.image_pixels, encoder.image_pixels)
    encoder.pooled(images)  # batch norms keep what they see
    encoder.eval()
    save_encoder(encoder, tmp_path / "a", {"scaling": SCALING})
    loaded = revisit.load_encoder(tmp_path / "a" / "encoder.safetensors")
    assert torch.equal(loaded.pooled(images), encoder.pooled(images))
    assert not loaded.training
    assert loaded.card is not None and loaded.card["bands"] == architecture["bands"]
    save_encoder(loaded, tmp_path / "b", {"scaling": SCALING})
    for name in ("encoder.safetensors", "card.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    modes = {file.stat().st_mode for file in (tmp_path / "a").iterdir()}
    assert len(modes) == 1, "who may read the card may read the weights"


def test_bands_are_checked(saved: tuple[Encoder, Path]) -> None:
    """Unknown bands are refused by the ViT; another order or count by the Swin."""
    folder = saved[1]
    load_encoder(folder, bands=["red", "vv"])
    with pytest.raises(RevisitError, match="green"):
        load_encoder(folder, bands=["green"])
    swin = build_encoder(SWIN)
    for wrong in (["vh", "vv"], ["vv"], ["vv", "vh", "red"]):
        with pytest.raises(RevisitError, match="needs bands"):
            swin.pooled(torch.zeros(1, len(wrong), 32, 32), wrong)
    with pytest.raises(RevisitError, match="expected images"):
        swin.pooled(torch.zeros(1, 3, 32, 32))
    with pytest.raises(RevisitError, match="multiples of 4"):
        saved[0].pooled(torch.zeros(1, 3, 18, 18))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("bands", "vv", "lower"), -22.001),
        (("bands", "vh", "upper"), -7.9),
        (("clip_sigma",), 2),
        (("source_unit",), "linear power"),
    ],
)
def test_scaling_is_checked(saved: tuple[Encoder, Path], path: tuple[str, ...], value: Any) -> None:
    """Other limits, unit or clip than in pretraining are refused, unless the band is not used."""
    load_encoder(saved[1], scaling=SCALING)
    other = copy.deepcopy(SCALING)
    place = other["sentinel-1"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(RevisitError, match="the images have") as caught:
        load_encoder(saved[1], scaling=other)
    assert "\n" not in str(caught.value)
    load_encoder(saved[1], bands=["red"], scaling=other)
    del other["sentinel-2"]
    with pytest.raises(RevisitError, match="no band 'red'"):
        load_encoder(saved[1], bands=["red"], scaling=other)


def test_weights_are_strict(saved: tuple[Encoder, Path]) -> None:
    """Missing, surplus, misshapen and altered weights are each refused in one line that names them."""
    folder = saved[1]
    file = folder / "encoder.safetensors"
    good = load_file(file)
    name = "norm.weight"
    cases = {
        "missing .*norm.weight": {key: value for key, value in good.items() if key != name},
        "unknown .*surplus": {**good, "surplus": torch.zeros(1)},
        "another shape .*norm.weight": {**good, name: torch.ones(3)},
        "not the one on card": {**good, name: good[name] * 1.01},
    }
    for message, weights in cases.items():
        save_file(weights, file)
        with pytest.raises(RevisitError, match=message) as caught:
            load_encoder(folder)
        assert "\n" not in str(caught.value)


def test_diverged_encoder_is_not_saved(tmp_path: Path) -> None:
    """Weights that are not numbers never become a result."""
    encoder = build_encoder(VIT)
    torch.nn.init.constant_(encoder.get_parameter("norm.weight"), float("nan"))
    with pytest.raises(RevisitError, match="not finite"):
        save_encoder(encoder, tmp_path, {"scaling": SCALING})
    assert not list(tmp_path.iterdir())


def test_what_is_not_an_encoder(saved: tuple[Encoder, Path]) -> None:
    """Absent files, other formats and pickles raise one line; a pickle is not even opened."""
    folder = saved[1]
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(RevisitError, match="format 99"):
        load_encoder(folder)
    (folder / "card.json").write_text(json.dumps({k: v for k, v in card.items() if k != "scaling"}))
    with pytest.raises(RevisitError, match="'scaling'"):
        load_encoder(folder)
    (folder / "card.json").write_text(json.dumps(card))
    torch.save({}, folder / "weights.pt")
    with pytest.raises(RevisitError, match="not an encoder"):
        load_encoder(folder / "weights.pt")
    torch.save({}, folder / "encoder.safetensors")
    with pytest.raises(RevisitError, match="not a safetensors file"):
        load_encoder(folder)
    (folder / "encoder.safetensors").unlink()
    with pytest.raises(RevisitError, match="no such file"):
        load_encoder(folder)
    with pytest.raises(RevisitError, match="no such file"):
        load_encoder(folder / "nowhere" / "encoder.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "channel-vi"}, "no encoder is called 'channel-vi'.* did you mean 'channel-vit'"),
        ({"dept": 2}, "dept"),
        ({"dim": 15}, "dim 15"),
        ({"image_pixels": 18}, "image_pixels 18"),
        ({"bands": ["vv", "vv"]}, "each once"),
    ],
)
def test_architecture_is_checked(change: dict[str, Any], message: str) -> None:
    """A misspelt or impossible setting raises one line that names it."""
    with pytest.raises(RevisitError, match=message):
        build_encoder({**VIT, **change})


def test_architecture_misses_a_setting() -> None:
    """A missing setting raises one line that names it."""
    for absent in ("name", "depth", "bands", "image_pixels"):
        with pytest.raises(RevisitError, match=rf"\.{absent} is missing"):
            build_encoder({key: value for key, value in VIT.items() if key != absent})


@pytest.mark.parametrize("architecture", ALL, ids=lambda entry: entry["name"])
def test_every_architecture_keeps_the_contract(architecture: dict[str, Any]) -> None:
    """Shapes are those announced, layers hold each parameter once, and building works without memory."""
    torch.manual_seed(0)
    encoder = build_encoder(architecture).eval()
    images = torch.randn(2, len(encoder.bands), 2 * encoder.image_pixels, encoder.image_pixels)
    height, width = images.shape[2:]
    shapes = [tuple(level.shape) for level in encoder.pyramid(images)]
    assert shapes == [
        (2, channels, height // stride, width // stride)
        for channels, stride in zip(encoder.widths, encoder.strides, strict=True)
    ]
    features = encoder.forward_features(images)
    assert features.shape == (2, shapes[-1][2] * shapes[-1][3], encoder.feature_dim)
    assert encoder.pooled(images).shape == (2, encoder.feature_dim)
    torch.testing.assert_close(encoder.pyramid(images)[-1].flatten(2).transpose(1, 2), features)
    parameters = [id(parameter) for group in encoder.layers() for parameter in group]
    assert sorted(parameters) == sorted(map(id, encoder.parameters())) and all(encoder.layers())
    with torch.device("meta"):
        planned = build_encoder(architecture)
    assert {p.device.type for p in planned.parameters()} == {"meta"}
    assert planned.architecture() == encoder.architecture()
    assert build_encoder(encoder.architecture()).architecture() == encoder.architecture()


def test_planning_needs_no_data() -> None:
    """An entry of a config is checked by itself; the images' bands and side are held against it later."""
    settings = check_architecture(PLAIN_SWIN)
    settings.check(64, ["vv"])
    with pytest.raises(RevisitError, match="image_pixels 36 must be a multiple of 8"):
        settings.check(36, ["vv"])
    with pytest.raises(RevisitError, match=r"pretraining\.stmim\.encoder: heads \[1, 3\]"):
        check_architecture({**PLAIN_SWIN, "heads": [1, 3]}, "pretraining.stmim.encoder")


def test_modules_of_an_architecture() -> None:
    """The code an encoder is made by, that of the encoders inside it too, each once."""
    assert architecture_modules(VIT) == ["revisit.nets.encoders.channel_vit"]
    modules = ["revisit.nets.encoders.composite", "revisit.nets.encoders.swin"]
    assert architecture_modules(COMPOSITE) == modules


def test_an_architecture_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder of somebody's own is named by its path, saved and loaded like any other."""
    (tmp_path / "mine.py").write_text(
        "from revisit.nets.encoders.channel_vit import ChannelViT\n\nclass Mine(ChannelViT): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    encoder = build_encoder({**VIT, "name": "mine:Mine"})
    save_encoder(encoder, tmp_path / "a", {"scaling": SCALING})
    assert type(load_encoder(tmp_path / "a")).__name__ == "Mine"
