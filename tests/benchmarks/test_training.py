"""Protects the benchmark of training, which reads collections as they are and the settings of the config."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from revisit.config.study import Entry

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which leaves this process's settings as they are."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.delitem(sys.modules, "training", raising=False)
    import training

    monkeypatch.setattr(training, "prepare", lambda device, threads: None)
    return training


@pytest.mark.parametrize(("name", "modality"), [("mae3d", "s1+s2"), ("stmim", "rgb")])
def test_a_line_has_all_its_figures(name: str, modality: str, tmp_path: Path, training: Any) -> None:
    """Whatever a method's batches look like."""
    import gpu_training

    subject = gpu_training.tiny_size()[name]
    gpu_training.write_store(tmp_path / "patches", subject.data, gigabytes=0, least=24)
    content: dict[str, Any] = {"collection": "some", "modalities": [modality], "steps": 2, "batch_size": 4}
    entry = Entry.model_validate({**content, "method": subject.entry})
    line = training.measure(tmp_path / "patches", entry, torch.device("cpu"), steps=2).split()
    assert len(line) == len(training.HEAD.replace("of matmul", "matmul").split())
    assert min(map(float, line[:5])) > 0 and all(line[at].endswith("%") for at in (5, 7))


def test_entries_of_many_epochs_are_measured(
    tmp_path: Path, training: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In no more than the steps asked for; entries that take no step, and those not asked for, are not."""
    resnet = {"name": "resnet", "depth": 18, "stem": "small", "width": 4}
    of = {"collection": "series", "modalities": ["rgb"]}
    long = {**of, "epochs": 10**6, "batch_size": 512}
    study = {
        "cube": {"bands": {"sentinel-2": ["blue", "green", "red"]}, "clip_sigma": 3},
        "search": {"sentinel-2": {"years": [2018, 2020, 2021]}},
        "collections": {"series": {"kind": "series", "patch_pixels": 16}},
        "pretraining": {
            "methods": {
                "random": {**of, "method": {"name": "scratch", "encoder": resnet}},
                "seco-18": {**long, "method": {"name": "seco", "encoder": resnet, "queue": 8}},
                "moco-18": {**long, "method": {"name": "moco-v2", "encoder": resnet, "queue": 8}},
            }
        },
    }
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    options = ["--steps", "1", "--batch", "4", "--only", "seco", "--only", "random"]
    monkeypatch.setattr(sys, "argv", ["training.py", "--configfile", str(tmp_path / "study.yaml"), *options])
    training.main()
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["seco-18"]
