"""Protects the user from a study that is silently another one: each wrong key is named in one line."""

import copy
from pathlib import Path

import pytest
import yaml

from revisit.config import check
from revisit.errors import RevisitError

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "workflow/presets").glob("*.yaml"))]


@pytest.fixture(scope="module")
def study():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_is_right(path):
    check(yaml.safe_load(path.read_text()), SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("sed",), 1, "unknown key 'sed' in the top level; did you mean 'seed'"),
        (
            ("collections", "pairs", "patch_pixel"),
            32,
            "unknown key 'patch_pixel' in collections.pairs; did you mean",
        ),
        (("experiments", "masking", "lable_fractions"), [1], "did you mean 'label_fractions'"),
        (("cube", "clip_sigma"), "3", "cube.clip_sigma: '3' is not of type 'number'"),
        (("regions", "plain", "bbox"), [1, 2, 3], "regions.plain.bbox: .* is too short"),
        (("regions", "plain", "bbox"), [3, 2, 1, 4], "regions.plain.bbox: must be"),
        (("experiments", "masking", "methods"), ["3dmae-rmm"], "did you mean '3dmae-rm'"),
        (("experiments", "land-cover", "collection"), "yearli", "did you mean 'yearly'"),
        (
            ("experiments", "land-cover", "runs"),
            {"stmim-unet": ["s2"]},
            "experiments.land-cover.runs.stmim-unet: 's2'",
        ),
        (("pretraining", "methods", "3dmae-rm", "method", "mask_ration"), 0.5, "did you mean 'mask_ratio'"),
        (
            ("pretraining", "methods", "3dmae-3dm", "method", "encoder", "heads"),
            [4],
            r"pretraining\.methods\.3dmae-3dm\.method\.encoder\.heads: \[4\] is not of type 'integer'",
        ),
        (("pretraining", "methods", "stmim", "method", "encoder", "depth"), 3, "unknown key 'depth'"),
        (("pretraining", "methods", "scratch", "method", "encoder", "name"), "vit", "'vit' is not one of"),
        (("archive", "biomes"), {"nowhere": "coast"}, "archive.biomes: 'nowhere' is not defined"),
        (("provider",), "earthsearch", "did you mean 'earth-search'"),
    ],
)
def test_a_wrong_entry_is_named(study, path, value, message):
    wrong = copy.deepcopy(study)
    place = wrong
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(RevisitError, match=message) as caught:
        check(wrong, SCHEMA)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named(study):
    wrong = copy.deepcopy(study)
    del wrong["search"]["sentinel-1"]["years"]
    with pytest.raises(RevisitError, match=r"key 'years' is missing in search\.sentinel-1"):
        check(wrong, SCHEMA)


def test_the_schema_describes_every_key_of_the_top_levels():
    schema = yaml.safe_load(SCHEMA.read_text())
    assert all(entry.get("description") for entry in schema["properties"].values())
