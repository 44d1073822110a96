"""Protects the columns on test places: read from beside the scores, paired in gains, never missing."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from revisit.errors import RevisitError
from revisit.evaluation.resampling import RESAMPLES
from revisit.report import believe, gains, merged_table, printing, reading, words
from revisit.report.facts import Facts
from revisit.report.paired import gains as paired
from revisit.report.score_files import Cell, Places

RANDOM = np.random.default_rng(0)
SHARED, OWN = RANDOM.normal(0, 0.05, RESAMPLES), RANDOM.normal(0, 0.01, (4, RESAMPLES))


def beside(path: Path) -> np.ndarray:
    with np.load(path.with_suffix(".npz")) as kept:
        found: np.ndarray = kept["resampled"]
    return found


def test_a_row_has_the_interval_of_the_mean_of_its_runs(all_csv: Path, scores: list[Path]) -> None:
    """Of the headline alone: the middle 95 % of the mean over seeds on each test set."""
    for row in reading.read_table(all_csv, ()):
        if row["metric"] not in ("micro_map", "miou"):
            if not row["metric"].endswith(words.DIFFERENCES):
                assert row["test_ci_low"] is row["test_ci_high"] is row["test_places"] is None
            continue
        of_row = [path for path in scores if path.parent.as_posix() == row["run"]]
        mean = np.mean([beside(path) for path in of_row], axis=0)
        assert (row["test_ci_low"], row["test_ci_high"]) == pytest.approx(np.percentile(mean, (2.5, 97.5)))
        assert row["test_places"] == 40


def cell(method: str, resampled: list[np.ndarray], digest: str = "same", places: int = 30) -> Cell:
    about = {
        "experiment": "masking", "task": "multi-label", "dataset": "pairs", "method": method,
        "encoder": "vit", "pretrain_data": "none" if method == "scratch" else "pairs", "modality": "s1",
        "protocol": "fine-tune", "label_fraction": 0.1, "label_count": None, "class": "all",
        "metric": "micro_map",
    }  # fmt: skip
    values = {seed: float(one.mean()) for seed, one in enumerate(resampled)}
    clusters = {seed: seed for seed in values}
    found = dict(enumerate(resampled))
    return Cell(about, values, clusters, places=Places(places, digest), resampled=found)


def gain(one: Cell, other: Cell) -> dict:
    rows = paired([one, other], {"masking": "micro_map"}, ("scratch", "mine"))
    (row,) = [row for row in rows if row["metric"] == "micro_map_gain"]
    return row


def test_a_gain_is_taken_on_the_same_test_sets() -> None:
    """Places are hard for both rows, which cancels: the gain is sure where the two intervals overlap."""
    mine = cell("mine", [0.62 + SHARED + own for own in OWN[:2]])
    scratch = cell("scratch", [0.60 + SHARED + own for own in OWN[2:]])
    row = gain(mine, scratch)
    difference = 0.02 + (OWN[0] + OWN[1] - OWN[2] - OWN[3]) / 2
    expected = np.percentile(difference, (2.5, 97.5))
    assert (row["test_ci_low"], row["test_ci_high"]) == pytest.approx(expected)
    assert row["test_ci_high"] - row["test_ci_low"] < 0.05 and row["test_places"] == 30
    assert np.percentile(SHARED, 97.5) - np.percentile(SHARED, 2.5) > 0.15


def test_rows_tested_on_other_places_cannot_be_paired() -> None:
    row = gain(cell("mine", [0.6 + SHARED]), cell("scratch", [0.5 + SHARED], digest="other"))
    assert row["value"] == pytest.approx(0.1)
    assert row["test_ci_low"] is row["test_places"] is None


def test_one_place_has_no_interval() -> None:
    """All test sets are then the same: an interval of no width would feign certainty."""
    row = gain(cell("mine", [0.6 + SHARED], places=1), cell("scratch", [0.5 + SHARED], places=1))
    assert (row["test_ci_low"], row["test_ci_high"], row["test_places"]) == (None, None, 1)


@pytest.fixture
def copied(scores: list[Path], tmp_path: Path) -> list[Path]:
    """The runs of one row, to be broken."""
    row = [path for path in scores if path.match("masking/scratch/s1/linear/labels1/*")]
    for path in row:
        shutil.copy(path, tmp_path), shutil.copy(path.with_suffix(".npz"), tmp_path)
    return [tmp_path / path.name for path in row]


def test_a_score_without_it_is_refused(copied: list[Path], facts: Facts) -> None:
    """Scores of an earlier version, or of which a file is lost, do not enter a table without the interval."""
    path = copied[1].with_suffix(".npz")
    np.savez(path, resampled=np.zeros(7))
    with pytest.raises(RevisitError, match=r"seed1\.npz: resampled is of 7 test sets, not 1000; rerun"):
        merged_table.merge(copied, facts)
    np.savez(path, score=np.zeros(7))
    with pytest.raises(RevisitError, match=r"seed1\.npz: array 'resampled' is missing, it has score; rerun"):
        merged_table.merge(copied, facts)
    path.unlink()
    with pytest.raises(RevisitError, match=r"seed1\.npz: no such file"):
        merged_table.merge(copied, facts)
    content = json.loads(copied[1].read_text())
    copied[1].write_text(json.dumps({key: one for key, one in content.items() if key != "test_places"}))
    with pytest.raises(RevisitError, match=r"seed1\.json: no score file of this version .lacks test_places"):
        merged_table.merge(copied, facts)


def test_repeats_tested_on_different_places_are_refused(copied: list[Path], facts: Facts) -> None:
    """Their mean would be of neither test set."""
    content = json.loads(copied[2].read_text())
    content["test_places"]["digest"] = "other"
    copied[2].write_text(json.dumps(content))
    with pytest.raises(RevisitError, match=r"seed2\.json: was tested on other places than .*seed0\.json"):
        merged_table.merge(copied, facts)


def test_gains_and_page_say_which_interval_is_which(all_csv: Path, facts: Facts, tmp_path: Path) -> None:
    """Both stand in the table of gains, in points; tables of scores have only the one over runs."""
    rows = reading.read_table(all_csv, ())
    table = gains.lay_out(rows, facts)
    printing.write(table, tmp_path / "gains.csv", tmp_path / "gains.md")
    with (tmp_path / "gains.csv").open(newline="") as file:
        printed = [row for row in csv.DictReader(file) if row["S1 test low"]]
    ends = {
        tuple(round(100 * row[end], 4) for end in ("test_ci_low", "test_ci_high"))
        for row in rows
        if row["modality"] == "s1" and row["metric"].endswith("_over_floor")
    }
    assert ends <= {(float(row["S1 test low"]), float(row["S1 test high"])) for row in printed}
    text = (tmp_path / "gains.md").read_text()
    assert "] {+" in text and "In brackets:" in text and "- In braces:" in text
    (point,) = (one for one in believe.points(rows, facts, [], False) if one.title == "Two intervals")
    assert "on 40 places drawn anew" in point.text
    without = [row | {"test_ci_low": None} for row in rows]
    assert "Two intervals" not in {one.title for one in believe.points(without, facts, [], False)}
