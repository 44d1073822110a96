"""Protects that no training of a study is made twice, and that none is taken for another."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from revisit.config.check import check
from revisit.plan.forecast.work import Stage, Work
from revisit.plan.plan import Plan

ROOT = Path(__file__).parents[2]
FIRST = "results/{}/masking/3dmae-3dm/s1+s2/fine-tune/labels1/seed1"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "tests/study.yaml").read_text())
    return config


def plan_of(config: dict[str, Any], **changes: Any) -> Plan:
    """The small study with an experiment ``again`` that is ``masking`` but for these changes."""
    config = copy.deepcopy(config)
    config["experiments"]["again"] = {**config["experiments"]["masking"], "title": "Again", **changes}
    return Plan(check(config))


def evaluations(plan: Plan) -> Stage:
    """What the forecast says of them."""
    return next(stage for stage in Work(plan, []).stages() if stage.name == "evaluate")


def same(plan: Plan, experiment: str = "again", seed: int = 1, labels: str = "1") -> list[str]:
    names = {"method": "3dmae-3dm", "modality": "s1+s2", "protocol": "fine-tune"}
    return plan.same(SimpleNamespace(experiment=experiment, labels=labels, seed=str(seed), **names))


def test_the_same_is_taken_from_the_first_experiment(config: dict[str, Any]) -> None:
    """Where it shares a row with other labels, seeds and rows beside it; the forecast does not count it."""
    plan = plan_of(config, label_fractions=[0.5, 1.0], methods=["3dmae-3dm"], seeds=[1, 2])
    assert same(plan) == [
        f"{FIRST.format('scores')}.json",
        f"{FIRST.format('scores')}.npz",
        f"{FIRST.format('models')}/model.safetensors",
        f"{FIRST.format('models')}/card.json",
    ]
    assert same(plan, seed=2) == same(plan, labels="0.5") == []
    assert same(plan, experiment="masking") == []
    alone, twice = evaluations(Plan(check(config))), evaluations(plan_of(config))
    assert twice.jobs == alone.jobs + 4 and twice.amount == alone.amount
    assert evaluations(plan).amount > alone.amount


@pytest.mark.parametrize(
    "changes",
    [
        {"fine_tune": {"batch_size": 16, "learning_rate": 2.0e-3, "max_steps": 20, "validate_every": 10}},
        {"validation_labels": "all"},
        {"collection": "others"},
    ],
)
def test_what_differs_in_anything_is_trained(config: dict[str, Any], changes: dict[str, Any]) -> None:
    config = copy.deepcopy(config)
    config["collections"]["others"] = {**config["collections"]["pairs"], "samples_per_place": 1}
    assert same(plan_of(config, **changes)) == []
