"""Protects comparisons of preparations: a variant makes anew what it changes, what follows, and no more."""

import copy
from pathlib import Path
from types import SimpleNamespace as Wildcards

import pytest
import yaml

from revisit.config.check import check
from revisit.errors import RevisitError
from revisit.plan.plan import Plan

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def study():
    return yaml.safe_load((ROOT / "workflow/presets/preparation.yaml").read_text())


@pytest.fixture(scope="module")
def plan(study):
    return Plan(check(study))


def of(variant: str) -> Wildcards:
    return Wildcards(variant=variant, region="hills", sensor="sentinel-2")


@pytest.mark.parametrize(
    ("variant", "own"),
    [
        ("", []),
        ("two-sigma", ["scaled"]),
        ("float", ["scaled"]),
        ("percentiles", ["moments", "scaled"]),
        ("unaligned", ["aligned", "moments", "scaled"]),
        ("unmasked", ["raw", "aligned", "moments", "scaled"]),
    ],
)
def test_what_a_variant_has_of_its_own(plan, variant, own):
    stages = ("raw", "aligned", "moments", "scaled")
    assert [stage for stage in stages if plan.variants.has(variant, stage)] == own
    for stage in ("raw", "aligned", "scaled"):
        folder = f"variants/{variant}" if stage in own else "cubes"
        assert plan.cube(of(variant), stage) == f"results/preparation/{folder}/hills/sentinel-2/{stage}.zarr"


def test_its_jobs_are_told_what_it_does_otherwise(plan):
    """And those of the cubes themselves are told what they always were: nothing of theirs runs again."""
    usual = Wildcards(region="hills", sensor="sentinel-2")
    assert plan.coregister(of("unaligned")) == {"max_shift_pixels": 0}
    assert plan.coregister(usual) == plan.coregister(of("unmasked")) == {"max_shift_pixels": 3}
    assert plan.stack(of("unmasked"))["cloud_mask"]["by"] == "nothing"
    assert plan.stack(usual)["cloud_mask"]["by"] == "scene-classification"
    assert plan.limits(usual) == {"clip_sigma": 3}
    assert plan.limits(of("float")) == {"clip_sigma": 3, "dtype": "float32"}
    assert plan.limits(of("percentiles")) == {"clip_sigma": 3, "clip_percent": 2}
    assert plan.moments(of("percentiles")) == {**plan.moments(usual), "histogram": True}
    assert plan.limiting(of("two-sigma")) == plan.limiting(usual)
    assert plan.fetched("sentinel-2").count("scl") == 1


def test_a_collection_is_cut_from_the_cubes_it_asks_for(plan):
    cut = {
        name: plan.scaled(Wildcards(collection=name, region="hills")) for name in ("maps", "maps-two-sigma")
    }
    assert cut == {
        "maps": ["results/preparation/cubes/hills/sentinel-2/scaled.zarr"],
        "maps-two-sigma": ["results/preparation/variants/two-sigma/hills/sentinel-2/scaled.zarr"],
    }


def test_rows_are_of_their_own_collections_and_maps_of_the_usual_cubes(plan):
    row = Wildcards(experiment="preparation", method="two-sigma", modality="s2", protocol="supervised")
    assert plan.collection(row) == "results/preparation/patches/maps-two-sigma/index.json"
    assert len(plan.indexes_of(row)) == 7
    rivals = plan.rivals(Wildcards(experiment="preparation"), "card.json")
    assert len(rivals) == 3 and all("/usual/" in path for path in rivals)


def test_what_learnt_from_a_variant_maps_its_cubes(study, plan):
    """Of every region, which the variant then has cubes of."""
    here = Wildcards(experiment="preparation", region="plain")
    assert plan.mapped_cubes(here) == ["results/preparation/cubes/plain/sentinel-2/scaled.zarr"]
    changed = copy.deepcopy(study)
    changed["collections"]["maps-two-sigma"]["regions"] = ["hills"]
    assert Plan(check(changed)).variants_asked()["two-sigma"] == ["hills"]
    changed["experiments"]["preparation"]["collection"] = "maps-two-sigma"
    varied = Plan(check(changed))
    assert varied.mapped_cubes(here) == [
        "results/preparation/variants/two-sigma/plain/sentinel-2/scaled.zarr"
    ]
    assert varied.variants_asked()["two-sigma"] == ["hills", "plain"]


def test_a_mask_that_a_variant_takes_is_fetched(study):
    changed = copy.deepcopy(study)
    changed["cube"]["variants"]["unmasked"] = {"cloud_mask": {"by": "cloud-probability"}}
    assert Plan(check(changed)).fetched("sentinel-2")[-2:] == ["scl", "cloud"]


def test_a_variant_that_is_not_there_is_refused(study):
    changed = copy.deepcopy(study)
    changed["collections"]["maps-unaligned"]["cube"] = "unalined"
    with pytest.raises(
        RevisitError, match=r"collections\.maps-unaligned\.cube: 'unalined' is not .* mean 'unaligned'\?"
    ):
        check(changed)
