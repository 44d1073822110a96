"""Rows of a score file."""

from pathlib import Path

import pytest

from revisit.evaluation import scores
from revisit.evaluation.columns import COLUMNS
from revisit.evaluation.scores import Value
from revisit.files import read_json


def test_rows_hold_mean_and_interval_over_seeds_in_the_agreed_columns(tmp_path: Path) -> None:
    """The table is merged from these rows by column name: a missing or extra column breaks it."""
    values = [Value(1.0, "all", "micro_map", seed, value) for seed, value in enumerate((0.5, 0.6, 0.7))]
    values += [Value(0.1, "all", "micro_map", 0, 0.4)]
    path = tmp_path / "x.json"
    columns = {"experiment": "masking", "dataset": "pairs", "collapsed": False}
    scores.write(path, values, columns, {"a": 1}, history=[])
    content = read_json(path)
    assert [set(row) for row in content["rows"]] == [set(COLUMNS)] * 2
    full, few = content["rows"]
    assert (full["dataset"], content["history"]) == ("pairs", [])
    assert (full["value"], full["seeds"], full["experiment"]) == (pytest.approx(0.6), 3, "masking")
    assert full["ci_low"] == pytest.approx(0.6 - 4.302653 * 0.1 / 3**0.5, abs=1e-6)
    assert (few["ci_low"], few["ci_high"], few["published"]) == (None, None, None)
    assert full["run"] == path.as_posix()
    assert content["values"][3] == {
        "label_fraction": 0.1, "class": "all", "metric": "micro_map", "seed": 0, "value": 0.4,
    }  # fmt: skip
    assert content["settings"] == {"a": 1}
