"""Planning refuses what does not fit, in one line, without memory; every method says what it is."""

import json
from typing import Any

import pytest
import torch

from revisit import parts
from revisit.errors import RevisitError
from revisit.methods import listing
from revisit.methods.method import DataDescription, Method, build_method
from revisit.methods.trial import check_method
from revisit.nets.load_save import build_encoder
from revisit.training.settings import Training

VIT = {"name": "channel-vit", "patch_pixels": 4, "dim": 16, "depth": 1, "heads": 2}
SWIN = {"name": "swin", "patch_pixels": 4, "dim": 8, "depths": [2, 2], "heads": [1, 2], "window": 4}
ENTRIES: dict[str, dict[str, Any]] = {
    "mae3d": {"mask": "3dm", "encoder": VIT, "decoder": {"dim": 16, "depth": 1, "heads": 2}},
    "stmim": {"encoder": SWIN, "alpha": 0.1, "beta": 0.1, "years_per_step": 2},
    "scratch": {"encoder": SWIN},
    "simsiam": {"encoder": VIT},
    "moco-v2": {"encoder": VIT},
    "simclr": {"encoder": VIT},
    "dino-mm": {"encoder": VIT, "local_pixels": 8},
    "satvit": {"encoder": {**VIT, "name": "vit"}, "decoder": {"dim": 16, "depth": 1, "heads": 2}},
}
DATA = DataDescription(("vv", "vh", "red", "nir"), 32, 3, "yearly", (2019, 2020))


@pytest.mark.parametrize("name", ENTRIES)
def test_facts(name: str) -> None:
    """What planning is told of a method is what its class and its encoder are."""
    entry = {"name": name, **ENTRIES[name]}
    facts = check_method(entry, DATA, Training(epochs=1), parents=[])
    assert json.loads(json.dumps(facts)) == facts
    assert facts["name"] == name and facts["encoders"] == [""]
    encoder = entry["encoder"]["name"].replace("-", "_")
    assert facts["modules"] == [
        f"revisit.methods.{name.replace('-', '_')}",
        f"revisit.nets.encoders.{encoder}",
    ]
    assert build_encoder(facts["architecture"]).bands == DATA.bands
    kind: type[Method] = parts.find("method", name)
    assert facts["baseline"] == (kind.loss is Method.loss)
    assert facts["reconstructs"] == (kind.reconstruct is not Method.reconstruct)
    assert facts["tables"] == []


def test_tables_are_known_before_there_are_data() -> None:
    """The workflow has them for outputs: those of CACo, but not of its ablations, which estimate nothing."""
    data = DataDescription(("red",), 32, 3, "series", (2019, 2020))
    for other_era, wanted in (("if-changed", ["changes", "mixture"]), ("always", [])):
        for name in ("caco", "simclr-caco"):
            entry = {"name": name, "encoder": VIT, "change": {"other_era": other_era}}
            assert check_method(entry, data)["tables"] == wanted


@pytest.mark.parametrize("name", parts.names("method"))
def test_every_method_explains_itself(name: str) -> None:
    """A method of the package is found by its file, tells its source, and describes each of its keys."""
    kind: type[Method] = parts.find("method", name)
    assert len(kind.source) > 20 and len(kind.choices) > 20
    settings = kind.Settings.model_json_schema()["properties"]
    assert all("description" in settings[key] for key in settings if "$ref" not in settings[key])


def test_big_methods_take_no_memory() -> None:
    """A plan of twenty large methods must not allocate their weights."""
    large = {"name": "channel-vit", "patch_pixels": 8, "dim": 12288, "depth": 96, "heads": 96}
    assert check_method({"name": "moco-v2", "encoder": large}, DATA)["architecture"]["dim"] == 12288


def test_check_leaves_random_numbers_alone() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    check_method({"name": "mae3d", **ENTRIES["mae3d"]}, DATA)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("mae3d", {"encoder": {**VIT, "patch_pixels": 5}}, "multiple of 5"),
        ("mae3d", {"encoder": {**VIT, "heads": 3}}, "heads 3"),
        ("mae3d", {"encoder": {**VIT, "widht": 3}}, "widht"),
        ("mae3d", {"encoder": SWIN}, "must be channel-vit"),
        ("mae3d", {"mask_ratio": 1.5}, r"method\.mask_ratio.*1\.5"),
        ("mae3d", {"mask": "rm", "crop_pixels": 33}, "crop_pixels is 33, images have 32"),
        ("mae3d", {"mask_ration": 0.5}, "did you mean 'mask_ratio'"),
        ("stmim", {"beta": 1.5}, "use 0 to 1"),
        ("stmim", {"years_per_step": 3}, "2 to the 2 years"),
        ("moco-v2", {"queue": 100}, "queue 100 must be a multiple of batch_size 256"),
        ("simsiam", {"encoder": {}}, "encoder"),
    ],
)
def test_faults_are_named(name: str, changes: dict[str, Any], message: str) -> None:
    """Key, value and remedy, before anything is fetched."""
    with pytest.raises(RevisitError, match=message) as caught:
        check_method({"name": name, **ENTRIES[name], **changes}, DATA, Training(epochs=1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"encoder": VIT}, r"method\.name is None; give one of"),
        ({"name": "mae", "encoder": VIT}, "no method is called 'mae'"),
        ({"name": "revisit.record:Record", "encoder": VIT}, "no subclass"),
        ({"name": "nowhere.at_all:Mine", "encoder": VIT}, "cannot be loaded"),
    ],
)
def test_unknown_methods_are_named(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        check_method(entry, DATA)


def test_length_and_parents_are_checked() -> None:
    entry = {"name": "simsiam", **ENTRIES["simsiam"]}
    with pytest.raises(RevisitError, match="add epochs or steps"):
        check_method(entry, DATA, Training())
    with pytest.raises(RevisitError, match="starts from 0 other entries, parents names 2"):
        check_method(entry, DATA, parents=[{}, {}])
    check_method({"name": "scratch", **ENTRIES["scratch"]}, DATA, Training())  # takes no step


def test_scratch_is_untouched() -> None:
    """The encoder of scratch is the one its architecture and seed give, and nothing trains it."""
    data = DataDescription(("vv", "vh"), 32, 3, "pairs")
    torch.manual_seed(7)
    method = build_method({"name": "scratch", "encoder": VIT}, data)
    torch.manual_seed(7)
    twin = build_encoder({**VIT, "bands": ["vv", "vh"], "image_pixels": 32})
    assert method.baseline
    for ours, expected in zip(method.encoder.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, expected)


def test_listing(capsys: pytest.CaptureFixture[str]) -> None:
    """`revisit methods` tells of every method what it learns from."""
    assert listing.main([]) == 0
    told = capsys.readouterr().out
    for name in parts.names("method"):
        assert f"{name}\n" in told
    assert "all times of a place, kind yearly" in told
    assert "single images, kind pairs, with sentinel-1 and sentinel-2" in told
