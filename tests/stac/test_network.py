"""Each shipped provider as it answers today: a search, one small window, and numbers that mean what we think.

    pytest -m network tests/stac/test_network.py

What needs keys (docs/providers.md) is skipped without them.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from revisit.cube.labels.ready import ready
from revisit.cube.stacking.acquisitions import read_manifests
from revisit.cube.stacking.decode import decibel, physical

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]

FIELDS = [5.05, 51.21, 5.08, 51.23]  # Flanders: meadows, forest, a canal
SOURCES = [
    ("planetary-computer", "sentinel-2", ["red", "nir", "scl"]),
    ("planetary-computer", "sentinel-1", ["vv"]),
    ("planetary-computer", "worldcover", ["map"]),
    ("planetary-computer", "io-lulc", ["map"]),
    ("planetary-computer", "dem", ["elevation"]),
    ("planetary-computer-grd", "sentinel-1", ["vv"]),
    ("earth-search", "sentinel-2", ["red", "nir", "scl", "cloud"]),
    ("earth-search-l2a", "sentinel-2", ["red", "nir", "scl"]),
    ("earth-search", "sentinel-1", ["vv"]),
    ("cdse", "sentinel-2", ["red", "nir", "scl"]),
    ("cdse-l1c", "sentinel-2", ["red", "nir"]),
]
BEHIND_KEYS = {("cdse", "sentinel-2"), ("cdse-l1c", "sentinel-2"), ("earth-search", "sentinel-1")}


@pytest.mark.parametrize(("provider", "sensor", "bands"), SOURCES)
def test_numbers_are_plausible(
    provider: str, sensor: str, bands: list[str], search: Any, download: Any, tmp_path: Path
) -> None:
    """Fields in June: dark in red, bright in the infrared; backscatter in the range of vegetation."""
    if (provider, sensor) in BEHIND_KEYS and not os.environ.get("AWS_ACCESS_KEY_ID"):
        pytest.skip(f"{provider}: {sensor} wants AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    settings: dict[str, Any] = {"provider": provider, "providers": {}, "bbox": FIELDS, "epsg": 32631}
    settings |= {"years": [2021], "bands": bands, "patience_s": 60}
    if sensor.startswith("sentinel"):
        settings |= {"months": [6], "dates_per_year": 1}
    items = search("fields", sensor, settings)
    out = tmp_path / "scenes" / "manifest.json"
    download(items[:1], "fields", sensor, 2021, out, settings)
    (scene,) = read_manifests([out])
    numbers = {}
    for band, clip in scene.clips.items():
        with rasterio.open(clip.path) as file:
            numbers[band] = file.read(1)
    if bands == ["map"]:
        legend = ready(sensor, "labels")
        assert set(np.unique(numbers["map"])) <= {0, *legend.codes, *legend.ignore}
        return
    if sensor == "dem":
        assert 0 < numbers["elevation"].min() < numbers["elevation"].max() < 100  # metres
        return
    values = {
        band: physical(numbers[band], scene.clips[band]) for band in bands if band in ("red", "nir", "vv")
    }
    middle = {band: float(np.nanmedian(value)) for band, value in values.items()}
    if sensor == "sentinel-2":
        assert 0.005 < middle["red"] < 0.25
        assert middle["red"] < middle["nir"] < 0.7
        assert set(np.unique(numbers.get("scl", 0))) <= set(range(12))
        assert numbers.get("cloud", np.zeros(1)).max() <= 100
    elif scene.clips["vv"].unit == "linear power":  # else its decibels are relative
        assert -18 < decibel(np.float32(middle["vv"])) < -3
