"""Protects what an evaluation keeps of its network: it maps as it did when it was scored, or is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from revisit.cube.scaling.scaled_values import dtype_of
from revisit.errors import RevisitError
from revisit.evaluation.task import Run
from revisit.evaluation.tasks import multi_label, segmentation
from revisit.evaluation.trained_model import CARD, WEIGHTS, load_model
from revisit.patches.store import PatchStore
from revisit.record import read

SWIN = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [2, 2], "window": 4, "patch_pixels": 2}
VIT = {"name": "channel-vit", "dim": 32, "depth": 2, "heads": 2, "patch_pixels": 8}
TRAIN = {"max_steps": 4, "batch_size": 8, "learning_rate": 1e-2, "validate_every": 2}
PRETRAINING: dict[str, dict[str, Any]] = {
    "swin": {"collection": "yearly", "modalities": ["s1"], "method": {"name": "stmim", "encoder": SWIN}},
    "vit": {"collection": "pairs", "modalities": ["s1+rgb"], "method": {"name": "mae3d", "encoder": VIT}},
}
NETWORKS = {
    "plain": {"network": "unet", "modalities": ["s1+rgb"], "width": 4},
    "swin": {"network": "swin-unet", "modalities": ["s1"], "pretrained": "swin"},
}


def map_run(row: str) -> Run:
    given = {"task": "segmentation", "collection": "yearly", "seeds": [0], "train": TRAIN}
    settings = read(segmentation.TASK.Settings, given | {"networks": {row: NETWORKS[row]}}, "experiments.x")
    return segmentation.TASK.runs("x", settings, PRETRAINING)[0]


def scene_run() -> Run:
    given = {
        "task": "multi-label", "collection": "pairs", "seeds": [0], "methods": ["vit"], "modalities": ["s1"],
        "pretrain_modality": "s1+rgb", "protocols": ["fine-tune"], "fine_tune": TRAIN,
    }  # fmt: skip
    settings = read(multi_label.TASK.Settings, given, "experiments.x")
    return multi_label.TASK.runs("x", settings, PRETRAINING)[0]


def standardised(images: np.ndarray) -> torch.Tensor:
    """With three deviations on either side of the middle of 8 bit."""
    return torch.from_numpy((images.astype(np.float64) / 255 * 6 - 3).astype(np.float32))


@pytest.mark.parametrize("row", ["plain", "swin"])
@pytest.mark.parametrize("collection", ["yearly", "floats"])
def test_a_kept_network_maps_as_it_was_scored(
    request: pytest.FixtureRequest,
    collection: str,
    swins: dict[str, Path],
    evaluate: Callable[..., int],
    tmp_path: Path,
    row: str,
) -> None:
    """Of 8 bit and of floats; ``swin`` was pretrained on 8 bit either way."""
    yearly = request.getfixturevalue(collection)
    out, encoders = tmp_path / "score.json", [swins["s1"]] if row == "swin" else []
    assert evaluate(yearly, encoders, out, map_run(row)) == 0
    model = load_model(tmp_path / "score.model")
    kept = np.load(tmp_path / "score.npz")
    assert len({file.stat().st_mode for file in (tmp_path / "score.model").iterdir()}) == 1
    with torch.no_grad():
        maps = model.network(standardised(kept["image"])).argmax(1).numpy()
    assert np.array_equal(maps, kept["prediction"])
    curve = json.loads(out.read_text())["training"]["curve"]
    assert model.card["validation"] == pytest.approx(max(look["validation"] for look in curve))
    assert model.card["metric"] == "miou" and model.card["composite_year"] == 2020
    assert model.card["classes"] == kept["classes"].tolist()
    assert model.card["colours"] == kept["colours"].tolist()
    assert model.card["codes"] == [[50], [40], [80], [10, 20, 30, 60, 70, 90, 95, 100]]
    sensors = {"plain": {"sentinel-1", "sentinel-2"}, "swin": {"sentinel-1"}}
    assert set(model.card["scaling"]) == sensors[row]
    dtype = "float32" if collection == "floats" else "uint8"
    assert kept["image"].dtype == dtype
    assert {dtype_of(one).name for one in model.card["scaling"].values()} == {dtype}


def test_a_network_of_scenes_is_kept_too(
    pairs: Path, vits: list[Path], evaluate: Callable[..., int], tmp_path: Path
) -> None:
    """On some of its encoder's bands; a scene shows several classes, so their scores do not share a sum."""
    assert evaluate(pairs, vits[:1], tmp_path / "score.json", scene_run()) == 0
    model, kept = load_model(tmp_path / "score.model" / WEIGHTS), np.load(tmp_path / "score.npz")
    images = PatchStore(pairs).images(kept["sample"], ["vv", "vh"])
    with torch.no_grad():
        scores = torch.sigmoid(model.network(standardised(images))).numpy()
    assert scores == pytest.approx(kept["score"], abs=1e-5)
    assert model.card["bands"] == ["vv", "vh"] and model.card["composite_year"] is None
    assert model.card["max_days_apart"] == 12
    assert model.card["labels"] == "scene" and model.card["exclusive"] is False


def test_what_is_no_model_or_another_is_refused(
    yearly: Path, evaluate: Callable[..., int], tmp_path: Path
) -> None:
    assert evaluate(yearly, [], tmp_path / "score.json", map_run("plain")) == 0
    folder = tmp_path / "score.model"
    with pytest.raises(
        RevisitError, match=r"not a trained model; give a folder that holds .*, such as .*score"
    ):
        load_model(tmp_path)
    weights, card = load_file(folder / WEIGHTS), json.loads((folder / CARD).read_text())
    name = next(name for name, value in weights.items() if value.is_floating_point())
    save_file(weights | {name: weights[name] * 1.1}, folder / WEIGHTS)
    with pytest.raises(RevisitError, match="its output on the test image is not the one"):
        load_model(folder)
    save_file({key: value for key, value in weights.items() if key != name}, folder / WEIGHTS)
    with pytest.raises(RevisitError, match="1 weights missing"):
        load_model(folder)
    (folder / CARD).write_text(json.dumps(card | {"format": 0}))
    with pytest.raises(RevisitError, match="of format 0, this version reads models of format 1"):
        load_model(folder)
