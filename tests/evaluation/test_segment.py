"""The stage segment, from command line to score file and maps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit.evaluation import segment
from revisit.evaluation.metrics import IGNORE
from revisit.files import read_json

TRAIN = {"steps": 80, "batch_size": 8, "learning_rate": 1e-2, "optimiser": "adamw", "validations": 2}
SWIN = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [2, 2], "window": 4, "patch_pixels": 2}
SETTINGS: dict[str, Any] = {
    "seeds": [0, 1],
    "train": TRAIN,
    "network": {"width": 8, "swin": SWIN, "drop_path": 0.0},
}
RUNS = [("unet", "s1"), ("swin-unet", "s1"), ("stmim-unet", "s1"), ("dual-stmim-unet", "s1+rgb")]


def run(patches: Path, encoders: list[Path], out: Path, method: str, modality: str, **changes: Any) -> int:
    options = {
        "patches": patches,
        "experiment": "land-cover",
        "method": method,
        "modality": modality,
        "settings": json.dumps(SETTINGS | changes),
        "out": out,
        "predictions": out.with_suffix(".npz"),
    }
    named = [f"--{name}={value}" for name, value in options.items()]
    return segment.main([*named, "--encoders", *map(str, encoders)])


def encoders_of(method: str, swins: dict[str, Path]) -> list[Path]:
    return {"stmim-unet": [swins["s1"]], "dual-stmim-unet": [swins["rgb"], swins["s1"]]}.get(method, [])


@pytest.mark.parametrize(("method", "modality"), RUNS)
def test_every_network_learns_the_map(
    method: str, modality: str, yearly: Path, swins: dict[str, Path], tmp_path: Path
) -> None:
    """Classes are plain in the composite of the label year only: another year would stay at chance."""
    out = tmp_path / "x.json"
    assert run(yearly, encoders_of(method, swins), out, method, modality) == 0
    content = read_json(out)
    values = {(row["class"], row["metric"]): row for row in content["rows"]}
    assert values["all", "miou"]["value"] > 0.6
    assert values["all", "miou"]["ci_high"] is not None
    pretrained = "stmim" in method
    row = values["all", "accuracy"]
    assert row["protocol"] == ("fine-tune" if pretrained else "supervised")
    assert row["pretrain_data"].startswith("yearly") == pretrained
    assert all(np.isfinite(row["value"]) for row in content["rows"])
    assert [record["step"] for record in content["history"][0]["curve"]] == [0, 40, 80]


@pytest.fixture(scope="module")
def unet(yearly: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scores") / "unet.json"
    assert run(yearly, [], out, "unet", "s1", label_fractions=[0.5, 1.0]) == 0
    return out


def test_rows_hold_classes_averages_and_totals(unet: Path) -> None:
    """Water is in no test place: it has no row, and the averages are of the other three."""
    content = read_json(unet)
    classes = list(dict.fromkeys(row["class"] for row in content["rows"]))
    assert classes == ["Build-up", "Cropland", "Others", "macro avg", "weighted avg", "all"]
    assert content["absent_classes"] == ["Water"]
    value = {
        (row["class"], row["metric"]): row["value"] for row in content["rows"] if row["label_fraction"] == 1
    }
    assert value["macro avg", "iou"] == pytest.approx(np.mean([value[name, "iou"] for name in classes[:3]]))
    assert value["macro avg", "iou"] == pytest.approx(value["all", "miou"])
    assert value["weighted avg", "recall"] == pytest.approx(value["all", "accuracy"])
    assert [record["labelled_samples"] for record in content["history"]] == [12, 12, 24, 24]


def test_predictions_are_of_test_places_with_image_and_label(unet: Path, yearly: Path) -> None:
    """What the figure of maps draws: the label year's image, labels with 255 for none, class numbers."""
    with np.load(unet.with_suffix(".npz")) as maps:
        assert maps["sample"].tolist() == list(range(32, 40))
        assert maps["image"].shape == (segment.PLACES, 2, 16, 16)
        assert maps["classes"].tolist() == ["Build-up", "Cropland", "Water", "Others"]
        assert (maps["label"][:, :2, :2] == IGNORE).all()
        valid = maps["label"] != IGNORE
        assert set(np.unique(maps["prediction"])) <= {0, 1, 2, 3}
        assert (maps["prediction"] == maps["label"])[valid].mean() > 0.7


def test_the_same_bytes_twice(yearly: Path, tmp_path: Path) -> None:
    """On a CPU a rerun must give the same files to the bit."""
    out, written = tmp_path / "x.json", []
    for _ in range(2):
        assert run(yearly, [], out, "swin-unet", "s1", seeds=[5], train=TRAIN | {"steps": 6}) == 0
        written.append(out.read_bytes() + out.with_suffix(".npz").read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("method", "modality", "given", "message"),
    [
        ("stmim-unet", "s1", ["rgb"], "encoder of rgb; stmim-unet takes swin encoders of s1"),
        ("dual-stmim-unet", "s1+rgb", ["s1"], "give pretrained encoders of rgb"),
        ("dual-stmim-unet", "s1", ["s1"], "needs a modality of two sensors"),
        ("unet", "s1", ["s1"], "takes swin encoders of nothing"),
    ],
)
def test_encoders_that_do_not_fit_are_refused(
    method: str, modality: str, given: list[str], message: str, yearly: Path, swins: dict[str, Path],
    tmp_path: Path, error_line: Callable[[], str],
) -> None:  # fmt: skip
    """A network with random weights under the name of a pretrained one is the worst kind of row."""
    assert run(yearly, [swins[name] for name in given], tmp_path / "x.json", method, modality) == 1
    assert message in error_line()


def test_a_wrong_optimiser_is_named(yearly: Path, tmp_path: Path, error_line: Callable[[], str]) -> None:
    assert run(yearly, [], tmp_path / "x.json", "unet", "s1", train=TRAIN | {"optimiser": "adam"}) == 1
    assert "no optimiser 'adam'" in error_line()
