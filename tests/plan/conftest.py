"""What the tests of the plan share: the default study, checked once."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from revisit.config.check import check
from revisit.plan.plan import Plan


@pytest.fixture(scope="session")
def config() -> dict[str, Any]:
    """The default study, as it is written; no test may change it."""
    content: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
    return content


@pytest.fixture(scope="session")
def checked(config: dict[str, Any]) -> dict[str, Any]:
    return check(config)


@pytest.fixture
def plan(checked: dict[str, Any]) -> Plan:
    return Plan(copy.deepcopy(checked))
