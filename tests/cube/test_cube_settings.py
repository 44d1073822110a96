"""What the section ``cube`` may say, and what regions and split make of it, is settled at planning."""

from typing import Any

import pytest

from revisit.cube.cube_settings import Cube, check_cubes
from revisit.cube.grid import Region
from revisit.cube.split import Split
from revisit.errors import RevisitError
from revisit.record import read

CUBE = {"bands": {"sentinel-1": ["vv", "vh"], "sentinel-2": ["red", "nir"]}}
REGIONS = {
    "large": Region(bbox=[5.0, 50.0, 5.1, 50.08]),
    "small": Region(bbox=[5.3, 50.0, 5.32, 50.0135]),  # a block of 1280 m
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"bands": {"sentinel-2": ["red", "nri"]}},
            r"cube\.bands: .* no band 'nri'.*mean 'nir'\?",
        ),
        ({"bands": {"sentinel-2": ["scl"]}}, "no band 'scl', it has coastal, blue"),
        ({"bands": {"sentinel-1": []}}, "sentinel-1 has no band; name some of vv, vh"),
        ({"bands": {"sentinel-1": ["vv", "vv"]}}, "names the band 'vv' twice"),
        ({"bands": {"sentinel-3": ["red"]}}, "'sentinel-1' or 'sentinel-2'"),
        ({"scene_classification_valid": [4, 12]}, "scene_classification_valid.1: .*less than or equal to 11"),
        ({"scene_classification_valid": [-1]}, "scene_classification_valid.0: .*greater than or equal to 0"),
        ({"scene_classification_valid": []}, "scene_classification_valid"),
        ({"resolution_m": 15}, "resolution_m: .*10, 20 or 60, not 15"),
        ({"max_shift_pixels": -1}, "max_shift_pixels"),
        ({"clip_sigma": 0}, "clip_sigma"),
        ({"limits_from": []}, "limits_from"),
        ({"clip_percent": 50}, "clip_percent: .*less than 50"),
        ({"scaled_dtype": "float16"}, "scaled_dtype: .*'uint8' or 'float32'"),
        ({"variants": {"No": {}}}, "variants"),
        ({"clip_sigmas": 3}, "did you mean 'clip_sigma'"),
    ],
)
def test_refused(change: dict[str, Any], says: str) -> None:
    """Each in one line that names the key, what it says, and what it may say."""
    with pytest.raises(RevisitError, match=says) as caught:
        read(Cube, CUBE | change, "cube")
    assert "\n" not in str(caught.value)


def test_limits_come_from_regions_with_training_ground() -> None:
    """A name that is no region, or regions without a training block, would end in an error hours later."""
    split = Split(train=0.3, val=0.3, test=0.4)
    check_cubes(read(Cube, CUBE, "cube"), REGIONS, split)
    check_cubes(read(Cube, CUBE | {"limits_from": ["large"]}, "cube"), REGIONS, split)
    with pytest.raises(RevisitError, match="limits_from: no region is called 'larg', there is large, small"):
        check_cubes(read(Cube, CUBE | {"limits_from": ["larg"]}, "cube"), REGIONS, split)
    with pytest.raises(RevisitError, match="limits_from: small have no train block"):
        check_cubes(read(Cube, CUBE | {"limits_from": ["small"]}, "cube"), REGIONS, split)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"clip_sigma": 3}, r"cube\.variants\.mine: does nothing otherwise than cube; change one of scene_"),
        ({}, "does nothing otherwise"),
        ({"bands": {}}, r"cube\.variants\.mine: has 'bands', which all variants share; it may have scene_"),
        ({"clip_sigmas": 2}, "has 'clip_sigmas'"),
        ({"clip_sigma": "two"}, r"cube\.variants\.mine\.clip_sigma: .*number.* not 'two'"),
        ({"cloud_mask": {"by": "guess"}}, r"cube\.variants\.mine\.cloud_mask"),
    ],
)
def test_a_variant_that_cannot_be_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RevisitError, match=says) as caught:
        read(Cube, CUBE | {"variants": {"mine": given}}, "cube").variant("mine")
    assert "\n" not in str(caught.value)


def test_a_variant_is_the_cube_but_for_what_it_says() -> None:
    cube = read(
        Cube, CUBE | {"clip_sigma": 4, "variants": {"mine": {"cloud_mask": {"by": "nothing"}}}}, "cube"
    )
    mine = cube.variant("mine")
    assert (mine.clip_sigma, mine.bands, mine.cloud_mask.band) == (4, cube.bands, None)
