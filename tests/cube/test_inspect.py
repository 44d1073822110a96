"""Protects `revisit inspect`: it says what a thing is, where, when and of what; anything else it names."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import zarr

from revisit.cube.labels.labels import Settings, label
from revisit.cube.labels.ready import ready
from revisit.cube.stacking.stack import stack
from revisit.inspect import inspect, main


@pytest.fixture
def cube(tmp_path, download, settings) -> Path:
    scenes = download("sentinel-2")
    clear, cloud = np.full((24, 24), 4, np.uint8), np.full((24, 24), 9, np.uint8)
    red = np.random.default_rng(0).integers(200, 3000, (24, 24), dtype=np.uint16)
    scenes.add("first", "2020-01-01T10:00:00Z", {"red": red, "nir": red, "scl": clear})
    scenes.add("second", "2020-02-01T10:00:00Z", {"red": red, "nir": red, "scl": cloud})
    scenes.add("third", "2021-03-01T10:00:00Z", {"red": red, "nir": red, "scl": clear})
    path = tmp_path / "raw.zarr"
    stack([scenes.manifest()], path, region="here", sensor="sentinel-2", settings=settings(["red", "nir"]))
    return path


def test_a_cube_is_told_whole(cube) -> None:
    text = inspect(cube)
    for fact in (
        "raw cube of sentinel-2, region here",
        "24 x 24 pixels of 10 m (0.24 x 0.24 km), EPSG:32631",
        "reflectance",
        "2, from 2020-01-01 to 2021-03-01; 1 left out",
        "chunks 1 x 2 x 24 x 24 of time, band, y, x",
        "2020-02-01 10:00: no clear pixel (second)",
    ):
        assert fact in text
    assert re.search(r"^  red +664\.6$", text, re.MULTILINE)
    assert re.search(
        r"^  2020-01-01 10:00  100%  +descending 51  02\.14 +0 +none +first$", text, re.MULTILINE
    )


def test_labels_are_told_by_class(tmp_path, download, settings) -> None:
    maps = download("worldcover")
    codes = np.full((24, 24), 10, np.uint8)
    codes[:, :6] = 80
    maps.add("N48E003", "2020-01-01T00:00:00Z", {"map": codes}, unit="class")
    legend = ready("worldcover", "test")
    place = Settings(bbox=settings(["red"]).bbox, resolution_m=10, source="worldcover", legend=legend)
    label([maps.manifest()], tmp_path / "labels.zarr", region="here", settings=place)
    text = inspect(tmp_path / "labels.zarr")
    assert "label cube, region here" in text
    assert re.search(r"^ +10  Tree cover +75\.0%$", text, re.MULTILINE)
    assert re.search(r"^ +80  Permanent water +25\.0%$", text, re.MULTILINE)


LIMITS = {"lower": -25.5, "upper": 3.0, "mean": -11.25, "std": 4.75, "valid_pixels": 1000}
PATCHES = {
    "stage": "patches",
    "kind": "pairs",
    "collection": "near",
    "scaling": {"sentinel-1": {"clip_sigma": 3, "source_unit": "dB", "bands": {"vv": LIMITS}}},
    "patch_pixels": 32,
    "resolution_m": 10.0,
    "years": {"sentinel-1": [2019, 2020]},
    "split_distance_m": {"train-test": 640.0},
    "config_hash": "abc",
    "code_version": "1",
}
TOLD = ("32 x 32 pixels of 10 m (320 m)", "train-test 640 m", "sentinel-1 2019, 2020", "settings abc")


def test_patches_of_a_region_are_told_with_their_split_and_limits(tmp_path) -> None:
    own = {"region": "here", "parts": {"train": 3, "val": 1, "test": 1}, "source_cubes": ["here/scaled.zarr"]}
    path = tmp_path / "here.zarr"
    zarr.create_group(path, zarr_format=3, attributes={**PATCHES, **own})
    zarr.create_array(path, name="sentinel-1", shape=(5, 2, 1, 32, 32), dtype="uint8")
    text = inspect(path)
    for fact in (
        "patches of pairs, collection near, region here",
        "5: 3 train, 1 val, 1 test",
        "here/scaled.zarr",
        *TOLD,
    ):
        assert fact in text
    assert re.search(r"^  sentinel-1 +vv +dB +-25\.5 +3 +-11\.25 +4\.75 +1000$", text, re.MULTILINE)
    assert re.search(r"^  sentinel-1 +uint8 +5 x 2 x 1 x 32 x 32$", text, re.MULTILINE)


def test_a_collection_is_told_region_by_region(tmp_path, capsys) -> None:
    stores = [
        {"region": name, "epsg": epsg, "places": 4, "parts": {"train": train, "val": 1, "test": 1}}
        for name, epsg, train in (("here", 32631, 3), ("there", 32632, 7))
    ]
    own = {"study": "small", "stores": stores, "classes": ["Tree cover"], "empty_regions": {"sea": "no land"}}
    (tmp_path / "index.json").write_text(json.dumps({**PATCHES, **own}))
    for path in (tmp_path, tmp_path / "index.json"):
        text = inspect(path)
        for fact in (
            "collection near of pairs, study small",
            "14: 10 train, 2 val, 2 test",
            "sea: no land",
            "Tree cover",
            *TOLD,
        ):
            assert fact in text
        assert re.search(r"^  there +EPSG:32632 +4 +7 +1 +1$", text, re.MULTILINE)
    (tmp_path / "index.json").write_text('{"stage": "limits"}')
    assert main([str(tmp_path)]) == 1
    assert "not a cube, nor a folder of patches" in capsys.readouterr().err


def test_an_encoder_is_told_from_its_card(tmp_path) -> None:
    limits = {"lower": -25.5, "upper": 3.0, "mean": -11.25, "std": 4.75, "valid_pixels": 1000}
    card = {
        "architecture": {"name": "channel-vit", "bands": ["vv"], "depth": 4},
        "bands": ["vv"],
        "scaling": {"sentinel-1": {"clip_sigma": 3, "source_unit": "dB", "bands": {"vv": limits}}},
        "method": "3dmae-rm",
        "collapsed": False,
        "steps": 200,
        "parent_items": ["here-sentinel-1-scaled"],
        "code_version": "1",
        "config_hash": "abc",
    }
    (tmp_path / "card.json").write_text(json.dumps(card))
    (tmp_path / "encoder.safetensors").write_bytes(b"0" * 100_000)
    for path in (tmp_path, tmp_path / "encoder.safetensors"):
        text = inspect(path)
        for fact in ("encoder, 3dmae-rm", "name channel-vit, depth 4", "steps", "200", "0.1 MB", "-25.5"):
            assert fact in text


def test_a_model_is_told_from_its_card(tmp_path) -> None:
    """It is no encoder without weights, which would be made again."""
    limits = {"lower": -25.5, "upper": 3.0}
    card = {
        "network": {"name": "unet"}, "experiment": "maps", "method": "plain", "metric": "miou",
        "bands": ["vv"], "classes": ["Water", "Others"], "validation": 0.5, "code_version": "1",
        "scaling": {"sentinel-1": {"clip_sigma": 3, "source_unit": "dB", "bands": {"vv": limits}}},
    }  # fmt: skip
    (tmp_path / "card.json").write_text(json.dumps(card))
    assert main([str(tmp_path)]) == 1
    (tmp_path / "model.safetensors").write_bytes(b"0" * 100_000)
    for path in (tmp_path, tmp_path / "model.safetensors"):
        text = inspect(path)
        for fact in ("model, plain of the experiment maps", "Water, Others", "0.5", "0.1 MB", "-25.5"):
            assert fact in text


def test_the_command_prints_and_draws(cube, capsys, tmp_path) -> None:
    assert main([str(cube), "--quicklook", str(tmp_path / "look.png")]) == 0
    assert "raw cube of sentinel-2" in capsys.readouterr().out
    assert (tmp_path / "look.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("what", ["absent", "folder", "file", "zarr"])
def test_anything_else_is_one_clear_line(tmp_path, capsys, what) -> None:
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    elif what == "file":
        path.write_text("text")
    elif what == "zarr":
        zarr.create_group(path, zarr_format=3)
    assert main([str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {path}: ")
    assert err.count("\n") == 1
