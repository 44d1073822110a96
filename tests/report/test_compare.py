"""Guards the answer to which of two methods is better: who is held against whom, and whose luck counts."""

import json
from pathlib import Path

import numpy as np
import pytest

from revisit import compare_command
from revisit.errors import RevisitError
from revisit.evaluation.intervals import interval
from revisit.report.compare import Comparison, compare
from revisit.report.score_files import Cell, Places

FLOOR = {"protocol": "floor", "encoder": "none"}


def cell(method: str, values: list[float], **other: object) -> Cell:
    about = {
        "experiment": "masking",
        "task": "multi-label",
        "dataset": "pairs",
        "method": method,
        "encoder": "vit",
        "pretrain_data": "pairs",
        "modality": "s1",
        "protocol": "linear",
        "label_fraction": 0.1,
        "label_count": None,
        "class": "all",
        "metric": "micro_map",
        "collapsed": False,
        "converged": None,
    }
    by_seed = dict(enumerate(values))
    wide = 0.02 * len(method)  # so that a difference has a width
    resampled = {seed: np.linspace(value - wide, value + wide, 1000) for seed, value in by_seed.items()}
    clusters = {seed: ("encoder", seed) for seed in by_seed}
    return Cell(about | other, by_seed, clusters, places=Places(30, "here"), resampled=resampled)


def told(found: list[Comparison]) -> list[tuple[str, str, str, float]]:
    return [
        (one.learning, one.one.about["method"], one.other.about["method"], round(one.row["value"], 6))
        for one in found
    ]


def test_one_method_is_held_against_the_others_in_every_setting_they_share() -> None:
    cells = [
        cell("seco", [0.6, 0.7]),
        cell("moco", [0.5, 0.65]),
        cell("gssl", [0.4, 0.4]),
        cell("seco", [0.8, 0.8], protocol="knn"),
        cell("moco", [0.6, 0.8], protocol="knn"),
        cell("moco", [0.1, 0.1], label_fraction=1.0),
        cell("seco", [0.9, 0.9], modality="s2"),
    ]
    probes = [("linear probe", "seco", "moco", 0.075), ("nearest neighbours", "seco", "moco", 0.1)]
    assert told(compare(cells, ["seco", "moco"])) == probes
    assert told(compare(cells, ["seco"])) == [probes[0], ("linear probe", "seco", "gssl", 0.25), probes[1]]
    assert told(compare(cells, ["gssl", "moco"])) == [("linear probe", "gssl", "moco", -0.175)]


def test_without_a_name_the_best_of_each_setting_is_held_against_the_rest() -> None:
    """A floor too, which is in every way of learning; two floors are not held against each other there."""
    cells = [
        cell("seco", [0.6, 0.7]),
        cell("moco", [0.5, 0.65]),
        cell("statistics", [0.7, 0.8], **FLOOR),
        cell("prior", [0.1, 0.1], **FLOOR),
    ]
    best = [("linear probe", "statistics", "seco", 0.1), ("linear probe", "statistics", "moco", 0.175)]
    assert told(compare(cells, [])) == best
    floors = [("floor, no network", "statistics", "prior", 0.65)]
    assert told(compare(cells[2:], [])) == floors


def test_the_interval_is_that_of_the_same_difference_the_other_way_round() -> None:
    """A floor of one run stands for all seeds, whichever side it is named on; both intervals turn round."""
    whole = {"label_fraction": 1.0}
    network, floor = cell("seco", [0.5, 0.6, 0.8], **whole), cell("statistics", [0.55], **FLOOR, **whole)
    ((*_, one),) = compare([network, floor], ["seco", "statistics"])
    ((*_, other),) = compare([network, floor], ["statistics", "seco"])
    assert one["seeds"] == other["seeds"] == 3
    for end, opposite in (("value", "value"), ("ci_low", "ci_high"), ("test_ci_low", "test_ci_high")):
        assert one[end] == pytest.approx(-other[opposite])
        assert other[end] == pytest.approx(-one[opposite])
    assert one["ci_low"] < one["value"] < one["ci_high"] and one["test_ci_low"] < one["test_ci_high"]


def test_two_floors_are_compared_once_and_alike_in_both_orders() -> None:
    """One run of the statistics stands for all seeds of the other, though a network learns there too."""
    whole = {"label_fraction": 1.0}
    cells = [
        cell("seco", [0.5, 0.6, 0.8], **whole),
        cell("pixels", [0.5, 0.6, 0.7], **FLOOR, **whole),
        cell("prior", [0.1], **FLOOR, **whole),
    ]
    ((learning, *_, one),) = compare(cells, ["pixels", "prior"])
    ((*_, other),) = compare(cells, ["prior", "pixels"])
    assert learning == "floor, no network" and one["seeds"] == other["seeds"] == 3
    assert one["value"] == pytest.approx(0.5) and other["ci_low"] == pytest.approx(-one["ci_high"])


def test_every_protocol_of_a_method_counts_and_none_against_another_of_its_own() -> None:
    """Training the whole network has two names."""
    cells = [
        cell("seco", [0.6, 0.6], protocol="fine-tune"),
        cell("seco", [0.5, 0.5], protocol="supervised"),
        cell("moco", [0.4, 0.4], protocol="fine-tune"),
    ]
    whole = "whole network trained"
    assert told(compare(cells, ["seco"])) == [(whole, "seco", "moco", 0.2), (whole, "seco", "moco", 0.1)]
    assert told(compare(cells, ["moco"])) == [(whole, "moco", "seco", -0.2), (whole, "moco", "seco", -0.1)]


def test_luck_of_the_fewer_pretrainings_is_what_counts() -> None:
    """Four runs of two encoders are two draws, on whichever side they are."""
    pretrained, scratch = cell("seco", [0.6, 0.6, 0.7, 0.7]), cell("scratch", [0.5, 0.5, 0.5, 0.5])
    pretrained.clusters = {seed: ("encoder", seed // 2) for seed in range(4)}
    differences = {seed: 0.1 + 0.1 * (seed // 2) for seed in range(4)}
    expected = interval(differences, pretrained.clusters, -1, 1)
    ((*_, row),) = compare([pretrained, scratch], ["scratch", "seco"])
    assert (row["value"], row["ci_high"], row["ci_low"]) == pytest.approx([-end for end in expected])


@pytest.mark.parametrize(
    ("methods", "words"),
    [(["sico"], "no score of sico; there are scores of seco, moco"),
     (["seco", "moco"], "seco and moco: share no experiment")],
)  # fmt: skip
def test_what_cannot_be_compared(methods: list[str], words: str) -> None:
    cells = [cell("seco", [0.6, 0.7]), cell("moco", [0.5, 0.6], modality="s2")]
    with pytest.raises(RevisitError, match=words):
        compare(cells, methods)


def test_the_command(scores: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Reads the score files of a study; marks what is not to be trusted; bad names end in one line."""
    results = ["--results", str(scores[0].parents[6])]
    assert compare_command.main(["3dmae-3dm", "3dmae-rm", "--experiment", "masking", *results]) == 0
    said = capsys.readouterr().out
    assert said.startswith("## masking: mAP (micro)\n")
    assert "| linear probe | 100 % | S1 | 3dmae-3dm | 3dmae-rm | 3 | +12.0 [+12.0, +12.0] {" in said
    assert "| whole network trained | 5 % | S1+S2 | 3dmae-3dm | 3dmae-rm | 3 | +12.0‡ [" in said
    assert "‡ a training had not converged" in said and "selection bias" not in said
    assert compare_command.main(results) == 0
    said = capsys.readouterr().out
    assert "## land-cover: mIoU" in said and "selection bias" in said
    assert compare_command.main(["3dmae-3dm", "3dmae-rc", "--json", *results]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 12 and rows[0]["value"] == pytest.approx(0.08) and rows[0]["minus"] == "3dmae-rc"
    for wrong in (["--experiment", "maskin", *results], ["nobody", *results], ["--results", "nowhere"]):
        assert compare_command.main(wrong) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1


def test_a_score_without_its_headline_is_refused(
    scores: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in scores[:3]:
        copy = tmp_path / "scores" / Path(*path.parts[-6:])
        copy.parent.mkdir(parents=True, exist_ok=True)
        content = json.loads(path.read_text())
        copy.write_text(json.dumps({name: one for name, one in content.items() if name != "headline"}))
    assert compare_command.main(["--results", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "lacks headline" in error and error.count("\n") == 1
