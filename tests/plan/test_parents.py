"""Protects the plan of entries that start from others: whose encoder, and whose images, they get."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from revisit.config.check import check
from revisit.errors import RevisitError
from revisit.plan.forecast.space import spaces
from revisit.plan.forecast.work import Work
from revisit.plan.plan import Plan

ROOT = Path(__file__).parents[2]
RESNET = {"name": "resnet", "depth": 18, "stem": "small", "width": 8}
GENERATOR = {
    "collection": "pairs",
    "modalities": ["s1+s2"],
    "steps": 4,
    "batch_size": 4,
    "method": {"name": "pix2pix", "encoder": {"name": "unet-generator", "levels": 4, "width": 4}},
}
AIDED = {
    "collection": "pairs",
    "modalities": ["s1"],
    "steps": 4,
    "batch_size": 4,
    "parents": ["translator"],
    "method": {"name": "optical-aided", "encoder": RESNET},
}
SCENES = {
    "task": "single-label",
    "collection": "pairs",
    "pretrain_modality": "s1",
    "methods": ["aided", "alone"],
    "modalities": ["s1"],
    "protocols": ["linear", "knn"],
    "label_fractions": [0.5, 1.0],
    "seeds": [0, 1],
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """The small study with a generator and two levels of contrast, none of them called what it is."""
    config = yaml.safe_load((ROOT / "tests/study.yaml").read_text())
    alone = {key: value for key, value in AIDED.items() if key != "parents"}
    alone["method"] = {**AIDED["method"], "optical": 0}
    generator = copy.deepcopy(GENERATOR)
    generator["method"]["discriminator"] = {"layers": 1, "width": 4}
    config["pretraining"] = {
        "seeds": [0, 3],
        "methods": {"translator": generator, "aided": AIDED, "alone": alone},
    }
    config["experiments"] = {"scenes": SCENES}
    return config


@pytest.fixture(scope="module")
def plan(config: dict[str, Any]) -> Plan:
    return Plan(check(config))


def entry(method: str, modality: str = "s1", seed: str = "3") -> SimpleNamespace:
    return SimpleNamespace(collection="pairs", method=method, modality=modality, seed=seed)


def test_aid_comes_from_the_generator_of_the_same_seed(plan: Plan) -> None:
    """Which was pretrained on both sensors, while the encoder is of one."""
    assert plan.parents(entry("aided")) == [
        "results/encoders/pairs/translator/s1+s2/seed3/encoder.safetensors"
    ]
    assert plan.generated(entry("aided")) == ["results/generated/pairs/translator/s1+s2/seed3.zarr"]
    assert plan.generator(entry("translator", "s1+s2")) == plan.parents(entry("aided"))[0]
    assert plan.parents(entry("alone")) == plan.generated(entry("alone")) == []
    assert plan.generated_stores() == [
        f"results/generated/pairs/translator/s1+s2/seed{seed}.zarr" for seed in (0, 3)
    ]


def test_what_is_generated_is_foreseen(plan: Plan) -> None:
    work = Work(plan, [])
    (stage,) = [one for one in work.stages() if one.name == "generate"]
    pixels = work.samples("pairs") * 16**2
    assert stage.jobs == 2
    assert stage.amount == pytest.approx(2 * pixels * plan.entries["translator"]["parameters"] / 1e12)
    assert spaces(work)["generate"].stays == 2 * 2 * pixels  # two seeds, two bands


def test_figures_of_a_generator_and_of_features(plan: Plan) -> None:
    """The plane is of the first probe of each method, by all labels and the first seed."""
    figures = set(plan.figures())
    assert "results/figures/generated/pairs/translator/s1+s2/seed0.png" in figures
    assert "results/figures/feature-map/scenes.png" in figures
    assert not [path for path in figures if "reconstructions" in path]
    assert plan.figure_sources(SimpleNamespace(figure="feature-map/scenes")) == [
        path
        for method in ("aided", "alone")
        for path in (
            f"results/features/pairs/{method}/s1/seed0/s1.npz",
            f"results/scores/scenes/{method}/s1/linear/labels1/seed0.npz",
        )
    ]


def refusal(config: dict[str, Any], entry: str, **changes: Any) -> str:
    other = copy.deepcopy(config)
    other["pretraining"]["methods"][entry].update(changes)
    with pytest.raises(RevisitError) as caught:
        check(other)
    return str(caught.value)


def test_a_parent_that_makes_no_such_images_is_refused(config: dict[str, Any]) -> None:
    told = refusal(config, "aided", parents=["alone"])
    assert (
        "pretraining.methods.aided.parents: 'alone' makes no images, 'aided' learns from generated-vv" in told
    )
    assert "starts from 1 other entries, parents names 0" in refusal(config, "aided", parents=[])
    only_vh = copy.deepcopy(config["pretraining"]["methods"]["translator"]["method"])
    only_vh["encoder"]["makes"] = ["vh"]
    assert "'translator' makes generated-vh, 'aided' learns" in refusal(config, "translator", method=only_vh)
