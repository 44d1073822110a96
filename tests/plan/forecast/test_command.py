"""Protects `revisit plan`: a table in one look, by what was measured where something was."""

import json
import re
from pathlib import Path

import pytest

from revisit.cli import main
from revisit.plan.forecast.command import forecast
from revisit.plan.plan import Plan

ROOT = Path(__file__).parents[3]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(text: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split() for line in text.splitlines() if line}


def test_the_default_study(here, capsys):
    assert main(["plan", "--configfile", str(ROOT / "config.yaml"), "--cores", "2"]) == 0
    text = capsys.readouterr().out
    table = rows(text)
    assert table["download"][1] == "40" and table["all"][1] == "246"
    # On a quick day the default study took 13.5 minutes of CPU and 7.2 of two cores (benchmarks/README.md).
    alone, together = int(table["all"][2]), int(table["all"][4])
    assert table["all"][3] == table["all"][5] == "min"
    assert 13.5 / 1.5 < alone < 13.5 * 1.5 and 7.2 / 1.5 < together < 7.2 * 1.5
    assert (
        re.search(r"^GPU +\d+ min on one", text, re.MULTILINE)
        and "Disk" in text
        and "Download  nothing" in text
        and "Scenes: of 0 of 40" in text
    )
    assert max(map(len, text.splitlines())) <= 110
    assert not (here / "results").exists()


def test_what_was_measured_is_believed(here, capsys):
    """One job of a stage is enough; the others of the stage are taken to be like it."""
    path = here / "results/benchmarks/stack/plain/sentinel-1.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"s": 600.0, "max_rss": 5000.0}) + "\n")
    main(["plan", "--configfile", str(ROOT / "config.yaml"), "--cores", "4"])
    text = capsys.readouterr().out
    assert rows(text)["stack"][1:8] == ["16", "3", "h", "40", "min", "5.0", "GB"]
    assert "as measured in this study: stack." in text


def test_what_places_leave_uncovered_is_said(checked):
    lines = forecast(Plan({**checked, "uncovered": {"land": 1234.4, "sites": 0.0}}), 2).splitlines()
    said = [line for line in lines if "Not covered" in line]
    assert said == ["Not covered: 1,234 km² of places.land, between blocks of two UTM zones."]


def test_a_study_that_is_refused_ends_in_one_line(here, capsys):
    (here / "study.yaml").write_text("seed: 1\n")
    with pytest.raises(SystemExit):
        main(["plan", "--configfile", "study.yaml"])
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and told.err.startswith("error: ")
