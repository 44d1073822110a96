"""Protects the scores of a run whose repeats are one job: each is what it would be by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit.evaluation.task import Repeat
from revisit.evaluation.tasks.multi_label import TASK
from revisit.files import read_json
from revisit.job import Job
from revisit.record import read
from revisit.stage import run_file

VIT = {"name": "channel-vit", "dim": 32, "depth": 2, "heads": 2, "patch_pixels": 8}
MINE = {"collection": "pairs", "modalities": ["s1+rgb"], "method": {"name": "scratch", "encoder": VIT}}


@pytest.mark.parametrize("stage", ["probe", "floor"])
def test_all_repeats_of_a_run_at_once(
    stage: str, pairs: Path, vits: list[Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """By the labels, the seed and the encoder of each; a run that fails leaves what was there."""
    asked = {
        "task": "multi-label", "collection": "pairs", "pretrain_modality": "s1+rgb", "methods": ["mine"],
        "modalities": ["s1"], "protocols": ["linear"], "floors": ["band-statistics"],
        "label_fractions": [0.2, 1.0], "seeds": [0, 1, 2],
    }  # fmt: skip
    settings = read(TASK.Settings, asked, "experiments.x")
    (run,) = (one for one in TASK.runs("x", settings, {"mine": MINE}) if one.stage == stage)
    repeats: list[Repeat] = run.repeats(settings, [0, 1])
    assert len(repeats) == {"probe": 5, "floor": 4}[stage]
    singles = [tmp_path / f"{number}.json" for number in range(len(repeats))]
    for one, out in zip(repeats, singles, strict=True):
        given = [] if one.pretraining_seed is None else [vits[one.pretraining_seed]]
        assert evaluate(pairs, given, out, run, **one._asdict()) == 0

    inputs: dict[str, Any] = {"patches": str(pairs)}
    if stage == "probe":
        inputs["encoders"] = [str(path) for path in vits]
        inputs["features"] = [str(path.with_suffix(".features.npz")) for path in singles[:2]]
    names = {"experiment": "free-name", **run.model_dump(include={"method", "modality", "protocol"})}
    content = run.settings | {"repeats": [one._asdict() for one in repeats]}
    job, scores = tmp_path / "job.json", tmp_path / "scores"
    Job(f"revisit.evaluation.score_{stage}", names, inputs, {"scores": str(scores)}, content).write(job)
    assert run_file(job) == 0
    for one, single in zip(repeats, singles, strict=True):
        path = scores / f"labels{one.label_fraction:g}/seed{one.seed}.json"
        assert read_json(path) == read_json(single)
        with np.load(path.with_suffix(".npz")) as found, np.load(single.with_suffix(".npz")) as alone:
            np.testing.assert_array_equal(found["score"], alone["score"])
            np.testing.assert_array_equal(found["resampled"], alone["resampled"])
    assert len(list(scores.rglob("seed*"))) == 2 * len(repeats)

    before = {path: path.read_bytes() for path in scores.rglob("seed*")}
    content["repeats"][-1]["seed"] = "none"
    Job(f"revisit.evaluation.score_{stage}", names, inputs, {"scores": str(scores)}, content).write(job)
    assert run_file(job) == 1
    assert {path: path.read_bytes() for path in scores.rglob("seed*")} == before
