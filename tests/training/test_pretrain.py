"""The pretrain stage: what it writes, that a killed run ends as if it had not been, and how it refuses."""

import csv
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
import torch

from revisit.evaluation.columns import COSTS
from revisit.evaluation.networks import encoder_columns
from revisit.files import read_json, write_json
from revisit.job import Job
from revisit.methods.mae3d import MAE3D
from revisit.nets.load_save import load_encoder
from revisit.stage import run_file

ENCODER = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 4}
MASKED = {
    "name": "mae3d",
    "mask": "3dm",
    "encoder": ENCODER,
    "decoder": {"dim": 8, "depth": 1, "heads": 2},
    "mask_ratio": 0.5,
}
TRAINING = {
    "epochs": 6,
    "batch_size": 8,
    "learning_rate": 0.05,
    "monitor_every": 4,
    "checkpoint_minutes": 1e-9,
}
OUTPUTS = ("encoder.safetensors", "card.json", "log.csv", "reconstruction.npz")
FAULTY = """
import os, sys
from revisit.methods.mae3d import MAE3D
from revisit.stage import run_file
MAE3D.after_step = lambda self, moment: moment.step == int(sys.argv[1]) and os.kill(os.getpid(), 9)
raise SystemExit(run_file(sys.argv[2]))
"""

HEADER = (
    "step,epoch,loss,learning_rate,feature_std,effective_rank,"
    "cosine_between,cosine_within,found_again,share_kept"
)


def job(
    patches: Path,
    folder: Path,
    method: dict[str, Any] = MASKED,
    training: dict[str, Any] = TRAINING,
    modality: str = "s1+rgb",
    parents: tuple[Path, ...] = (),
    **changes: Any,
) -> Path:
    """The file of a job that pretrains into ``folder``; ``changes`` are of the loop's settings."""
    output = dict(zip(("encoder", "card", "history", "reconstruction"), OUTPUTS, strict=True))
    path = folder / "job.json"
    Job(
        "revisit.training.pretrain",
        input={"patches": str(patches), "parents": [str(parent) for parent in parents]},
        output={name: str(folder / file) for name, file in output.items()},
        settings={
            "study": "test",
            "collection": "some",
            "name": "entry",
            "title": "Entry",
            "modality": modality,
            "seed": 0,
            "parents": [f"parent{number}" for number in range(len(parents))],
            "training": {**training, **changes},
            "method": method,
            "checkpoint": str(folder / "checkpoint"),
        },
        log=str(folder / "log"),
    ).write(path)
    return path


def content(folder: Path) -> dict[str, Any]:
    """What the job left, but for what it cost, which no two runs share."""
    found: dict[str, Any] = {name: (folder / name).read_bytes() for name in OUTPUTS}
    card = json.loads(found["card.json"])
    return {**found, "card.json": {key: value for key, value in card.items() if key not in COSTS}}


@pytest.fixture(scope="module")
def whole(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    assert run_file(job(pairs, folder)) == 0
    return folder


def test_outputs_are_complete(whole: Path) -> None:
    card = json.loads((whole / "card.json").read_text())
    assert card["bands"] == ["vv", "vh", "red", "green", "blue"]
    assert (card["steps"], card["samples_seen"], card["collapsed"], card["seed"]) == (18, 144, False, 0)
    assert card["scaling"].keys() == {"sentinel-1", "sentinel-2"}
    assert card["clip_sigma"] == 3.0 and card["training_settings"]["batch_size"] == 8
    assert card["method_settings"] == MASKED and card["regions"] == ["here"] and card["parents"] == []
    assert (card["study"], card["method"], card["title"]) == ("test", "entry", "Entry")
    assert card["gpu_hours"] == 0 < min(card[name] for name in COSTS if name != "gpu_hours")
    assert card["parent_items"] and card["config_hash"] and card["code_version"]
    lines = (whole / "log.csv").read_text().splitlines()
    assert lines[0] == HEADER
    assert [line.split(",")[0] for line in lines[1:]] == ["4", "8", "12", "16", "18"]
    arrays = np.load(whole / "reconstruction.npz")
    assert arrays["input"].shape == arrays["masked"].shape == arrays["reconstruction"].shape == (8, 5, 8, 8)
    assert list(arrays["bands"]) == card["bands"]
    assert list((whole / "tensorboard").iterdir())
    assert not (whole / "checkpoint").exists()
    assert load_encoder(whole, scaling=card["scaling"]).bands == tuple(card["bands"])


def test_rerun_gives_the_same_bytes(whole: Path, pairs: Path, tmp_path: Path) -> None:
    """On a CPU a table must be reproducible to the bit."""
    assert run_file(job(pairs, tmp_path)) == 0
    assert content(tmp_path) == content(whole)


def test_killed_run_goes_on_to_the_same_bytes(whole: Path, pairs: Path, tmp_path: Path) -> None:
    """Nothing gets a last word at SIGKILL: what the timer saved must do."""
    path = job(pairs, tmp_path)
    killed = subprocess.run([sys.executable, "-c", FAULTY, "11", str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not any((tmp_path / name).exists() for name in OUTPUTS)
    assert (tmp_path / "checkpoint" / "checkpoint.pt").exists()
    assert run_file(path) == 0
    assert "going on after step 10" in (tmp_path / "log").read_text()
    assert content(tmp_path) == content(whole)


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(
        MAE3D, "after_step", lambda self, moment: moment.step == at and os.kill(os.getpid(), signal.SIGTERM)
    )


def test_sigterm_saves_and_fails(
    whole: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a time limit the job must exit non-zero, or the workflow takes half a run for a whole one."""
    with monkeypatch.context() as patch:
        interrupt(patch, at=7)
        assert run_file(job(pairs, tmp_path)) == 1
    assert "interrupted after step 7 of 18" in (tmp_path / "log").read_text()
    assert not (tmp_path / "encoder.safetensors").exists()
    assert run_file(job(pairs, tmp_path)) == 0
    assert "going on after step 7" in (tmp_path / "log").read_text()
    assert content(tmp_path) == content(whole)


def test_changed_settings_start_anew(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result must be that of the settings asked for, not of a mixture."""
    with monkeypatch.context() as patch:
        interrupt(patch, at=7)
        assert run_file(job(pairs, tmp_path / "a")) == 1
    assert run_file(job(pairs, tmp_path / "a", learning_rate=0.1)) == 0
    assert "made with other settings; starting anew" in (tmp_path / "a" / "log").read_text()
    assert run_file(job(pairs, tmp_path / "b", learning_rate=0.1)) == 0
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_changed_patches_start_anew(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    shutil.copytree(pairs.parent, other)
    write_json(other / "index.json", {**read_json(pairs), "config_hash": "ba9876543210"})
    with monkeypatch.context() as patch:
        interrupt(patch, at=7)
        assert run_file(job(pairs, tmp_path)) == 1
    assert run_file(job(other / "index.json", tmp_path)) == 0
    assert "made with other data; starting anew" in (tmp_path / "log").read_text()


def test_scratch_takes_the_same_path_without_a_step(pairs: Path, tmp_path: Path) -> None:
    path = job(pairs, tmp_path, {"name": "scratch", "encoder": ENCODER}, {}, modality="s1")
    assert run_file(path) == 0
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["steps"], card["samples_seen"], card["collapsed"]) == (0, 0, False)
    assert (tmp_path / "log.csv").read_text() == f"{HEADER}\n"
    assert not (tmp_path / "reconstruction.npz").exists() and not (tmp_path / "tensorboard").exists()


def test_series_method(yearly: Path, tmp_path: Path) -> None:
    """All years of a place reach the method, and the report gets a series back."""
    encoder = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [1, 2], "window": 2, "patch_pixels": 2}
    own = {"name": "stmim", "encoder": encoder, "alpha": 0.1, "beta": 0.1, "years_per_step": 2}
    assert run_file(job(yearly, tmp_path, own, {"steps": 3, "batch_size": 8})) == 0
    arrays = np.load(tmp_path / "reconstruction.npz")
    assert list(arrays["times"]) == [2019, 2020, 2021]
    assert arrays["reconstruction"].shape == (8, 3, 5, 8, 8)


def test_single_images_of_a_series(series: Path, tmp_path: Path) -> None:
    """A method on single images sees dates of the places, in colours; a baseline takes them too."""
    encoder = {"name": "resnet", "depth": 18, "stem": "small", "width": 4}
    colours = {"colour": 1.0, "grayscale": 0.2}
    own = {"name": "simclr", "encoder": encoder, "dim": 8, "augmentation": colours}
    length = {"steps": 2, "batch_size": 8}
    assert run_file(job(series, tmp_path / "simclr", own, length, modality="rgb")) == 0
    assert run_file(job(series, tmp_path / "none", {"name": "scratch", "encoder": encoder}, {}, "rgb")) == 0
    cards = [json.loads((tmp_path / name / "card.json").read_text()) for name in ("simclr", "none")]
    assert [card["samples_seen"] for card in cards] == [16, 0]
    assert all(card["architecture"]["bands"] == ["red", "green", "blue"] for card in cards)


@pytest.mark.parametrize("name", ["caco", "simclr-caco"])
def test_estimates_of_change_are_left_beside_the_encoder(name: str, series: Path, tmp_path: Path) -> None:
    """Every training place in both eras, where it lies; every fifth has one era, and so no estimate."""
    own = {"name": name, "encoder": ENCODER, "dim": 8, **({"queue": 32} if name == "caco" else {})}
    path = job(series, tmp_path, own, {"epochs": 1, "batch_size": 8}, modality="rgb")
    assert run_file(path) == 0, (tmp_path / "log").read_text()
    assert "19 of 24 places have two eras" in (tmp_path / "log").read_text()
    with (tmp_path / "changes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["place"]), int(row["era"])) for row in rows] == [
        (n, e) for n in range(24) for e in (0, 1)
    ]
    assert [float(row["x"]) for row in rows[::2]] == [500_000 + 80 * place for place in range(24)]
    for row in rows:
        known = int(row["place"]) % 5 != 0
        assert all(bool(row[key]) == known for key in ("distance", "ratio", "smoothed_ratio", "changed"))
    values = np.array([[float(row["smoothed_ratio"]), int(row["changed"])] for row in rows if row["changed"]])
    assert values[values[:, 1] == 1, 0].mean() > values[values[:, 1] == 0, 0].mean()
    with (tmp_path / "mixture.csv").open() as file:
        mixture = {row["component"]: row for row in csv.DictReader(file)}
    assert float(mixture["changed"]["mean"]) > float(mixture["unchanged"]["mean"])
    assert float(mixture["changed"]["weight"]) == pytest.approx(values[:, 1].mean(), abs=0.2)


HEIRS = """
from torch import nn
from revisit.methods.mae3d import MAE3D

class Heir(MAE3D):
    needs_parents = 1

    def start_from(self, parents):
        self.encoder.load_state_dict(parents[0].state_dict())
        self.other = parents[0].requires_grad_(False)

    def encoders(self):
        return {"": self.encoder, "other": self.other}
"""


def test_heir_starts_from_its_parent_and_leaves_two(
    whole: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method from outside takes over an encoder, trains on from it, and leaves both."""
    (tmp_path / "heirs.py").write_text(HEIRS)
    monkeypatch.syspath_prepend(tmp_path)
    method = {**MASKED, "name": "heirs:Heir"}
    path = job(
        pairs, tmp_path, method, {"steps": 1, "batch_size": 8, "learning_rate": 1e-9}, parents=(whole,)
    )
    assert run_file(path) == 0, (tmp_path / "log").read_text()
    parent, own, other = (load_encoder(folder) for folder in (whole, tmp_path, tmp_path / "other"))
    for name, values in parent.state_dict().items():
        torch.testing.assert_close(own.state_dict()[name], values, atol=1e-6, rtol=0)
        assert torch.equal(other.state_dict()[name], values)
    assert own.card is not None and own.card["parents"][0]["method"] == "parent0"
    assert own.card["parents"][0]["config_hash"] == (parent.card or {})["config_hash"]
    assert run_file(job(pairs, tmp_path, method, {"steps": 1, "batch_size": 8})) == 1
    assert "starts from 1 other entries, parents names 0" in (tmp_path / "log").read_text()


def test_sscl_is_two_jobs_and_its_card_tells_of_both(large: Path, tmp_path: Path) -> None:
    """CoRe begins with UniFeat's weights; its card has the lineage, and tables count the steps of both."""
    net = {"name": "channel-unet", "channel_width": 4, "width": 4}
    first, second = tmp_path / "unifeat", tmp_path / "core"
    short = {"batch_size": 8, "learning_rate": 1e-2}
    path = job(large, first, {"name": "unifeat", "encoder": net, "pixels": 16}, short | {"steps": 3})
    assert run_file(path) == 0, (first / "log").read_text()
    path = job(
        *(large, second, {"name": "core", "encoder": net}),
        short | {"steps": 2, "learning_rate": 1e-9},
        parents=(first / "encoder.safetensors",),
    )
    assert run_file(path) == 0, (second / "log").read_text()
    parent, own = load_encoder(first), load_encoder(second)
    for name, values in parent.extractor.named_parameters():
        torch.testing.assert_close(own.extractor.get_parameter(name), values, atol=1e-6, rtol=0)
    assert parent.card and own.card
    (told,) = own.card["parents"]
    assert told["config_hash"] == parent.card["config_hash"] and told["parents"] == []
    assert (told["steps"], own.card["steps"]) == (3, 2)
    assert encoder_columns([own.card])["pretrain_steps"] == 5


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"batch_size": 25}, "batch_size is 25, the training split has 24 samples"),
        ({"modality": "s3"}, "choose from"),
        ({"method": {**MASKED, "name": "mae3"}}, "no method is called 'mae3'"),
        ({"method": {**MASKED, "mask_rate": 0.5}}, "unknown key 'mask_rate'; did you mean 'mask_ratio'"),
        ({"learning_rat": 1}, "unknown key 'learning_rat'; did you mean 'learning_rate'"),
        ({"training": {"batch_size": 8}}, "add epochs or steps"),
    ],
)
def test_faults_are_one_line(pairs: Path, tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    assert run_file(job(pairs, tmp_path, **changes)) == 1
    log = (tmp_path / "log").read_text()
    assert line in log and len(log.splitlines()) == 1, log
    assert not (tmp_path / "encoder.safetensors").exists()


def test_the_collection_of_another_study_is_refused(pairs: Path, tmp_path: Path, capsys: Any) -> None:
    path = job(pairs, tmp_path)
    path.write_text(path.read_text().replace('"study": "test"', '"study": "mine"'))
    assert run_file(path) == 1
    assert "was made for the study 'test', this is 'mine'" in capsys.readouterr().err
