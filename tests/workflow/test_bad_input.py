"""Protects the user's time: what cannot work is said in one clear line, and the exit is non-zero."""

import re
import subprocess

import pytest


def test_a_mistake_in_the_config_is_named_before_anything_runs(checkout):
    """One of those that tests/config/test_check.py knows."""
    checkout.edit("study.yaml", "seed: 1", "sed: 1")
    run = checkout.start("--dry-run")
    assert run.wait() != 0
    (line,) = (line for line in checkout.log.read_text().splitlines() if "error" in line.lower())
    assert "error: config: the top level: unknown key 'sed'; did you mean 'seed'?" in line
    assert "Traceback" not in checkout.log.read_text()
    assert not (checkout.folder / "results").exists()


def test_broken_yaml_is_told_with_its_line(checkout):
    with (checkout.folder / "config.yaml").open("a") as file:
        file.write("  more: [1, 2\n")
    command = [argument for argument in checkout.command("--dry-run") if "study.yaml" not in argument]
    run = subprocess.run(
        command[:-1], cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True
    )
    assert run.returncode != 0
    assert re.search(r"error: config.yaml, line \d+, column \d+: not valid YAML", run.stdout + run.stderr)


def test_a_target_after_the_option_is_told_its_place(checkout):
    run = subprocess.run(
        [*checkout.command("--dry-run"), "results/tables/all.csv"],
        cwd=checkout.folder,
        env=checkout.environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert "snakemake results/tables/all.csv --configfile study.yaml" in run.stderr
    assert "Traceback" not in run.stderr


UNREACHABLE = """provider: nowhere

providers:
  nowhere: {inherits: earth-search, url: "http://127.0.0.1:9/v1"}

download: {patience_s: 2}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "target", "message"),
    [
        (
            "provider: embedded\n",
            UNREACHABLE,
            "results/items/east/sentinel-2.json",
            "http://127.0.0.1:9/v1 did not answer",
        ),
        (
            "cloud_cover_max: 90",
            "cloud_cover_max: 0, months: [7]",
            "results/items/east/sentinel-2.json",
            "error: ",
        ),
    ],
    ids=["unreachable catalogue", "empty search"],
)
def test_a_stage_says_what_is_wrong_in_one_line(checkout, old, new, target, message):
    checkout.edit("study.yaml", old, new)
    run = checkout.start(target)
    assert run.wait() != 0
    text = checkout.log.read_text()
    errors = [line for line in text.splitlines() if " error: " in line]
    assert len(errors) == 1 and message in errors[0], text[-4000:]
    assert "Traceback" not in text
    assert not (checkout.folder / target).exists()
