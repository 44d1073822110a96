"""The pretrain stage: what it writes, that a killed run ends as if it had not been, and how it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from revisit.methods.mae3d import MAE3D
from revisit.nets.encoder import load_encoder
from revisit.training.pretrain import main

ENCODER = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 4}
MASKED = {"encoder": ENCODER, "decoder": {"dim": 8, "depth": 1, "heads": 2}, "mask_ratio": 0.5}
SETTINGS = {
    "epochs": 6,
    "batch_size": 8,
    "learning_rate": 0.05,
    "monitor_every": 4,
    "checkpoint_minutes": 1e-9,
    "method": MASKED,
}
OUTPUTS = ("encoder.safetensors", "card.json", "log.csv", "reconstruction.npz")
FAULTY = """
import os, sys
from revisit.methods.mae3d import MAE3D
from revisit.training.pretrain import main
MAE3D.after_step = lambda self, step: step == int(sys.argv[1]) and os.kill(os.getpid(), 9)
raise SystemExit(main(sys.argv[2:]))
"""


def command(
    patches: Path,
    folder: Path,
    method: str = "3dmae-3dm",
    modality: str = "s1+rgb",
    settings: dict[str, Any] = SETTINGS,
    **changes: Any,
) -> list[str]:
    return [
        *("--patches", str(patches), "--collection", "pairs", "--method", method, "--modality", modality),
        *("--seed", "0", "--checkpoint", str(folder / "checkpoint"), "--log", str(folder / "log")),
        *("--out", str(folder / "encoder.safetensors"), "--settings", json.dumps({**settings, **changes})),
    ]


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


@pytest.fixture(scope="module")
def whole(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(command(pairs, folder)) == 0
    return folder


def test_outputs_are_complete(whole: Path) -> None:
    card = json.loads((whole / "card.json").read_text())
    assert card["bands"] == ["vv", "vh", "red", "green", "blue"]
    assert (card["steps"], card["samples_seen"], card["collapsed"], card["seed"]) == (18, 144, False, 0)
    assert card["scaling"].keys() == {"sentinel-1", "sentinel-2"}
    assert card["clip_sigma"] == 3.0 and card["method_settings"]["batch_size"] == 8
    assert card["parent_items"] and card["config_hash"] and card["code_version"]
    lines = (whole / "log.csv").read_text().splitlines()
    assert lines[0] == "step,epoch,loss,learning_rate,feature_std,effective_rank"
    assert [line.split(",")[0] for line in lines[1:]] == ["4", "8", "12", "16", "18"]
    arrays = np.load(whole / "reconstruction.npz")
    assert arrays["input"].shape == arrays["masked"].shape == arrays["reconstruction"].shape == (8, 5, 8, 8)
    assert list(arrays["bands"]) == card["bands"]
    assert list((whole / "tensorboard").iterdir())
    assert not (whole / "checkpoint").exists()
    assert load_encoder(whole, scaling=card["scaling"]).bands == tuple(card["bands"])


def test_rerun_gives_the_same_bytes(whole: Path, pairs: Path, tmp_path: Path) -> None:
    """On a CPU a table must be reproducible to the bit."""
    assert main(command(pairs, tmp_path)) == 0
    assert content(tmp_path) == content(whole)


def test_killed_run_goes_on_to_the_same_bytes(whole: Path, pairs: Path, tmp_path: Path) -> None:
    """Nothing gets a last word at SIGKILL: what the timer saved must do."""
    arguments = command(pairs, tmp_path)
    killed = subprocess.run([sys.executable, "-c", FAULTY, "11", *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not any((tmp_path / name).exists() for name in OUTPUTS)
    assert (tmp_path / "checkpoint" / "checkpoint.pt").exists()
    assert main(arguments) == 0
    assert "going on after step 10" in (tmp_path / "log").read_text()
    assert content(tmp_path) == content(whole)


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(
        MAE3D, "after_step", lambda self, step: step == at and os.kill(os.getpid(), signal.SIGTERM)
    )


def test_sigterm_saves_and_fails(
    whole: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a time limit the job must exit non-zero, or the workflow takes half a run for a whole one."""
    with monkeypatch.context() as patch:
        interrupt(patch, at=7)
        assert main(command(pairs, tmp_path)) == 1
    assert "interrupted after step 7 of 18" in (tmp_path / "log").read_text()
    assert not (tmp_path / "encoder.safetensors").exists()
    assert main(command(pairs, tmp_path)) == 0
    assert "going on after step 7" in (tmp_path / "log").read_text()
    assert content(tmp_path) == content(whole)


def test_changed_settings_start_anew(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result must be that of the settings asked for, not of a mixture."""
    with monkeypatch.context() as patch:
        interrupt(patch, at=7)
        assert main(command(pairs, tmp_path / "a")) == 1
    assert main(command(pairs, tmp_path / "a", learning_rate=0.1)) == 0
    assert "made with other settings; starting anew" in (tmp_path / "a" / "log").read_text()
    assert main(command(pairs, tmp_path / "b", learning_rate=0.1)) == 0
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_changed_patches_start_anew(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.zarr"
    shutil.copytree(pairs, other)
    zarr.open_group(other).attrs["config_hash"] = "ba9876543210"
    with monkeypatch.context() as patch:
        interrupt(patch, at=7)
        assert main(command(pairs, tmp_path)) == 1
    assert main(command(other, tmp_path)) == 0
    assert "made with other data; starting anew" in (tmp_path / "log").read_text()


def test_scratch_takes_the_same_path_without_a_step(pairs: Path, tmp_path: Path) -> None:
    arguments = command(
        pairs, tmp_path, method="scratch", modality="s1", settings={"method": {"encoder": ENCODER}}
    )
    assert main(arguments) == 0
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["steps"], card["samples_seen"], card["collapsed"]) == (0, 0, False)
    assert (tmp_path / "log.csv").read_text() == "step,epoch,loss,learning_rate,feature_std,effective_rank\n"
    assert list(np.load(tmp_path / "reconstruction.npz")["bands"]) == ["vv", "vh"]


def test_series_method(yearly: Path, tmp_path: Path) -> None:
    """All years of a place reach the method, and the report gets a series back."""
    encoder = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [1, 2], "window": 2, "patch_pixels": 2}
    own = {"encoder": encoder, "alpha": 0.1, "beta": 0.1, "years_per_step": 2}
    settings = {"steps": 3, "batch_size": 8, "method": own}
    assert main(command(yearly, tmp_path, method="stmim", settings=settings)) == 0
    arrays = np.load(tmp_path / "reconstruction.npz")
    assert list(arrays["times"]) == [2019, 2020, 2021]
    assert arrays["reconstruction"].shape == (8, 3, 5, 8, 8)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"batch_size": 25}, "batch_size is 25, the training split has 24 samples"),
        ({"modality": "s3"}, "choose from"),
        ({"method": "3dmea"}, "no method named '3dmea'"),
        ({"settings": {"epochs": 1, "batch_size": 8, "method": {**MASKED, "mask_rate": 0.5}}}, "mask_rate"),
    ],
)
def test_faults_are_one_line(pairs: Path, tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    assert main(command(pairs, tmp_path, **changes)) == 1
    log = (tmp_path / "log").read_text()
    assert line in log and len(log.splitlines()) == 1, log
    assert not (tmp_path / "encoder.safetensors").exists()
