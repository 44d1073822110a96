"""An encoder of another project is a row: trained elsewhere, scored frozen and fine-tuned like any other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from revisit.cube.scaling.scaled_values import from_scaled
from revisit.evaluation.tasks.multi_label import TASK
from revisit.files import read_json
from revisit.job import Job
from revisit.patches.store import PatchStore
from revisit.record import read
from revisit.stage import run_file

timm = pytest.importorskip("timm")
SIDE = 16
BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
LOWER, UPPER = {"vv": -20.0, "vh": -28.0}, {"vv": -2.0, "vh": -9.0}
MEAN, STD = [1200.0, 1100.0, 1000.0, -11.0], [900.0, 800.0, 700.0, 4.0]  # red, green, blue, vv
UNITS = ["reflectance-10000"] * 3 + ["dB"]
ENCODER = {
    "name": "timm",
    "model": "test_vit",
    "channels": [665.0, "green", "blue", "vv"],
    "scale": {"unit": UNITS, "mean": MEAN, "std": STD},
    "enlarge": 2,
    "resolution_m": 30,
}


def scaling() -> dict[str, Any]:
    """Decibels of radar, reflectance of the rest, other limits for each band."""
    optical = {"blue": (-0.05, 0.25), "green": (-0.04, 0.3), "red": (-0.06, 0.4)}
    radar = {band: (LOWER[band], UPPER[band]) for band in ("vv", "vh")}
    return {
        sensor: {
            "clip_sigma": 3.0,
            "source_unit": unit,
            "bands": {band: {"lower": low, "upper": high} for band, (low, high) in bands.items()},
        }
        for sensor, unit, bands in (("sentinel-1", "dB", radar), ("sentinel-2", "reflectance", optical))
    }


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, collected: Callable[..., Path]) -> Path:
    """80 samples; each of three classes brightens one band."""
    random = np.random.default_rng(0)
    targets = (random.random((80, 3)) < 0.4).astype(np.uint8)
    images = random.normal(110, 25, (80, 1, 5, SIDE, SIDE))
    images[:, 0, [0, 2, 4]] += 50 * targets[:, :, None, None]
    images = images.clip(0, 255).astype(np.uint8)
    arrays = {
        "sentinel-1": images[:, :, :2],
        "sentinel-2": images[:, :, 2:],
        "multi_label": targets,
        "split": np.repeat([0, 1, 2], [48, 16, 16]).astype(np.uint8),
    }
    about = {"study": "test", "scaling": scaling(), "config_hash": "0", "resolution_m": 10}
    return collected(tmp_path_factory.mktemp("patches") / "pairs", "pairs", arrays, **about)


@pytest.fixture(scope="module")
def model() -> Any:
    """A model of timm with weights of its own, as if trained elsewhere."""
    torch.manual_seed(3)
    return timm.create_model("test_vit", num_classes=10, in_chans=4, img_size=32).eval()


@pytest.fixture(scope="module")
def adopted(index: Path, model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoder that the pretrain stage makes of its file."""
    folder = tmp_path_factory.mktemp("external")
    torch.save({"model": model.state_dict(), "epoch": 3}, folder / "weights.pth")
    method = {"name": "external", "encoder": ENCODER, "weights": str(folder / "weights.pth")}
    method |= {"layout": {"prefix": "model."}, "trained_on": "elsewhere-1M"}
    job = Job(
        "revisit.training.pretrain",
        input={"patches": str(index), "parents": []},
        output={
            "encoder": str(folder / "encoder.safetensors"),
            "card": str(folder / "card.json"),
            "history": str(folder / "log.csv"),
        },
        settings={
            "study": "test",
            "collection": "pairs",
            "name": "mine",
            "title": "Mine",
            "modality": "s1+rgb",
            "seed": 0,
            "training": {},
            "method": method,
            "checkpoint": str(folder / "checkpoint"),
        },
        log=str(folder / "log"),
    )
    job.write(folder / "job.json")
    assert run_file(folder / "job.json") == 0
    return folder / "encoder.safetensors"


def run(protocol: str) -> Any:
    experiment = {
        "task": "multi-label",
        "collection": "pairs",
        "pretrain_modality": "s1+rgb",
        "methods": ["mine"],
        "modalities": ["s1+rgb"],
        "protocols": [protocol],
        "label_fractions": [1.0],
        "seeds": [0],
        "fine_tune": {"batch_size": 16, "learning_rate": 2e-3, "max_steps": 4, "validate_every": 2},
    }
    pretraining = {
        "mine": {
            "collection": "pairs",
            "modalities": ["s1+rgb"],
            "method": {"name": "external", "encoder": ENCODER, "weights": "unused.pth"},
        }
    }
    return TASK.runs("x", read(TASK.Settings, experiment, "experiments.x"), pretraining)[0]


def test_features_are_timms_on_the_same_physical_values(
    index: Path, model: Any, adopted: Path, evaluate: Any, tmp_path: Path
) -> None:
    """Bands, units, limits, statistics, enlarging: from the 8 bit of the store to timm's own forward pass."""
    assert evaluate(index, [adopted], tmp_path / "linear.json", run("linear")) == 0
    found = np.load(tmp_path / "linear.features.npz")
    store = PatchStore(index)
    bands = ["red", "green", "blue", "vv"]
    stored = store.images(np.arange(80), bands, 0)
    limits = {band: about for one in scaling().values() for band, about in one["bands"].items()}
    physical = from_scaled(stored, *([limits[band][key] for band in bands] for key in ("lower", "upper")))
    physical[:, :3] *= 10_000
    inputs = (physical - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
    images = torch.from_numpy(inputs.astype(np.float32))
    images = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
    with torch.inference_mode():
        expected = model.forward_head(model.forward_features(images), pre_logits=True)
    name = next(key for key in found.files if found[key].ndim >= 2 and found[key].shape[-1] == 64)
    torch.testing.assert_close(torch.from_numpy(found[name]).reshape(80, 64), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("protocol", ["fine-tune", "knn"])
def test_it_is_scored_like_any_other(
    index: Path, adopted: Path, evaluate: Any, protocol: str, tmp_path: Path
) -> None:
    """Frozen and fine-tuned, with the columns that say whose weights it has."""
    planned = run(protocol)
    assert planned.pretrained  # figures draw it as one that has learnt
    assert evaluate(index, [adopted], tmp_path / "score.json", planned) == 0
    score = read_json(tmp_path / "score.json")
    assert "elsewhere-1M" in str(score)
    card = read_json(adopted.with_name("card.json"))
    assert card["weights_of"] == "elsewhere-1M" and card["steps"] == 0
    assert card["weights"]["input"]["fed"] == ["red", "green", "blue", "vv"]
    assert card["weights"]["input"]["unused"] == ["vh"]
    assert card["weights"]["input"]["resolution_m"] == 30
