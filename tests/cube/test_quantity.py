"""Protects what cubes say is measured: as the provider states it, from the raw cube to the scaled one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit.cube.contract import open_cube, values_of
from revisit.cube.coregistration import coregister
from revisit.cube.scaling.scale import scale
from revisit.cube.stacking.masks import CloudMask
from revisit.cube.stacking.stack import stack


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("top-of-atmosphere reflectance", "top-of-atmosphere reflectance"),
        (None, "surface reflectance"),
    ],
)
def test_level_1c_is_not_called_surface_reflectance(
    tmp_path: Path, download: Any, settings: Any, stated: str | None, said: str
) -> None:
    """Without a scene classification, with the offset of its baseline; its unit is that of Level 2A."""
    scenes = download("sentinel-2")
    numbers = np.random.default_rng(0).integers(1200, 5000, (24, 24), dtype=np.uint16)
    scenes.add(*("a", "2022-06-01T10:00:00Z", {"red": numbers}), offset=-0.1, processing_baseline="04.00")
    path = scenes.manifest()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantity": stated}))
    raw, aligned, scaled = (tmp_path / f"{name}.zarr" for name in ("raw", "aligned", "scaled"))
    own = settings(["red"]).model_copy(update={"cloud_mask": CloudMask(by="nothing")})
    stack([path], raw, region="here", sensor="sentinel-2", settings=own)
    coregister.coregister(raw, aligned, tmp_path / "shifts.csv", coregister.Settings(max_shift_pixels=3))
    for place in (raw, aligned):
        cube = open_cube(place, unit="reflectance")
        assert values_of(cube).attrs["long_name"] == said
    np.testing.assert_allclose(values_of(cube).values[0, 0], numbers * 1e-4 - 0.1, atol=1e-6)
    limits = {
        "sensor": "sentinel-2", "unit": "reflectance", "band_order": ["red"],
        "clip_sigma": 3, "regions": ["here"],
        "bands": {"red": {"lower": 0, "upper": 1, "mean": 0.5, "std": 0.2, "valid_pixels": 1}},
    }  # fmt: skip
    (tmp_path / "limits.json").write_text(json.dumps(limits))
    scale(aligned, tmp_path / "limits.json", scaled)
    assert open_cube(scaled).attrs["source_quantity"] == said
