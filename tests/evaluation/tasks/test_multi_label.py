"""Multi-label scenes, from an experiment of the config to score files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit.errors import RevisitError
from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.columns import COLUMNS
from revisit.evaluation.task import Run
from revisit.evaluation.tasks.multi_label import TASK
from revisit.files import read_json
from revisit.record import read

VIT = {"name": "channel-vit", "dim": 32, "depth": 2, "heads": 2, "patch_pixels": 8}
SWIN = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [2, 2], "window": 4, "patch_pixels": 2}
PRETRAINING: dict[str, dict[str, Any]] = {
    "mine": {
        "collection": "pairs",
        "modalities": ["s1+rgb"],
        "method": {"name": "mae3d", "mask": "rm", "encoder": VIT},
        "title": "Mine (RM)",
        "published_as": "3dmae-rm",
    },
    "first weights": {
        "collection": "pairs",
        "modalities": ["s1+rgb"],
        "method": {"name": "scratch", "encoder": VIT},
    },
    "swin": {
        "collection": "pairs",
        "modalities": ["s1+rgb"],
        "method": {"name": "scratch", "encoder": SWIN},
    },
}
BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
COLLECTIONS = {
    "pairs": {"kind": "pairs", "patch_pixels": 16, "bands": BANDS},
    "yearly": {"kind": "yearly", "patch_pixels": 16, "bands": BANDS},
}
EXPERIMENT: dict[str, Any] = {
    "task": "multi-label",
    "layouts": ["masking"],
    "published_as": "masking",
    "collection": "pairs",
    "pretrain_modality": "s1+rgb",
    "methods": ["mine", "first weights"],
    "modalities": ["s1", "rgb"],
    "protocols": ["fine-tune", "linear"],
    "label_fractions": [0.1, 1.0],
    "seeds": [0, 1, 2],
    "fine_tune": {"epochs": 4, "batch_size": 16, "learning_rate": 2e-3, "min_steps": 20, "validations": 2},
}


def runs(**changes: Any) -> list[Run]:
    settings = read(TASK.Settings, EXPERIMENT | changes, "experiments.x")
    return TASK.runs("x", settings, PRETRAINING)


def only(protocol: str, **changes: Any) -> Run:
    (run,) = runs(methods=["mine"], modalities=["s1"], protocols=[protocol], **changes)
    return run


def check(**changes: Any) -> None:
    settings = read(TASK.Settings, EXPERIMENT | changes, "experiments.x")
    TASK.check("x", settings, PRETRAINING, COLLECTIONS)


def test_runs_are_the_table_and_each_gets_only_what_concerns_it() -> None:
    """A linear job that held the fine-tune recipe would run again for an edit that does not touch it."""
    found = runs()
    assert [(run.method, run.modality, run.protocol) for run in found] == [
        (method, modality, protocol)
        for method in ("mine", "first weights")
        for modality in ("s1", "rgb")
        for protocol in ("fine-tune", "linear")
    ]
    fine_tune, linear = found[:2]
    assert linear.encoders == [("mine", "s1+rgb")]
    assert linear.settings["recipe"] == {"c": [0.001, 0.01, 0.1, 1.0, 10.0]}
    assert linear.settings["experiment"] == {"label_fractions": [0.1, 1.0], "seeds": [0, 1, 2]}
    assert fine_tune.settings["recipe"]["min_steps"] == 20
    assert (linear.title, linear.published_as) == ("Mine (RM)", "3dmae-rm")
    assert not {"title", "published_as", "layouts"} & set(linear.settings)  # these change no number
    assert [run.pretrained for run in found] == [True] * 4 + [False] * 4
    assert found[-1].title == "first weights"
    assert linear.modules == [
        "revisit.evaluation.tasks.multi_label",
        "revisit.evaluation.protocols.linear",
        "revisit.nets.encoders.channel_vit",
    ]
    assert json.loads(json.dumps(linear.content())) == linear.content()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"methods": ["mine", "mime"]}, r"x\.methods: 'mime' is not defined.* did you mean 'mine'"),
        ({"pretrain_modality": "s1"}, r"x\.pretrain_modality: 'mine' .* 's1', only on s1\+rgb"),
        ({"modalities": ["s2", "s3"]}, "'s3': not known; choose from"),
        ({"methods": ["swin"]}, r"x\.modalities: 'swin' on 's1': encoder: needs bands"),
        ({"collection": "yearly"}, r"x\.collection: 'yearly' is of the kind 'yearly'"),
        ({"collection": "pears"}, r"x\.collection: 'pears' is not defined"),
        ({"label_fractions": [0.1, 5]}, r"x\.label_fractions\.1: .*less than or equal to 1"),
        ({"label_fractions": [0]}, r"x\.label_fractions\.0: .*greater than 0"),
        ({"seeds": [0, 0]}, r"x\.seeds: 0 is given twice"),
        ({"seeds": []}, r"x\.seeds"),
        ({"protocols": ["lineal"]}, r"x\.protocols: no protocol is called 'lineal'.*did you mean 'linear'"),
        ({"fine_tune": None}, r"x\.fine_tune\.batch_size is missing"),
        ({"fine_tune": EXPERIMENT["fine_tune"] | {"batch_size": 0}}, r"x\.fine_tune\.batch_size: .*not 0"),
        ({"linear": {"k": [1]}}, r"x\.linear: unknown key 'k'"),
    ],
)  # fmt: skip
def test_what_cannot_end_well_is_refused_at_planning(changes: dict[str, Any], message: str) -> None:
    """Key, value and remedy, before a byte is fetched; and what is right is let through."""
    if not message:
        check(**changes)
        return
    with pytest.raises(RevisitError, match=message):
        check(**changes)


@pytest.fixture(scope="module")
def linear(
    pairs: Path, vits: list[Path], tmp_path_factory: pytest.TempPathFactory, evaluate: Callable[..., int]
) -> Path:
    out = tmp_path_factory.mktemp("scores") / "linear.json"
    assert evaluate(pairs, vits, out, only("linear")) == 0
    return out


def test_a_score_file_holds_every_fraction_seed_class_and_metric(linear: Path) -> None:
    """Two fractions of micro, macro and the two classes the test set shows; the third is named absent."""
    content = read_json(linear)
    rows = content["rows"]
    cells = [(row["label_fraction"], row["class"], row["metric"]) for row in rows]
    of_one = [
        ("all", "micro_map"),
        ("all", "macro_map"),
        ("a", "average_precision"),
        ("b", "average_precision"),
    ]
    assert cells == [(fraction, *cell) for fraction in (0.1, 1.0) for cell in of_one]
    assert content["absent_classes"] == ["c"]
    assert all(list(row) == sorted(COLUMNS) for row in rows)
    assert [row["seeds"] for row in rows] == [3] * 4 + [2] * 4
    assert all(row["ci_low"] <= row["value"] <= row["ci_high"] for row in rows)
    first = rows[0]
    assert (first["task"], first["dataset"], first["modality"]) == ("multi-label", "pairs", "s1")
    assert (first["experiment"], first["method"], first["protocol"]) == ("free-name", "mine", "linear")
    assert first["encoder"] == "channel-vit dim 32 depth 2 patch 8"
    assert (first["pretrain_data"], first["collapsed"], first["gpu_hours"]) == ("pairs s1+rgb", False, 0.0)
    assert first["samples_per_second"] is None


def test_a_score_file_says_what_a_report_must_know(linear: Path) -> None:
    """So that no report has to know a name: nothing of it is in the columns of the table."""
    content = read_json(linear)
    assert {key: content[key] for key in ("task", "pretrained", "headline")} == {
        "task": "multi-label",
        "pretrained": True,
        "headline": "micro_map",
    }
    assert content["metrics"]["micro_map"] == {"title": "mAP (micro)", "unit": "%"}
    assert "title" not in content["settings"]


def test_predictions_give_the_scores_again(linear: Path) -> None:
    """What the file keeps of each run is what was scored, to the bit."""
    values = [v["value"] for v in read_json(linear)["values"] if v["metric"] == "micro_map"]
    with np.load(linear.with_suffix(".npz")) as kept:
        again = [mean_average_precision(kept["target"], scores).micro for scores in kept["score"]]
        assert again == values
        assert kept["label_fraction"].tolist() == [0.1] * 3 + [1.0] * 2
        assert kept["seed"].tolist() == [0, 1, 2, 0, 1]
        assert kept["sample"].tolist() == list(range(120, 150))
        assert kept["classes"].tolist() == ["a", "b", "c"]


def test_more_labels_score_higher_and_runs_can_be_followed(linear: Path) -> None:
    """Labels are by place (two dates each); what each C reached is kept; files lead back to the data."""
    content = read_json(linear)
    value = {
        (row["label_fraction"], row["metric"]): row["value"]
        for row in content["rows"]
        if row["class"] == "all"
    }
    assert value[1.0, "micro_map"] > max(0.8, value[0.1, "micro_map"])
    assert [run["labelled_samples"] for run in content["history"]] == [10] * 3 + [90] * 2
    best = content["history"][-1]
    assert best["validation"][str(best["c"])] == max(best["validation"].values())
    assert content["samples"] == {"train": 90, "val": 30, "test": 30}
    assert all(Path(card).is_file() for card in content["sources"]["cards"])


def test_fine_tuning_learns_and_the_curve_is_kept(
    pairs: Path, vits: list[Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """Undertraining must be visible in the file."""
    out = tmp_path / "x.json"
    assert evaluate(pairs, vits, out, only("fine-tune", label_fractions=[1.0], seeds=[0])) == 0
    content = read_json(out)
    curve = content["history"][0]["curve"]
    assert [record["step"] for record in curve] == [0, 10, 20]
    assert curve[-1]["validation"] > curve[0]["validation"] + 0.1
    assert content["rows"][0]["value"] > 0.7
    assert content["rows"][0]["ci_low"] is None


@pytest.mark.parametrize("protocol", ["linear", "fine-tune"])
def test_the_same_bytes_twice(
    protocol: str, pairs: Path, vits: list[Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """On a CPU a rerun must give the same files to the bit."""
    out, written = tmp_path / "x.json", []
    for _ in range(2):
        assert evaluate(pairs, vits, out, only(protocol, label_fractions=[0.5], seeds=[3, 4])) == 0
        written.append(out.read_bytes() + out.with_suffix(".npz").read_bytes())
    assert written[0] == written[1]


def test_seed_number_i_takes_encoder_i_mod_n(
    pairs: Path, vits: list[Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """One and the same seed three times draws the same labels, so only the encoder tells the runs apart."""
    out = tmp_path / "x.json"
    assert evaluate(pairs, vits, out, only("linear", label_fractions=[0.5], seeds=[7, 7, 7])) == 0
    scores = [v["value"] for v in read_json(out)["values"] if v["metric"] == "micro_map"]
    assert scores[0] == scores[2] != scores[1]


def test_repeats_of_one_and_the_same_run_are_not_counted_as_seeds(
    pairs: Path, vits: list[Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """All labels, one frozen encoder: all seeds give one number, its interval no width."""
    out = tmp_path / "x.json"
    assert evaluate(pairs, vits[:1], out, only("linear", label_fractions=[1.0])) == 0
    rows = read_json(out)["rows"]
    assert {(row["seeds"], row["ci_low"]) for row in rows} == {(1, None)}


def test_what_does_not_fit_is_one_line_and_no_file(
    pairs: Path, yearly: Path, vits: list[Path], foreign: Path, tmp_path: Path,
    error_line: Callable[[], str], evaluate: Callable[..., int],
) -> None:  # fmt: skip
    """An encoder of another scale (it put a hundred cells of a peer's benchmark at chance level), a yearly
    collection, no encoder, a setting nobody reads."""
    out, run = tmp_path / "x.json", only("linear")
    assert evaluate(pairs, [foreign], out, run) == 1
    assert "lower -25.0 of band 'vv', the images have -20.0" in error_line()
    assert evaluate(yearly, vits, out, run) == 1
    assert "scenes need a collection of pairs" in error_line()
    assert evaluate(pairs, [], out, run) == 1
    assert "has no encoders" in error_line()
    assert evaluate(pairs, vits, out, run, recipe={"C": [1.0]}) == 1
    assert "evaluate.recipe: unknown key 'C'" in error_line()
    assert not out.exists() and not out.with_suffix(".npz").exists()
