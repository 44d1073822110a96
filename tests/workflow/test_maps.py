"""Protects the use of what was evaluated: the best network by validation maps every region of the study."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from revisit.stac.api.folders import Catalogue

pytestmark = pytest.mark.slow

EXPERIMENT = "land-cover"


def card_of(path: Path) -> dict:
    return json.loads(path.read_text())


def test_the_best_by_validation_is_chosen(study):
    models = study.folder / "results/models" / EXPERIMENT
    rivals = [card_of(path) for path in sorted(models.glob("*/*/*/labels1/seed*/card.json"))]
    assert len(rivals) == 3
    chosen = card_of(models / "card.json")
    assert chosen["validation"] == max(card["validation"] for card in rivals)
    (same,) = [card for card in rivals if card["fingerprint"] == chosen["fingerprint"]]
    weights = (
        models / same["method"] / same["modality"] / same["protocol"] / "labels1/seed0/model.safetensors"
    )
    assert (models / "model.safetensors").read_bytes() == weights.read_bytes()
    for card in rivals:  # what a score file says of the validation that chose the state to keep
        run = f"{card['method']}/{card['modality']}/{card['protocol']}/labels1/seed0.json"
        score = card_of(study.folder / "results/scores" / EXPERIMENT / run)
        looks = [look["validation"] for look in score["training"]["curve"]]
        assert card["validation"] == pytest.approx(max(looks), abs=1e-9)


def test_every_region_is_mapped_where_it_lies(study):
    """On the grid of its labels, in codes of the chosen model's classes, with data nearly everywhere."""
    results = study.folder / "results"
    classes = card_of(results / "models" / EXPERIMENT / "card.json")["classes"]
    for region in ("east", "west"):
        labels = xr.open_zarr(results / f"cubes/{region}/labels.zarr")
        with rasterio.open(results / f"maps/{EXPERIMENT}/{region}.tif") as file:
            codes, tags = file.read(1), file.tags(ns="IMAGE_STRUCTURE")
            assert file.crs.to_string() == labels.attrs["proj:code"]
            assert list(file.transform)[:6] == labels.attrs["spatial:transform"]
            assert tags["LAYOUT"] == "COG"
        assert codes.shape == labels["land_cover"].shape
        assert (codes > 0).mean() > 0.95 and codes.max() <= len(classes)
        item = json.loads((results / f"maps/{EXPERIMENT}/{region}.json").read_text())
        assert item["properties"]["revisit:region"] == region
        for link in item["links"]:
            assert (results / "maps" / EXPERIMENT / link["href"]).is_file()
    # A STAC client finds them, and the features of the study, beside its cubes.
    catalogue = Catalogue([results])
    assert {"maps", "features", "sentinel-2-scaled"} <= set(catalogue.collections)
    for name in ("maps", "features"):
        west, south, east, north = catalogue.description(name)["extent"]["spatial"]["bbox"][0]
        assert -180 < west < east < 180 and -90 < south < north < 90
    page = (results / "report.html").read_text()
    assert "of 3 networks the one with the highest mIoU" in page and "<summary>west</summary>" in page


def test_the_command_makes_the_map_of_the_study(study, tmp_path):
    """From scaled cubes, and but for rounding from aligned ones, in the same place."""
    results, out = study.folder / "results", tmp_path / "west.tif"
    command = [sys.executable, "-m", "revisit.cli", "predict", f"results/models/{EXPERIMENT}"]
    subprocess.run(
        [*command, "results/cubes/west", str(out), "--threads", "1", "--device", "cpu"],
        cwd=study.folder, env=study.environment, check=True, capture_output=True,
    )  # fmt: skip
    assert out.read_bytes() == (results / f"maps/{EXPERIMENT}/west.tif").read_bytes()


def test_what_is_kept_of_networks(study, renamed, names):
    """Of each row its best seed, where no more is asked for; the best model and its maps are the same."""
    before, after = (one.folder / "results" for one in (study, renamed))
    kept = {
        names.back(path.relative_to(after).as_posix()) for path in after.glob("models/**/model.safetensors")
    }
    assert kept == {
        f"models/{EXPERIMENT}/model.safetensors",
        "models/land-cover/unet/s1/supervised/model.safetensors",
        "models/land-cover/stmim-unet/s1/fine-tune/model.safetensors",
        "models/land-cover/dual-stmim-unet/s1+rgb/fine-tune/model.safetensors",
        "models/masking/scratch/s1+s2/fine-tune/model.safetensors",
        "models/masking/3dmae-3dm/s1+s2/fine-tune/model.safetensors",
    }
    name = names.new[EXPERIMENT]
    model = after / f"models/{name}/model.safetensors"
    assert model.read_bytes() == (before / f"models/{EXPERIMENT}/model.safetensors").read_bytes()
    for region in ("east", "west"):
        maps = before / f"maps/{EXPERIMENT}/{region}.tif", after / f"maps/{name}/{names.new[region]}.tif"
        same = [rasterio.open(path).read(1) for path in maps]
        assert np.array_equal(*same)


def test_keeping_fewer_networks_trains_none_again(restored):
    """The page has no maps where no network is kept; of those that are there the best seeds are chosen."""
    restored.append("study.yaml", "\nkeep: {models: none}\n")
    assert set(restored.planned()) <= {"page", "all"}
    restored.edit("study.yaml", "models: none", "models: best")
    planned = restored.planned()
    assert planned.pop("best_seed") == 5
    assert set(planned) <= {"best_model", "predict", "page", "all"}
