"""The stage classify, from command line to score file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from revisit.evaluation import classify
from revisit.evaluation.scores import COLUMNS
from revisit.files import read_json

FINE_TUNE = {"epochs": 4, "batch_size": 16, "learning_rate": 2e-3, "min_steps": 20, "validations": 2}
SETTINGS: dict[str, Any] = {"label_fractions": [0.1, 1.0], "seeds": [0, 1, 2], "fine_tune": FINE_TUNE}


def run(patches: Path, encoders: list[Path], out: Path, protocol: str = "linear", **changes: Any) -> int:
    settings = SETTINGS | {"modality": "s1"} | changes
    modality = settings.pop("modality")
    options = {
        "patches": patches,
        "experiment": "masking",
        "method": "made-up",
        "modality": modality,
        "protocol": protocol,
        "settings": json.dumps(settings),
        "out": out,
    }
    named = [f"--{name}={value}" for name, value in options.items()]
    return classify.main([*named, "--encoders", *map(str, encoders)])


@pytest.fixture(scope="module")
def linear(pairs: Path, vits: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("scores") / "linear.json"
    assert run(pairs, vits, out) == 0
    return read_json(out)


def test_a_score_file_holds_every_fraction_seed_class_and_metric(linear: dict[str, Any]) -> None:
    """Two fractions of micro, macro and the two classes the test set shows; the third is named absent."""
    rows = linear["rows"]
    cells = [(row["label_fraction"], row["class"], row["metric"]) for row in rows]
    of_one = [
        ("all", "micro_map"),
        ("all", "macro_map"),
        ("a", "average_precision"),
        ("b", "average_precision"),
    ]
    assert cells == [(fraction, *cell) for fraction in (0.1, 1.0) for cell in of_one]
    assert linear["absent_classes"] == ["c"]
    assert all(set(row) == set(COLUMNS) for row in rows)
    assert [row["seeds"] for row in rows] == [3] * 4 + [2] * 4
    assert all(row["ci_low"] <= row["value"] <= row["ci_high"] for row in rows)
    first = rows[0]
    assert (first["task"], first["dataset"], first["modality"]) == ("multi-label", "pairs", "s1")
    assert first["encoder"] == "channel-vit dim 32 depth 2 patch 8"
    assert (first["pretrain_data"], first["collapsed"], first["gpu_hours"]) == ("pairs s1+rgb", False, 0.0)
    assert first["samples_per_second"] is None


def test_more_labels_score_higher_and_runs_can_be_followed(linear: dict[str, Any]) -> None:
    """Labels are by place (two dates each); what each C reached is kept; files lead back to the data."""
    value = {
        (row["label_fraction"], row["metric"]): row["value"]
        for row in linear["rows"]
        if row["class"] == "all"
    }
    assert value[1.0, "micro_map"] > max(0.8, value[0.1, "micro_map"])
    assert [run["labelled_samples"] for run in linear["history"]] == [10] * 3 + [90] * 2
    best = linear["history"][-1]
    assert best["validation"][str(best["c"])] == max(best["validation"].values())
    assert linear["samples"] == {"train": 90, "val": 30, "test": 30}
    assert all(Path(card).is_file() for card in linear["sources"]["cards"])


def test_fine_tuning_learns_and_the_curve_is_kept(pairs: Path, vits: list[Path], tmp_path: Path) -> None:
    """Undertraining must be visible in the file."""
    out = tmp_path / "x.json"
    assert run(pairs, vits, out, "fine-tune", label_fractions=[1.0], seeds=[0]) == 0
    content = read_json(out)
    curve = content["history"][0]["curve"]
    assert [record["step"] for record in curve] == [0, 10, 20]
    assert curve[-1]["validation"] > curve[0]["validation"] + 0.1
    assert content["rows"][0]["value"] > 0.7
    assert content["rows"][0]["ci_low"] is None


@pytest.mark.parametrize("protocol", ["linear", "fine-tune"])
def test_the_same_bytes_twice(protocol: str, pairs: Path, vits: list[Path], tmp_path: Path) -> None:
    """On a CPU a rerun must give the same file to the bit."""
    out, written = tmp_path / "x.json", []
    for _ in range(2):
        assert run(pairs, vits, out, protocol, label_fractions=[0.5], seeds=[3, 4]) == 0
        written.append(out.read_bytes())
    assert written[0] == written[1]


def test_seed_number_i_takes_encoder_i_mod_n(pairs: Path, vits: list[Path], tmp_path: Path) -> None:
    """One and the same seed three times draws the same labels, so only the encoder tells the runs apart."""
    out = tmp_path / "x.json"
    assert run(pairs, vits, out, label_fractions=[0.5], seeds=[7, 7, 7]) == 0
    scores = [v["value"] for v in read_json(out)["values"] if v["metric"] == "micro_map"]
    assert scores[0] == scores[2] != scores[1]


def test_repeats_of_one_and_the_same_run_are_not_counted_as_seeds(
    pairs: Path, vits: list[Path], tmp_path: Path
) -> None:
    """All labels, one frozen encoder: all seeds give one number, its interval no width."""
    out = tmp_path / "x.json"
    assert run(pairs, vits[:1], out, label_fractions=[1.0]) == 0
    rows = read_json(out)["rows"]
    assert {(row["seeds"], row["ci_low"]) for row in rows} == {(1, None)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modality": "s3"}, "choose from"),
        (
            {"protocol": "fine-tune", "fine_tune": FINE_TUNE | {"epoch": 3}},
            "classify fine_tune: unknown setting epoch",
        ),
        ({"label_fractions": [5]}, "label_fractions: 5"),
    ],
)
def test_what_does_not_fit_is_one_line(
    changes: dict[str, Any], message: str, pairs: Path, vits: list[Path], tmp_path: Path,
    error_line: Callable[[], str],
) -> None:  # fmt: skip
    """Wrong bands, a misspelt setting, per cent for a fraction: an error that says what to mend, no file."""
    assert run(pairs, vits, tmp_path / "x.json", **changes) == 1
    assert message in error_line()
    assert not (tmp_path / "x.json").exists()


def test_an_encoder_of_another_scale_is_refused(
    pairs: Path, foreign: Path, tmp_path: Path, error_line: Callable[[], str]
) -> None:
    """The fault that put a hundred cells of a peer's benchmark at chance level."""
    assert run(pairs, [foreign], tmp_path / "x.json") == 1
    assert "lower -25.0 of band 'vv', the images have -20.0" in error_line()


def test_a_yearly_store_is_refused(
    yearly: Path, vits: list[Path], tmp_path: Path, error_line: Callable[[], str]
) -> None:
    """Its samples are series, not scenes."""
    assert run(yearly, vits, tmp_path / "x.json") == 1
    assert "needs a store of pairs" in error_line()
