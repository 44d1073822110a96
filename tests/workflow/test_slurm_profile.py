"""Protects the profile for Slurm: its rules exist, its retries fit, and a cluster is not swamped."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "workflow/profiles/slurm"
PROFILE = yaml.safe_load((FOLDER / "profile.yaml").read_text())
PARTITIONS = yaml.safe_load((FOLDER / "partitions.yaml").read_text())["partitions"]
PAGE = (ROOT / "docs/slurm.md").read_text(encoding="utf-8")
RULES = "".join(path.read_text() for path in sorted(ROOT.glob("workflow/rules/*.smk")))
# The text of each rule that is written out, and of which one each of the others is made.
OWN = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", RULES, re.MULTILINE | re.DOTALL))
DERIVED = {rule: base for base, rule in re.findall(r"^use rule (\w+) as (\w+) with:", RULES, re.MULTILINE)}
ON_GPUS = {
    *("pretrain", "pretrain_reconstructing", "pretrain_estimating"),
    *("generate", "embed", "evaluate", "predict"),
}
ATTEMPTS = PROFILE["retries"] + 1


def asked(resource: Any, attempt: int) -> int:
    """What an expression of the profile gives at an attempt."""
    return int(eval(str(resource), {"attempt": attempt, "min": min}))


def test_it_names_rules_that_exist():
    assert {*PROFILE["set-threads"], *PROFILE["set-resources"]} <= {*OWN, *DERIVED}
    assert {*OWN, *DERIVED} >= ON_GPUS


def test_it_names_every_rule_that_says_what_it_takes():
    """What a rule says goes before the default of the profile, and is no more at a retry."""
    stating = {rule for rule, body in OWN.items() if re.search(r"\bmem_mb=|\bruntime=", body)}
    stating |= {rule for rule, base in DERIVED.items() if base in stating}
    assert stating == {*PROFILE["set-resources"]}


@pytest.mark.parametrize("section", ["set-threads", "set-resources"])
def test_a_rule_made_of_another_takes_what_that_one_takes(section):
    for rule, base in DERIVED.items():
        assert PROFILE[section].get(rule) == PROFILE[section].get(base), rule


@pytest.mark.parametrize("resource", ["mem_mb", "runtime"])
@pytest.mark.parametrize("rule", [None, *PROFILE["set-resources"]])
def test_a_retry_gets_more_and_fits(rule, resource):
    expression = PROFILE["set-resources"].get(rule, PROFILE["default-resources"])[resource]
    first, second, last = (asked(expression, attempt) for attempt in (1, 2, ATTEMPTS))
    assert first < second <= last <= PARTITIONS["gpu" if rule in ON_GPUS else "cpu"][f"max_{resource}"]


def test_a_cluster_is_not_swamped():
    """However many jobs a study has, few are in the queue, few come a minute; and the page says how many."""
    count, seconds = (int(number) for number in PROFILE["max-jobs-per-timespan"].rstrip("s").split("/"))
    assert PROFILE["jobs"] <= 100
    assert 60 * count / seconds <= 60
    assert PROFILE["slurm-init-seconds-before-status-checks"] >= 20
    for setting in ("jobs", "max-jobs-per-timespan", "slurm-init-seconds-before-status-checks"):
        assert re.search(rf"^\| `{setting}` \| `?{PROFILE[setting]}`? \|", PAGE, re.MULTILINE), setting


@pytest.mark.slow
def test_small_jobs_may_be_grouped(checkout):
    """As the page says: one job of the land cover of two regions, from the files to the cube."""
    (groups,) = re.findall(r"--profile slurm (--groups .+) \\\n", PAGE)
    cubes = [f"results/cubes/{region}/labels.zarr" for region in ("east", "west")]
    said = checkout.snakemake("--dry-run", *cubes, *groups.split(), profile="slurm")
    assert said.count("Group job labels ") == 1
    together = set(re.findall(r"^ +Job \d+: (.+)$", said, re.MULTILINE))
    assert together == {
        f"{what} of {region}{when}"
        for region in ("east", "west")
        for what, when in (("Download worldcover scenes", ", 2020"), ("Grid the labels", ""))
    }
