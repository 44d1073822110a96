"""Protects the first minute: a broken study is told with its line, a misplaced target with its place."""

import re

import pytest

from revisit.plan.arguments import check_arguments


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text("seed: 1\n")
    (tmp_path / "broken.yaml").write_text("seed: 1\nregions: [1, 2\nsplit: 3\n")
    (tmp_path / "all.csv").write_text("a,b\n1,2\n")
    (tmp_path / "report.html").write_text("<style>\np { color: red; }\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["-n", "--configfile", "study.yaml", "--cores", "2"],
        ["results/tables/all.csv", "--configfile=study.yaml"],
        ["--cores", "2", "absent"],
    ],
)
def test_right_arguments_pass(arguments):
    check_arguments(arguments)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--configfile", "broken.yaml"], "error: broken.yaml, line 3, column 6: not valid YAML, "),
        (["--configfile", "absent.yaml"], "error: absent.yaml: no such config file\n"),
        (
            ["--configfile", "study.yaml", "results/tables/all.csv"],
            "error: results/tables/all.csv: no such config file; a target stands before the option: "
            "snakemake results/tables/all.csv --configfile study.yaml\n",
        ),
        (["--configfiles", "study.yaml", "all.csv", "-n"], "error: all.csv: not a study, .* snakemake all"),
        (["--configfile", "study.yaml", "report.html"], "error: report.html: not a study, .* snakemake rep"),
    ],
)  # fmt: skip
def test_wrong_ones_are_told_in_one_line(arguments, line, capsys):
    with pytest.raises(SystemExit):
        check_arguments(arguments)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert re.match(line, told), told
