"""Protects the user's days: what cannot work is refused before a byte is fetched, with key and remedy."""

import copy
import json
import re
from datetime import date
from pathlib import Path

import pytest
import shapely.geometry
import yaml

from revisit.config.check import check
from revisit.errors import RevisitError

ROOT = Path(__file__).parents[2]
METHODS, EXPERIMENTS = ("pretraining", "methods"), ("experiments",)
THIS_YEAR = date.today().year


@pytest.fixture(scope="module")
def study():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def changed(study, *path_and_value):
    """The study with one value put at a path; the last but one argument may be new."""
    *path, last, value = path_and_value
    result = place = copy.deepcopy(study)
    for key in path:
        place = place[key]
    place[last] = value
    return result


def refusal(study) -> str:
    with pytest.raises(RevisitError) as caught:
        check(study)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_of_imagenet_wait_for_their_weights():
    """Lines of presets that are commented out; that they are right once the files are there, plans show."""
    text = (ROOT / "workflow/presets/contrast.yaml").read_text().replace("#: ", "")
    with pytest.raises(RevisitError, match=r"resnet18-f37072fd\.pth: no such file"):
        check(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("sed",), 1, "the top level: unknown key 'sed'; did you mean 'seed'?"),
        (("study",), "Mine", "study: "),
        (("collections", "pairs", "patch_pixel"), 32, "collections.pairs: unknown key 'patch_pixel'; did"),
        (("collections", "pairs", "kind"), "pair", "collections.pairs.kind: .* did you mean 'pairs'"),
        ((*EXPERIMENTS, "masking", "lable_fractions"), [1], "did you mean 'label_fractions'"),
        ((*EXPERIMENTS, "masking", "task"), "multilabel", "masking.task: .* did you mean 'multi-label'"),
        ((*EXPERIMENTS, "masking", "layouts"), ["maskin"], "experiments.masking.layouts: .* 'masking'"),
        (("cube", "clip_sigma"), "three", "cube.clip_sigma: .*number.* not 'three'"),
        (("cube", "bands", "sentinel-2"), ["blue", "grean"], "cube.bands: .*'grean'.* did you mean 'green'"),
        (("cube", "limits_from"), ["nowhere"], "cube.limits_from: .*'nowhere'"),
        ((*EXPERIMENTS, "masking", "methods"), ["3dmae-rmm"], "3dmae-rmm"),
        ((*EXPERIMENTS, "land-cover", "collection"), "yearli", "land-cover.collection: 'yearli'"),
        ((*METHODS, "3dmae-rm", "method", "mask_ration"), 0.5, "did you mean 'mask_ratio'"),
        ((*METHODS, "3dmae-rm", "method", "name"), "mae3", "pretraining.methods.3dmae-rm.method.name: "),
        ((*METHODS, "stmim", "method", "encoder", "depth"), 3, "unknown key 'depth'"),
        ((*METHODS, "scratch", "method", "encoder", "name"), "bit", "'bit'"),
        (("archive", "biomes"), {"nowhere": "coast"}, "archive.biomes: 'nowhere' is not defined"),
        (("provider",), "earthsearch", "did you mean 'earth-search'"),
        (("provider",), "cdse-l1c", "cube.cloud_mask: Level 1C.*cdse-l1c.*by: nothing"),
        (("search", "sentinel-1"), {"orbit_state": "ascending"}, "search.sentinel-1.years is missing"),
        # Places
        (("regions", "plain", "bbox"), [1, 2, 3], "regions.plain.bbox"),
        (("regions", "plain", "bbox"), [2.67, 48.40, 2.60, 48.45], "regions.plain.bbox"),
        (("regions", "plain", "bbox"), [-33.95, 151.0, -33.90, 151.05], "regions.plain.bbox: .*latitude"),
        (("regions", "plain", "bbox"), [2.60, 97.96, 2.67, 98.00], "regions.plain.bbox: .*latitude"),
        (("regions", "plain", "bbox"), [5.97, 48.40, 6.04, 48.45], "regions.plain.*epsg"),
        (("regions", "plain", "bbox"), [0.0, 43.0, 5.9, 48.9], "regions.plain.bbox: .*km"),
        (("regions", "plain", "bbox"), [2.6, 48.4, 2.6001, 48.4001], "regions.plain.bbox: .*smaller"),
        (("regions", "plain", "epsg"), 4326, "regions.plain.epsg"),
        # Times
        (("search", "sentinel-2", "years"), [2021, THIS_YEAR + 1], f"sentinel-2.years: .*{THIS_YEAR + 1}"),
        (("search", "sentinel-2", "months"), [0, 4], "search.sentinel-2.months"),
        # Splits, collections
        (("split", "train"), 0.9, "split: .*0.9.*add up to 1"),
        (("split", "block_pixels"), 100, "collections.pairs.patch_pixels: .*100"),
        (("collections", "yearly", "label_year"), 2016, "collections.yearly.label_year: .*2016"),
        (("collections", "pairs", "regions"), ["plane"], "collections.pairs.regions: 'plane'"),
        # Methods
        ((*METHODS, "3dmae-rm", "method", "encoder", "heads"), 5, "method: .*heads 5"),
        ((*METHODS, "3dmae-rm", "method", "encoder", "patch_pixels"), 5, "method: .*multiple of 5 pixels"),
        ((*METHODS, "stmim", "method", "encoder", "patch_pixels"), 6, "stmim.method: "),
        ((*METHODS, "stmim", "method", "years_per_step"), 7, "stmim.method: .*years_per_step.*7"),
        ((*METHODS, "stmim", "method", "beta"), 1.2, "stmim.method: .*beta.*1.2"),
        ((*METHODS, "stmim", "collection"), "pairs", "stmim.method: .*yearly"),
        ((*METHODS, "stmim", "batch_size"), 5000, "stmim.batch_size: 5000 .*at most"),
        ((*METHODS, "3dmae-rm", "modalities"), ["s1"], "3dmae-rm.method: .*rm"),
        ((*METHODS, "stmim", "modalities"), ["s3"], "stmim.modalities: .*'s3'"),
        # Experiments
        ((*EXPERIMENTS, "masking", "collection"), "yearly", "experiments.masking.collection"),
        ((*EXPERIMENTS, "masking", "pretrain_modality"), "s1", "experiments.masking.pretrain_modality"),
        ((*EXPERIMENTS, "masking", "label_fractions"), [0.0], "experiments.masking.label_fractions"),
        ((*EXPERIMENTS, "masking", "floors"), ["class-priors"], "floors: .*did you mean 'class-prior'"),
        ((*EXPERIMENTS, "masking", "floors"), ["pixel-statistics"], "masking.floors: .*cannot learn scenes"),
        (("skip",), ["plane"], "skip: 'plane'"),
        (("skip",), ["hills"], "skip: hills is among cube.limits_from"),
        ((*EXPERIMENTS, "land-cover", "networks", "stmim", "modalities"), ["s2"], "stmim.*s2"),
        ((*EXPERIMENTS, "land-cover", "networks", "unet", "network"), "unett", "did you mean 'unet'"),
        ((*EXPERIMENTS, "land-cover", "networks", "untrained", "network"), "dual-swin-unet", "2 encoders"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(study, path, value, told):
    line = refusal(changed(study, *path, value))
    assert re.search(told, line), line


def test_a_modality_whose_sensor_is_not_searched_is_refused(study):
    wrong = copy.deepcopy(study)
    del wrong["search"]["sentinel-1"]
    assert "sentinel-1" in refusal(wrong)


def test_a_modality_whose_bands_the_cubes_lack_is_refused(study):
    line = refusal(
        changed(study, *METHODS, "stmim", "modalities", ["rgb"])
        | {"cube": study["cube"] | {"bands": {"sentinel-1": ["vv", "vh"], "sentinel-2": ["red", "nir"]}}}
    )
    assert "rgb" in line and "green" in line


def test_a_label_year_nobody_searches_is_refused(study):
    line = refusal(changed(study, "search", "worldcover", "years", [2021]))
    assert "collections.yearly.label_year: " in line and "2020" in line


def test_classes_are_those_of_the_labels(study, tmp_path):
    """Experiments and collections name codes of the study's legend, whatever that is."""
    (tmp_path / "map.tif").touch()
    own = changed(
        study,
        "labels",
        {"legend": "corine-3", "files": [{"raster": str(tmp_path / "map.tif"), "years": [2020]}]},
    )
    del own["search"]["worldcover"]
    assert check(own)["labels"]["files"][0]["raster"] == str(tmp_path / "map.tif")
    maps = {"name": "Forest", "codes": [311, 312]}, {"name": "Towns", "codes": [50]}
    line = refusal(changed(own, *EXPERIMENTS, "land-cover", "classes", list(maps)))
    assert "experiments.land-cover: classes: 50 of 'Towns' is no code of CORINE Land Cover, level 3" in line
    line = refusal(changed(own, "collections", "scenes", "classes", [311, 10]))
    assert "collections.scenes.classes: [10] are no codes of CORINE Land Cover, level 3" in line
    assert "labels.regions: 'plane' is not defined" in refusal(
        own | {"labels": own["labels"] | {"regions": ["plane"]}}
    )


def test_an_experiment_without_labels_is_refused(study):
    bare = copy.deepcopy(study)
    del bare["search"]["worldcover"]
    told = "experiments.masking.collection: none of its regions has labels; search for a map"
    assert told in refusal(bare)
    assert told in refusal(changed(study, "labels", {"regions": ["fells"]}))
    line = refusal(changed(bare, "collections", "scenes", "classes", [10]))
    assert "collections.scenes.classes: [10], but the study has no labels" in line


@pytest.mark.parametrize("protocol", ["frozen", "fine-tune"])
def test_features_that_nothing_has_trained_are_no_row(study, protocol):
    """UniFeat trains the extractor alone: frozen, the U-Net above it would be as it was drawn."""
    method = {"name": "unifeat", "encoder": {"name": "channel-unet", "channel_width": 8, "width": 8}}
    entry = {"collection": "pairs", "modalities": ["s1+s2"], "steps": 2, "batch_size": 8, "method": method}
    network = {"network": "linear", "modalities": ["s1+s2"], "pretrained": "unifeat"}
    maps = {"task": "segmentation", "collection": "pairs", "networks": {"one": network}, "seeds": [0]}
    maps |= {"protocols": [protocol], "train": {"batch_size": 8, "learning_rate": 0.001, "max_steps": 2}}
    edited = changed(changed(study, *METHODS, "unifeat", entry), *EXPERIMENTS, {"maps": maps})
    edited["pretraining"]["methods"] = {"unifeat": entry}
    if protocol == "fine-tune":
        check(edited)
    else:
        assert "maps: one by frozen: unifeat trains the extractor of its encoder alone" in refusal(edited)


def test_a_folder_that_does_not_exist_is_refused(study):
    mine = {"mine": {"inherits": "embedded", "folder": "nowhere/at/all"}}
    wrong = changed(study, "providers", mine) | {"provider": "mine"}
    line = refusal(wrong)
    assert "providers.mine.folder" in line and "nowhere/at/all" in line


def test_places_are_regions_of_a_study(study, tmp_path):
    """Named at planning, each by its own name wherever the entry's is listed."""
    sites = tmp_path / "sites.csv"
    sites.write_text("name,longitude,latitude\nGent,3.72,51.05\nLeuven,4.70,50.88\n")
    wanted = changed(study, "places", {"towns": {"points": str(sites), "size_km": 5}})
    wanted["collections"]["scenes"]["regions"] = ["plain", "towns"]
    wanted["split"]["regions"] = {"towns": "train"}
    wanted["archive"]["biomes"]["towns"] = "coast"
    wanted["skip"] = ["towns-gent"]
    config = check(wanted)["config"]
    assert list(config["regions"]) == [*study["regions"], "towns-leuven"]
    assert config["regions"]["towns-leuven"]["epsg"] == 32631
    assert config["collections"]["scenes"]["regions"] == ["plain", "towns-leuven"]
    assert config["split"]["regions"] == {"towns-gent": "train", "towns-leuven": "train"}
    assert config["archive"]["biomes"]["towns-leuven"] == "coast"
    assert "towns-leuven" not in str(check(study)["config"])


def test_what_a_place_leaves_uncovered_is_kept(study, tmp_path):
    """For `revisit plan` to say: strips where zones meet, and nothing of points."""
    borders = shapely.geometry.mapping(shapely.box(5.4, 50, 6.6, 50.8))
    (tmp_path / "area.geojson").write_text(json.dumps(borders))
    places = {"land": {"areas": str(tmp_path / "area.geojson")}}
    uncovered = check(changed(study, "places", places))["uncovered"]
    assert list(uncovered) == ["land"] and 1 < uncovered["land"] < 500
    assert check(study)["uncovered"] == {}


def test_a_place_and_a_region_of_one_name_are_refused(study, tmp_path):
    sites = tmp_path / "sites.csv"
    sites.write_text("longitude,latitude\n3.72,51.05\n")
    line = refusal(changed(study, "places", {"plain": {"points": str(sites), "size_km": 5}}))
    assert "places.plain: a region is called 'plain' too; rename one" in line
    assert "regions: is empty, and so is places" in refusal(changed(study, "regions", {}))
