"""Protects the profile for Slurm: it names rules that exist, and the last retry still fits a partition."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "workflow/profiles/slurm"
PROFILE = yaml.safe_load((FOLDER / "profile.yaml").read_text())
PARTITIONS = yaml.safe_load((FOLDER / "partitions.yaml").read_text())["partitions"]
RULES = "".join(path.read_text() for path in sorted(ROOT.glob("workflow/rules/*.smk")))
ON_GPUS = {
    *("pretrain", "pretrain_reconstructing", "pretrain_estimating"),
    *("generate", "embed", "evaluate", "predict"),
}
ATTEMPTS = PROFILE["retries"] + 1


def asked(resource: Any, attempt: int) -> int:
    """What an expression of the profile gives at an attempt."""
    return int(eval(str(resource), {"attempt": attempt, "min": min}))


def test_it_names_rules_that_exist():
    names = set(re.findall(r"^rule (\w+):", RULES, re.MULTILINE))
    names |= set(re.findall(r"^use rule \w+ as (\w+) with:", RULES, re.MULTILINE))
    assert {*PROFILE["set-threads"], *PROFILE["set-resources"]} <= names
    assert names >= ON_GPUS


@pytest.mark.parametrize("resource", ["mem_mb", "runtime"])
@pytest.mark.parametrize("rule", [None, *PROFILE["set-resources"]])
def test_a_retry_gets_more_and_fits(rule, resource):
    expression = PROFILE["set-resources"].get(rule, PROFILE["default-resources"])[resource]
    first, second, last = (asked(expression, attempt) for attempt in (1, 2, ATTEMPTS))
    assert first < second <= last <= PARTITIONS["gpu" if rule in ON_GPUS else "cpu"][f"max_{resource}"]
