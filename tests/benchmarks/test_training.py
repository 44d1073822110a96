"""Protects the benchmark of training, which reads collections as they are and the settings of the config."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from revisit.config.study import Entry

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(("name", "modality"), [("mae3d", "s1+s2"), ("stmim", "rgb")])
def test_a_line_has_all_its_figures(
    name: str, modality: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a method's batches look like."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.delitem(sys.modules, "training", raising=False)
    import gpu_training
    import training

    subject = gpu_training.tiny_size()[name]
    gpu_training.write_store(tmp_path / "patches", subject.data, gigabytes=0, least=24)
    content: dict[str, Any] = {"collection": "some", "modalities": [modality], "steps": 2, "batch_size": 4}
    entry = Entry.model_validate({**content, "method": subject.entry})
    monkeypatch.setattr(training, "prepare", lambda device, threads: None)  # it is for the whole process
    line = training.measure(tmp_path / "patches", entry, torch.device("cpu"), steps=2).split()
    assert len(line) == len(training.HEAD.replace("of matmul", "matmul").split())
    assert min(map(float, line[:5])) > 0 and all(line[at].endswith("%") for at in (5, 7))
