"""Protects tables from what is no number: features that are not finite end an evaluation, and are named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from revisit.evaluation.features import Reader
from revisit.evaluation.task import Run
from revisit.evaluation.tasks.multi_label import TASK
from revisit.nets.encoders.channel_vit import ChannelViT
from revisit.patches.store import PatchStore
from revisit.record import read
from revisit.stage import run_file

VIT = {"name": "channel-vit", "dim": 32, "depth": 2, "heads": 2, "patch_pixels": 8}
MINE = {"collection": "pairs", "modalities": ["s1+rgb"], "method": {"name": "scratch", "encoder": VIT}}


def planned(protocol: str) -> Run:
    """A row of scenes by this protocol, on the first of both sensors."""
    asked = {
        "task": "multi-label", "collection": "pairs", "pretrain_modality": "s1+rgb", "methods": ["mine"],
        "modalities": ["s1"], "protocols": [protocol], "label_fractions": [1.0], "seeds": [0],
        "frozen": {"batch_size": 16, "learning_rate": 2e-3, "max_steps": 20, "validate_every": 10},
    }  # fmt: skip
    return TASK.runs("x", read(TASK.Settings, asked, "experiments.x"), {"mine": MINE})[0]


@pytest.mark.parametrize(
    ("protocol", "value"), [("linear", np.nan), ("knn", np.inf), ("frozen", np.nan), ("frozen", -np.inf)]
)
def test_features_that_are_not_finite_are_refused(
    protocol: str, value: float, pairs: Path, vits: list[Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, error_line: Callable[[], str], evaluate: Callable[..., int],
) -> None:  # fmt: skip
    """Of one training image: the line names it, the collection and the encoder, and no score is left."""
    images = Reader(PatchStore(pairs), ["vv", "vh"], torch.device("cpu"))
    level, pooled = float(images(np.array([42])).mean()), ChannelViT.pooled

    def overflowing(self: ChannelViT, images: torch.Tensor, *bands: Any) -> torch.Tensor:
        like_it = ((images.mean((1, 2, 3)) - level).abs() < 1e-5).nonzero()[:, 0]
        return pooled(self, images, *bands).index_fill(0, like_it, value)

    monkeypatch.setattr(ChannelViT, "pooled", overflowing)
    run, out = planned(protocol), tmp_path / "x.json"
    assert evaluate(pairs, vits[:1], out, run) == 1
    line = error_line()
    assert f"{pairs}: outputs of the encoder made-up (s1+rgb, seed 0) are not finite for 1 of " in line
    assert "samples, the first of which is 42; train at a lower learning rate" in line
    assert not out.exists()


@pytest.mark.parametrize("protocol", ["linear", "knn"])
def test_kept_features_that_are_not_finite_are_refused(
    protocol: str, pairs: Path, vits: list[Path], tmp_path: Path,
    error_line: Callable[[], str], evaluate: Callable[..., int],
) -> None:  # fmt: skip
    """Features may be older than the check that is made where they are written."""
    out = tmp_path / "x.json"
    assert evaluate(pairs, vits[:1], out, planned(protocol)) == 0
    with np.load(features := out.with_suffix(".features.npz"), allow_pickle=False) as file:
        kept = dict(file)
    kept["features"][[7, 99], 3] = np.nan
    np.savez(features, **kept)
    out.unlink()
    assert run_file(out.with_suffix(".job")) == 1
    line = error_line()
    assert f"{features}: features of {pairs} are not finite for 2 of 150 samples, the first of" in line
    assert not out.exists()
