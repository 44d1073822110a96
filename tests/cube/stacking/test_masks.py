"""Protects what tells the clear pixels: classes, a probability in per cent, or nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from revisit.cube.contact_sheet import contact_sheet
from revisit.cube.contract import open_cube, values_of
from revisit.cube.coregistration import coregister
from revisit.cube.median_image import median_image
from revisit.cube.stacking.masks import CloudMask
from revisit.cube.stacking.stack import stack
from revisit.errors import RevisitError
from revisit.record import read

PIXELS = 24
RED = np.random.default_rng(0).integers(1200, 5000, (PIXELS, PIXELS), dtype=np.uint16)


def build(tmp_path: Path, download: Any, settings: Any, **mask: Any) -> xr.Dataset:
    path = tmp_path / "raw.zarr"
    own = settings(["red"]).model_copy(update={"cloud_mask": CloudMask(**mask)})
    stack([download.manifest()], path, region="here", sensor=download.sensor, settings=own)
    return open_cube(path, stage="raw", sensor=download.sensor)


def test_a_probability_of_cloud(tmp_path: Path, download: Any, settings: Any) -> None:
    """At most so many per cent are clear, 0 among them although the file has 0 for no data; no classes."""
    scenes = download("sentinel-2")
    red, cloud = RED.copy(), np.arange(PIXELS**2, dtype=np.uint8).reshape(PIXELS, PIXELS) % 101
    red[0, :3] = 0
    scenes.add("a", "2020-01-01T10:00:00Z", {"red": red, "cloud": cloud})
    cube = build(tmp_path, scenes, settings, by="cloud-probability", most=30)
    np.testing.assert_array_equal(cube["valid"].values[0], (cloud <= 30) & (red > 0))
    assert "scl" not in cube


def test_a_coarse_probability_lies_on_the_grid(tmp_path: Path, download: Any, settings: Any) -> None:
    """Pixels of 20 m, each over four of 10 m; beyond the mask's file nothing is clear."""
    scenes = download("sentinel-2")
    cloud = np.zeros((8, PIXELS // 2), dtype=np.uint8)
    cloud[:4] = 100
    scenes.add(
        "a",
        "2020-01-01T10:00:00Z",
        {"red": RED, "CLD": cloud},
        resolution={"red": 10, "CLD": 20},
        nodata=None,
    )
    valid = build(tmp_path, scenes, settings, by="cloud-probability", band="CLD")["valid"].values[0]
    assert valid[:7].sum() == valid[17:].sum() == 0
    assert valid[9:15].all()


def test_where_nothing_masks_all_seen_is_valid(tmp_path: Path, download: Any, settings: Any) -> None:
    """Without a mask band a scene is a scene, and neither pictures nor co-registration need classes."""
    scenes = download("sentinel-2")
    for month in (1, 2, 3):
        red = np.roll(RED, month, axis=0)
        red[0, 0] = 0
        scenes.add(f"m{month}", f"2020-0{month}-01T10:00:00Z", {"red": red})
    cube = build(tmp_path, scenes, settings, by="nothing")
    assert "scl" not in cube
    np.testing.assert_array_equal(cube["valid"].values, ~np.isnan(values_of(cube).values[:, 0]))
    assert cube["valid"].values.sum() == 3 * (PIXELS**2 - 1)
    contact_sheet(cube, tmp_path / "raw.png")
    median_image(cube, tmp_path / "raw.tif")
    aligned = tmp_path / "aligned.zarr"
    coregister.coregister(
        tmp_path / "raw.zarr", aligned, tmp_path / "shifts.csv", coregister.Settings(max_shift_pixels=3)
    )
    assert "scl" not in open_cube(aligned, stage="aligned")


def test_a_scene_without_its_mask_is_left_out(tmp_path: Path, download: Any, settings: Any) -> None:
    scenes = download("sentinel-2")
    scenes.add("a", "2020-01-01T10:00:00Z", {"red": RED})
    with pytest.raises(RevisitError, match="no scene has the bands red"):
        build(tmp_path, scenes, settings, by="cloud-probability")


def test_defaults() -> None:
    """Stated or not, the scene classification; what goes into a job comes out of it."""
    assert CloudMask() == CloudMask(by="scene-classification", band="scl")
    assert CloudMask(by="cloud-probability").content() == {
        "by": "cloud-probability",
        "band": "cloud",
        "most": 40,
    }
    for mask in (CloudMask(), CloudMask(by="cloud-probability", most=0), CloudMask(by="nothing")):
        assert read(CloudMask, mask.content(), "cloud_mask") == mask


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"by": "clouds"}, "cloud_mask.by: must be 'scene-classification'"),
        ({"most": 20}, "scene-classification has no most"),
        ({"by": "nothing", "band": "cloud"}, "nothing has no band"),
        ({"by": "cloud-probability", "band": None}, "cloud-probability needs band"),
        ({"by": "cloud-probability", "most": 101}, "cloud_mask.most: .*less than or equal to 100"),
        ({"by": "cloud-probability", "band": "scl"}, "does not go with the band scl"),
        ({"by": "cloud-probability", "band": "red"}, "does not go with the band red"),
        ({"band": "SCL"}, "does not go with the band SCL"),
        ({"by": "cloud-probability", "band": "../x"}, "cloud_mask.band: .*match pattern"),
    ],
)
def test_what_does_not_go_together_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        read(CloudMask, content, "cloud_mask")
