"""Protects the plan: every run of a study is there, each job gets its own slice of the config and no more."""

import copy
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from revisit.config.check import check
from revisit.errors import RevisitError
from revisit.plan.plan import Plan

ROOT = Path(__file__).parents[2]


class Wildcards(SimpleNamespace):
    """As Snakemake's: attributes that are items too."""

    def items(self):
        return vars(self).items()

    def __iter__(self):
        return iter(vars(self).values())


def test_every_repeat_of_every_run_has_a_score(plan):
    scores = plan.scores()
    assert isinstance(scores, list)  # Snakemake swallows the first value of a generator
    assert len(scores) == len(set(scores)) == sum(len(run["repeats"]) for run in plan.runs)
    assert "results/scores/masking/scratch/s1+s2/fine-tune/labels0.1/seed2.json" in scores
    assert "results/scores/masking/class-prior/s1+s2/floor/labels1/seed0.json" in scores
    assert "results/scores/land-cover/unet/s1/supervised/labels1/seed1.json" in scores


def test_what_is_held_against_the_sources_and_against_its_own_tests(plan):
    """Claims rest on experiments with published numbers alone; every row with encoders is looked at once."""
    assert set(plan.claimed()) == set(plan.scores()) and plan.claims() == ["results/tables/claims.csv"]
    asked = [Wildcards(experiment=name) for name in plan.facts["experiments"]]
    rows = [row for one in asked for row in plan.scored_in(one)["tested"]]
    assert [path for one in asked for path in plan.scores_of(one)] == plan.scores()
    beside = [path for one in asked for path in plan.predictions_of(one)]
    assert beside == [path.replace(".json", ".npz") for path in plan.scores()]
    assert {path for one in asked for path in plan.cards_of(one)} == {
        path.replace("encoder.safetensors", "card.json") for row in rows for path in row["encoders"]
    }
    assert len(rows) == sum(bool(run["encoders"]) for run in plan.runs) > 0
    (row,) = [one for one in rows if (one["method"], one["protocol"]) == ("3dmae-rm", "linear")]
    assert row["encoders"] == ["results/encoders/pairs/3dmae-rm/s1+s2/seed0/encoder.safetensors"]
    assert row["index"] == "results/patches/scenes/index.json"
    for experiment in plan.facts["experiments"].values():
        experiment["published_as"] = None
    assert plan.claimed() == plan.claims() == []


def score(**names):
    return Wildcards(**{"experiment": "masking", "modality": "s1+s2", "labels": "0.1", "seed": "1"} | names)


def test_a_score_has_the_encoder_of_its_seed(plan):
    """Else runs would share the luck of one pretraining, or learn from features of another encoder."""
    fine_tune = score(method="3dmae-rm", protocol="fine-tune")
    assert plan.score_encoders(fine_tune) == [
        "results/encoders/pairs/3dmae-rm/s1+s2/seed1/encoder.safetensors"
    ]
    assert plan.evaluate(fine_tune).items() >= {
        "label_fraction": 0.1, "seed": 1, "pretraining_seed": 1,
    }.items()  # fmt: skip
    probe = Wildcards(experiment="masking", method="3dmae-rm", modality="s1+s2", protocol="linear")
    features = [f"results/features/scenes/3dmae-rm/s1+s2/seed{seed}/s1+s2.npz" for seed in range(3)]
    assert plan.probe_features(probe) == features
    encoders = [f"results/encoders/pairs/3dmae-rm/s1+s2/seed{seed}/encoder.safetensors" for seed in range(3)]
    assert plan.probe_encoders(probe) == encoders
    assert [repeat["pretraining_seed"] for repeat in plan.repeats(probe)["repeats"]] == [0, 1, 2, 0, 1, 2]
    unet = score(experiment="land-cover", method="unet", modality="s1", protocol="supervised", labels="1")
    assert plan.score_encoders(unet) == []
    assert plan.evaluate(unet)["pretraining_seed"] is None


def test_one_more_seed_or_share_of_the_labels_plans_only_itself(config, checked):
    """No training that was made is made again: the settings of the other repeats stay as they are."""
    edited = copy.deepcopy(config)
    edited["experiments"]["masking"]["seeds"].append(3)
    edited["experiments"]["masking"]["label_fractions"].append(0.01)
    edited["pretraining"]["seeds"].append(3)
    before, after = Plan(copy.deepcopy(checked)), Plan(check(edited))
    assert set(before.scores()) < set(after.scores())
    wildcards = score(method="3dmae-rm", protocol="fine-tune")
    assert before.evaluate(wildcards) == after.evaluate(wildcards)


def test_scores_are_made_by_themselves_or_all_of_a_run_at_once(plan):
    """What a rule takes is what another makes, and the job is told each file."""
    asked = Wildcards(experiment="masking")
    made, told = plan.made(plan.scores_of(asked)), plan.score_files(asked)
    folder = "results/scores/masking/3dmae-rm/s1+s2"
    assert f"{folder}/linear" in made and f"{folder}/fine-tune/labels1/seed0.json" in made
    assert f"{folder}/linear/labels0.1/seed2.json" in told["scores"]
    assert f"{folder}/linear/labels0.1/seed2.npz" in told["predictions"]
    assert not [path for path in made if "/linear/" in path or "/floor/" in path]
    drawn = Wildcards(figure="maps/land-cover")
    folder = "results/scores/land-cover"
    made, told = plan.made(plan.figure_sources(drawn)), plan.figure_files(drawn)["source"]
    for path in made, told:
        assert f"{folder}/unet/s1/supervised/labels1/seed0.npz" in path
    assert f"{folder}/pixel-statistics/s1/floor" in made
    assert f"{folder}/pixel-statistics/s1/floor/labels1/seed0.npz" in told


def test_numbers_of_labels_are_told_from_shares(config):
    """A score is found by its own number; pictures are of the run with the most labels."""
    edited = copy.deepcopy(config)
    del edited["experiments"]["land-cover"]["label_fractions"]
    edited["experiments"]["land-cover"]["label_counts"] = [100, 20]
    plan = Plan(check(edited))
    unet = {"experiment": "land-cover", "method": "unet", "modality": "s1", "protocol": "supervised"}
    folder = "results/scores/land-cover/unet/s1/supervised"
    assert {f"{folder}/labels100/seed0.json", f"{folder}/labels20/seed2.json"} < set(plan.scores())
    found = plan.evaluate(score(**unet, labels="20"))
    assert (found["label_fraction"], found["label_count"], found["seed"]) == (None, 20, 1)
    assert f"{folder}/labels100/seed0.npz" in plan.predictions("land-cover")
    edited["experiments"]["land-cover"]["label_counts"] = [10**6]
    with pytest.raises(RevisitError, match=r"land-cover\.label_counts: 1000000 is more than .* can hold"):
        check(edited)


def test_an_entry_waits_for_the_encoder_it_starts_from(config):
    """That of its own modality and seed; one of another shape is refused before anything runs."""
    edited = copy.deepcopy(config)
    first = {**edited["pretraining"]["methods"]["3dmae-rm"], "published_as": None}
    net = {"name": "channel-unet", "channel_width": 4, "width": 4}
    methods = edited["pretraining"]["methods"]
    methods["unifeat"] = {**first, "method": {"name": "unifeat", "encoder": net}}
    methods["sscl"] = {**first, "parents": ["unifeat"], "method": {"name": "core", "encoder": net}}
    plan, second = Plan(check(edited)), Wildcards(method="sscl", modality="s1+s2", seed="1")
    assert plan.parents(second) == ["results/encoders/pairs/unifeat/s1+s2/seed1/encoder.safetensors"]
    methods["sscl"]["method"] = {"name": "core", "encoder": {**net, "width": 8}}
    with pytest.raises(RevisitError, match=r"methods\.sscl\.method: core: its encoder is .* of its parent"):
        check(edited)


def test_each_protocol_has_one_rule(plan):
    """Their outputs are alike: two rules for one file would be an error, none too."""
    patterns = {stage: plan.protocols(stage) for stage in ("evaluate", "probe", "floor")}
    assert patterns == {"evaluate": "fine\\-tune|frozen|supervised", "probe": "knn|linear", "floor": "floor"}


def test_only_names_of_the_study_are_names_in_paths(plan):
    """A file of another study has no rule then, which Snakemake says, instead of a failing function."""
    for key, own in (
        ("experiment", "land-cover"),
        ("method", "unet"),
        ("method", "stmim"),
        ("modality", "s1+s2"),
    ):
        assert re.fullmatch(plan.named(key), own)
        assert not re.fullmatch(plan.named(key), "nope")


def test_a_score_that_the_study_has_not_is_told_in_one_line(plan):
    """Its names may be of the study, each by itself."""
    wildcards = Wildcards(
        experiment="masking", method="scratch", modality="s1+s2", protocol="fine-tune", labels="1", seed="9"
    )
    with pytest.raises(RevisitError, match="masking: no run with labels1, seed9; add them to"):
        plan.score_encoders(wildcards)
    wildcards.method = "unet"
    with pytest.raises(RevisitError, match=r"masking/unet/.*/fine-tune: the study has no such run"):
        plan.collection(wildcards)


def test_few_regions_share_the_cores_of_the_machine(plan):
    """One job of cubes a region leaves the others idle; on a cluster the profile says."""
    count = len(plan.regions)
    asked = (None, 1, count, 2 * count - 1, 2 * count, 64 * count)
    assert [plan.threads(cores) for cores in asked] == [1, 1, 1, 1, 2, 4]


def test_a_region_that_the_study_has_not_is_told_in_one_line(plan):
    with pytest.raises(RevisitError, match="region nowhere: the study has none of this name"):
        plan.stack(Wildcards(region="nowhere", sensor="sentinel-2"))


def test_a_region_held_out_concerns_no_other(plan):
    """Its tiles alone are cut anew; and a skipped region is nowhere."""
    plain, delta = (Wildcards(region=name, collection="pairs") for name in ("plain", "delta"))
    before = plan.tile(plain), plan.tile(delta)
    plan.config["split"]["regions"]["delta"] = "test"
    assert plan.tile(plain) == before[0]
    assert plan.tile(delta) != before[1]


def test_a_collection_of_skipped_regions_alone_is_refused(config):
    """It would silently become one of all regions."""
    other = copy.deepcopy(config)
    other["collections"]["far"] = {**other["collections"]["yearly"], "regions": ["delta"]}
    with pytest.raises(RevisitError, match=r"skip: leaves collections\.far no region"):
        check({**other, "skip": ["delta"]})


def test_a_skipped_region_is_left_out_of_everything(config):
    skipping = Plan(check({**config, "skip": ["delta", "fells"]}))
    assert not [path for path in skipping.items() + skipping.quicklooks() if "delta" in path]
    assert not [path for path in skipping.stores(Wildcards(collection="pairs")) if "delta" in path]


def test_only_what_reconstructs_has_a_picture_of_it(plan):
    figures = plan.figures()
    assert "results/figures/reconstructions/pairs/3dmae-rm/s1+s2/seed0.png" in figures
    assert not [path for path in figures if "reconstructions/pairs/scratch" in path]


@pytest.fixture(scope="module")
def estimating(config):
    """The default study with CACo and one of its ablations, and true labels of two years."""
    other = copy.deepcopy(config)
    del other["search"]["worldcover"]
    other["search"]["truth"] = {"years": [2019, 2020]}
    other["collections"]["series"] = {
        "kind": "series", "patch_pixels": 32, "min_valid": 0.5, "dates": 6, "regions": ["plain", "hills"],
    }  # fmt: skip
    entry = {"collection": "series", "modalities": ["rgb"], "steps": 4, "batch_size": 8}
    method = {"name": "caco", "encoder": {"name": "resnet", "depth": 18}}
    other["pretraining"]["methods"] |= {
        "caco": {**entry, "method": method},
        "always": {**entry, "method": {**method, "change": {"other_era": "always"}}},
    }
    return other


def test_estimates_of_change_are_held_against_labels_of_several_years(estimating):
    """Each encoder that estimates has its picture; with labels of two years there is a truth as well."""
    found = Plan(check(estimating))
    patterns = [found.methods(leaving) for leaving in ("reconstruction", "changes", "neither")]
    matching = {name: [bool(re.fullmatch(pattern, name)) for pattern in patterns] for name in found.entries}
    assert all(sum(one) == 1 for one in matching.values())
    assert matching["caco"] == [False, True, False] and matching["always"] == [False, False, True]
    seeds = found.config["pretraining"]["seeds"]
    folders = [f"series/caco/rgb/seed{seed}" for seed in seeds]
    drawn = [path for path in found.figures() if "change" in path]
    mixtures = [f"results/figures/change-mixture/{folder}.png" for folder in folders]
    assert drawn == [*mixtures, "results/figures/change-roc.png"]
    first = found.figure_sources(Wildcards(figure=f"change-mixture/{folders[0]}"))
    assert first == [f"results/encoders/{folders[0]}/{name}.csv" for name in ("changes", "mixture")]
    truths = [f"results/changes/{folder}.csv" for folder in folders]
    assert found.true_changes() == found.figure_sources(Wildcards(figure="change-roc")) == truths
    assert found.change_estimates() == ["results/tables/change-estimates.csv"]
    cubes = [f"results/cubes/{region}/labels.zarr" for region in ("plain", "hills")]
    assert found.label_cubes(Wildcards(collection="series")) == cubes


def test_labels_of_one_year_tell_no_change(estimating):
    one = copy.deepcopy(estimating)
    one["search"]["truth"]["years"] = [2020]
    found = Plan(check(one))
    assert found.true_changes() == found.change_estimates() == []
    assert [path for path in found.figures() if "change" in path] == [
        f"results/figures/change-mixture/series/caco/rgb/seed{seed}.png"
        for seed in found.config["pretraining"]["seeds"]
    ]


def test_a_slice_does_not_hold_what_the_stage_does_not_use(plan):
    wildcards = Wildcards(region="plain", sensor="sentinel-2", collection="pairs")
    before = plan.stack(wildcards), plan.tile(wildcards)
    plan.config["cube"]["clip_sigma"] = 2
    plan.config["regions"]["hills"]["bbox"] = [1, 2, 3, 4]
    plan.config["collections"]["pairs"]["regions"] = ["plain"]
    plan.config["experiments"] = {}
    assert (plan.stack(wildcards), plan.tile(wildcards)) == before
    assert plan.limits(wildcards) == {"clip_sigma": 2}


def test_a_title_reruns_nothing_but_tables(config, checked):
    other = copy.deepcopy(config)
    other["pretraining"]["methods"]["stmim"]["title"] = "Another"
    other["experiments"]["land-cover"]["networks"]["unet"]["title"] = "Another U-Net"
    other["experiments"]["masking"]["title"] = "Masks"
    plans = Plan(checked), Plan(check(other))
    pretrained = Wildcards(collection="yearly", method="stmim", modality="s1", seed="0")
    unet = score(experiment="land-cover", method="unet", modality="s1", protocol="supervised", labels="1")
    assert plans[0].pretrain(pretrained) == plans[1].pretrain(pretrained)
    assert plans[0].evaluate(unet) == plans[1].evaluate(unet)
    assert plans[0].scored(unet) != plans[1].scored(unet)


def test_settings_do_not_depend_on_the_order_of_keys(config, checked):
    turned = json.loads(json.dumps(config), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    plans = Plan(checked), Plan(check(turned))
    for name in ("3dmae-rm", "stmim"):
        wildcards = Wildcards(collection="any", method=name, modality="s1", seed="0")
        assert plans[0].pretrain(wildcards) == plans[1].pretrain(wildcards)


def test_sentinel_1_is_matched_to_sentinel_2_where_there_is_one(plan):
    wildcards = Wildcards(region="plain", sensor="sentinel-1")
    assert plan.reference(wildcards) == ["results/cubes/plain/sentinel-2/aligned.zarr"]
    plan.sensors.remove("sentinel-2")
    assert plan.reference(wildcards) == []


def test_only_our_own_server_gets_a_folder(plan):
    wildcards = Wildcards(region="plain", sensor="sentinel-1")
    assert plan.folder(wildcards) == ["results/archive/plain"]
    mixed = yaml.safe_load((ROOT / "workflow/presets/earth-search.yaml").read_text())
    mixed["providers"]["mixed"]["sensors"]["sentinel-1"] = {"from": "embedded"}
    plan = Plan(check(mixed))
    assert plan.folder(wildcards) == ["results/earth-search/archive/plain"]
    assert plan.folder(Wildcards(region="plain", sensor="sentinel-2")) == []
    assert set(plan.archive(Wildcards(region="flevoland"))["years"]) == {"sentinel-1"}


def test_limits_are_of_the_regions_they_are_pinned_to(plan):
    wildcards = Wildcards(sensor="sentinel-1")
    plan.config["cube"]["limits_from"] = ["plain"]
    assert plan.limiting(wildcards) == ["results/cubes/plain/sentinel-1/moments.json"]
    plan.config["cube"]["limits_from"] = None
    assert len(plan.limiting(wildcards)) == len(plan.regions)


def test_regions_that_others_wait_for_come_first(checked):
    """Then the others in the order of the config; and what belongs to no region holds none of them up."""
    turned = copy.deepcopy(checked)
    turned["config"]["cube"]["limits_from"] = ["plain", "polder"]
    plan = Plan(turned)
    order = sorted(plan.regions, key=lambda region: -plan.priority(Wildcards(region=region)))
    others = [region for region in plan.regions if region not in ("plain", "polder")]
    assert order == ["plain", "polder", *others]
    assert plan.priority(Wildcards(sensor="sentinel-1")) > plan.priority(Wildcards(region="plain"))
    pretraining, training = Wildcards(method="stmim"), Wildcards(method="stmim", experiment="land-cover")
    assert plan.priority(pretraining) > plan.priority(training) > plan.priority(Wildcards(region="plain"))


def test_what_is_kept_changes_no_setting_of_a_job(config, checked):
    """Else a finished study would be made anew for it."""
    keep = {"scenes": False, "raw": False, "aligned": True}
    kept, passing = Plan(copy.deepcopy(checked)), Plan(check({**config, "keep": keep}))
    for name in keep:
        assert kept.passing(name, "output") == "output"
        assert getattr(passing.passing(name, "output"), "flags", {}).get("temp", False) is not keep[name]
    wildcards = Wildcards(region="plain", sensor="sentinel-2", year="2020")
    for of in ("download", "stack", "coregister", "page"):
        assert getattr(kept, of)(wildcards) == getattr(passing, of)(wildcards)
    assert kept.fetching(wildcards)["keep"] and not passing.fetching(wildcards)["keep"]
    assert kept.clips(wildcards) == [f"results/scenes/plain/sentinel-2/{year}/clips" for year in (2020, 2021)]


def test_another_study_has_a_folder_of_its_own(config):
    plan = Plan(check({**config, "study": "mine"}))
    paths = [*plan.scores(), *plan.figures(), *plan.items(), *plan.quicklooks(), plan.files.folder]
    assert all(path.startswith("results/mine/") for path in paths)
    wildcards = Wildcards(collection="yearly", method="stmim", modality="s1", seed="0")
    assert plan.pretrain(wildcards)["study"] == "mine"


def test_a_job_file_is_written_when_the_run_starts_and_only_if_it_changed(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = plan.job("stack", "revisit.cube.stacking.stack", plan.stack)
    wildcards = Wildcards(region="plain", sensor="sentinel-2")
    files = Wildcards(manifests=["a.json"]), Wildcards(cube="raw.zarr", quicklook="raw.png")
    path = Path(params["job"](wildcards, *files, 1))
    assert path == Path("results/logs/stack/plain/sentinel-2.json") and not path.exists()
    plan.files.start()
    content = json.loads(path.read_text())
    assert content["input"] == {"manifests": ["a.json"]} and content["output"]["cube"] == "raw.zarr"
    assert content["settings"] == plan.stack(wildcards) == json.loads(params["settings"](wildcards))
    assert content["log"] == "results/logs/stack/plain/sentinel-2.log"
    before = path.stat().st_mtime_ns
    plan.files.start()
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("mask", "band"),
    [
        ({"by": "scene-classification"}, ["scl"]),
        ({"by": "cloud-probability", "most": 30}, ["cloud"]),
        ({"by": "nothing"}, []),
    ],
)
def test_the_mask_of_a_study_is_fetched_and_nothing_for_none(config, mask, band):
    """How much cloud is too much is the stack's: another threshold fetches nothing anew."""
    plan = Plan(check({**config, "cube": {**config["cube"], "cloud_mask": mask}}))
    place = Wildcards(region=plan.regions[0], sensor="sentinel-2")
    bands = config["cube"]["bands"]["sentinel-2"]
    assert plan.search(place)["bands"] == plan.download(place)["bands"] == [*bands, *band]
    assert plan.stack(place)["bands"] == bands
    assert plan.stack(place)["cloud_mask"]["by"] == mask["by"]
    radar = Wildcards(region=plan.regions[0], sensor="sentinel-1")
    assert plan.download(radar)["bands"] == config["cube"]["bands"]["sentinel-1"]
