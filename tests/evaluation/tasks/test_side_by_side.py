"""Maps by encoders that were pretrained side by side: each sensor has its own, with its own weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from revisit.cube.labels.ready import ready
from revisit.errors import RevisitError
from revisit.evaluation.networks import load_encoders
from revisit.evaluation.task import Run
from revisit.evaluation.tasks.segmentation import TASK
from revisit.files import read_json
from revisit.nets.load_save import load_encoder
from revisit.patches.store import PatchStore
from revisit.record import read

SWIN = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [2, 2], "window": 4, "patch_pixels": 2}
BESIDE = {"name": "composite", "parts": [{"bands": ["vv", "vh"], "encoder": SWIN}, {"encoder": SWIN}]}
PRETRAINING: dict[str, dict[str, Any]] = {
    "beside": {
        "collection": "pairs",
        "modalities": ["s1+s2"],
        "method": {"name": "swinssl", "encoder": BESIDE},
    },
}
BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
SHAPE = {"patch_pixels": 16, "bands": BANDS, "legend": ready("worldcover", "test").described()}
COLLECTIONS = {"pairs": {"kind": "pairs", **SHAPE}, "yearly": {"kind": "yearly", **SHAPE}}
TRAIN = {"max_steps": 20, "batch_size": 8, "learning_rate": 1e-2, "validate_every": 20, "patience": 9}
SENSORS: dict[str, dict[str, Any]] = {
    "both": {"network": "dual-swin-unet", "modalities": ["s1+s2"], "pretrained": "beside", "drop_path": 0.0},
    "each": {"network": "swin-unet", "modalities": ["s1", "s2"], "pretrained": "beside", "drop_path": 0.0},
    "whole": {"network": "linear", "modalities": ["s1+s2"], "pretrained": "beside"},
}


def experiment(networks: dict[str, Any]) -> dict[str, Any]:
    return {
        "task": "segmentation",
        "collection": "yearly",
        "networks": networks,
        "seeds": [0],
        "train": TRAIN,
    }


def runs() -> list[Run]:
    return TASK.runs("x", read(TASK.Settings, experiment(SENSORS), "experiments.x"), PRETRAINING)


def test_encoders_side_by_side_serve_one_sensor_each() -> None:
    """A network of an encoder a sensor takes them apart; one of a single encoder has them as they are."""
    found = [run for run in runs() if run.stage != "floor"]
    joint = ("beside", "s1+s2")
    assert [(run.modality, run.encoders) for run in found] == [
        ("s1+s2", [joint, joint]), ("s1", [joint]), ("s2", [joint]), ("s1+s2", [joint])
    ]  # fmt: skip
    settings = read(TASK.Settings, experiment(SENSORS), "experiments.x")
    TASK.check("x", settings, PRETRAINING, COLLECTIONS)
    for named, modality, message in (
        ([["vv", "vh"]], "rgb", "'beside' is not pretrained on 'rgb'"),
        ([["vv"], ["vh"]], "s1", r"no part of the encoder takes \['vv', 'vh'\] and nothing else"),
        ([["vv"]], "s1", "takes the bands of whole parts"),
    ):
        parts = [*({"bands": part, "encoder": SWIN} for part in named), {"encoder": SWIN}]
        method = {"name": "swinssl", "encoder": {"name": "composite", "parts": parts}}
        other = {"beside": PRETRAINING["beside"] | {"method": method}}
        networks = {"row": SENSORS["each"] | {"modalities": [modality]}}
        settings = read(TASK.Settings, experiment(networks), "experiments.x")
        with pytest.raises(RevisitError, match=message):
            TASK.check("x", settings, other, COLLECTIONS)


def test_parts_of_a_composite_are_learnt_from(
    yearly: Path, encoder_of: Callable[..., Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """Each sensor's own weights, with the name of their shape; their one pretraining counts once."""
    bands = [*BANDS["sentinel-1"], *BANDS["sentinel-2"]]
    path = encoder_of(tmp_path / "beside", BESIDE, "s1+s2", bands, config_hash="abc")
    run = runs()[0]
    assert evaluate(yearly, [path, path], tmp_path / "x.json", run) == 0
    columns = read_json(tmp_path / "x.json")["columns"]
    swin = "swin dim 8 depth 1/1 heads 2/2 window 4 patch 2"
    assert (columns["encoder"], columns["pretrain_data"]) == (f"{swin} + {swin}", "pairs s1+s2")
    assert (columns["pretrain_samples"], columns["pretrain_steps"], columns["cpu_hours"]) == (64, 10, 0.5)
    sar, optical = load_encoders([path, path], ["s1", "s2"], PatchStore(yearly), "dual-swin-unet")
    whole, images = load_encoder(path), torch.randn(2, 5, 16, 16)
    alone = torch.cat([sar.pooled(images[:, :2]), optical.pooled(images[:, 2:])], 1)
    assert torch.equal(alone, whole.pooled(images))
