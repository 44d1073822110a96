"""Protects the plan: every run of a study is there, each job gets its own slice of the config and no more."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from revisit.plan import Plan

ROOT = Path(__file__).parents[1]


class Wildcards(SimpleNamespace):
    """As Snakemake's, which also have ``get``."""

    def get(self, name, default=None):
        return getattr(self, name, default)


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def test_every_run_of_the_default_study_has_a_score(config):
    scores = Plan(config).scores()
    assert isinstance(scores, list)  # Snakemake swallows the first value of a generator
    assert len(scores) == len(set(scores)) == 5 * 3 * 2 + 6
    assert "results/scores/masking/scratch/s1/fine-tune.json" in scores
    assert "results/scores/land-cover/dual-stmim-unet/s1+rgb/fine-tune.json" in scores


def test_a_score_has_the_encoders_it_needs(config):
    config["pretraining"]["seeds"] = [0, 1]
    plan = Plan(config)
    wildcards = Wildcards(
        experiment="land-cover", method="dual-stmim-unet", modality="s1+rgb", protocol="fine-tune"
    )
    assert plan.score_encoders(wildcards) == [
        f"results/encoders/yearly/stmim/{modality}/seed{seed}/encoder.safetensors"
        for seed in (0, 1)
        for modality in ("s1", "rgb")
    ]
    wildcards = Wildcards(experiment="land-cover", method="unet", modality="s1", protocol="supervised")
    assert plan.score_encoders(wildcards) == []


def test_a_slice_does_not_hold_what_the_stage_does_not_use(config):
    plan = Plan(config)
    before = plan.stack(Wildcards(region="plain", sensor="sentinel-2"))
    config["cube"]["clip_sigma"] = 2
    config["regions"]["hills"]["bbox"] = [1, 2, 3, 4]
    config["experiments"] = {}
    assert plan.stack(Wildcards(region="plain", sensor="sentinel-2")) == before
    assert json.loads(plan.limits()) == {"clip_sigma": 2}


def test_settings_do_not_depend_on_the_order_of_keys(config):
    turned = json.loads(json.dumps(config), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    for name in ("3dmae-3dm", "stmim"):
        wildcards = Wildcards(method=name)
        assert Plan(config).pretrain(wildcards) == Plan(turned).pretrain(wildcards)


def test_sentinel_1_is_matched_to_sentinel_2_where_there_is_one(config):
    wildcards = Wildcards(region="plain", sensor="sentinel-1")
    assert Plan(config).reference(wildcards) == ["results/cubes/plain/sentinel-2/aligned.zarr"]
    del config["search"]["sentinel-2"]
    assert Plan(config).reference(wildcards) == []


def test_only_our_own_server_gets_a_folder(config):
    wildcards = Wildcards(region="plain")
    assert Plan(config).folder(wildcards) == ["results/archive/plain"]
    assert Plan({**config, "provider": "earth-search"}).folder(wildcards) == []
    own = {"provider": "mine", "providers": {"mine": {"folder": "data"}}}
    assert Plan({**config, **own}).folder(wildcards) == ["data"]
