"""What README and guide tell is done word by word: on a GeoTIFF, and at planning."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
import yaml

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, build_method
from revisit.nets.load_save import build_encoder, load_encoder, save_encoder

ROOT = Path(__file__).parents[2]
BANDS = ["vv", "vh", "blue", "green", "red", "nir"]
LIMITS = {band: (-24.0, 0.0) if band in ("vv", "vh") else (-0.05, 0.45) for band in BANDS}
WIDE = [*BANDS, "coastal", "rededge1", "rededge2", "rededge3", "nir08", "nir09", "swir16", "swir22"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the encoder the pages name, and an image whose bands have another order."""
    scaling = {
        sensor: {
            "clip_sigma": 3.0,
            "source_unit": unit,
            "bands": {band: dict(zip(("lower", "upper"), LIMITS[band], strict=True)) for band in bands},
        }
        for sensor, unit, bands in (("sentinel-1", "dB", BANDS[:2]), ("sentinel-2", "reflectance", BANDS[2:]))
    }
    vit = {"name": "channel-vit", "patch_pixels": 8, "dim": 16, "depth": 1, "heads": 2}
    encoder = build_encoder({**vit, "bands": BANDS, "image_pixels": 32})
    save_encoder(encoder, tmp_path / "results/encoders/pairs/3dmae-rm/s1+s2/seed0", {"scaling": scaling})
    random = np.random.default_rng(0)
    shape: dict[str, Any] = {"driver": "GTiff", "width": 40, "height": 32, "count": 6, "dtype": "float32"}
    shape["nodata"] = -9999
    grid = {"crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    with rasterio.open(tmp_path / "image.tif", "w", **shape, **grid) as file:
        for number, band in enumerate(reversed(BANDS), 1):
            low, high = LIMITS[band]
            values = random.uniform(low, high, (32, 40)).astype("float32")
            values[:8, :8] = -9999
            file.write(values, number)
            file.set_band_description(number, band)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", ["README.md", "docs/encoders.md"])
def test_the_example_runs_on_a_geotiff(page: str, place: Path) -> None:
    """Its features are those of the values standardised by hand, its no data at the mean."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    (code,) = [block for block in blocks if "rasterio" in block]
    names: dict[str, Any] = {}
    exec(compile(code, page, "exec"), names)
    with rasterio.open("image.tif") as file:
        values = file.read()[::-1]
    low, high = (np.array([LIMITS[band][end] for band in BANDS])[:, None, None] for end in (0, 1))
    standardised = 3 * (2 * (values - low) / (high - low) - 1)
    standardised[values == -9999] = 3 / 255  # what 128, the middle of 8 bit, stands for
    images = torch.from_numpy(standardised.astype("float32"))[None]
    encoder = load_encoder("results/encoders/pairs/3dmae-rm/s1+s2/seed0")
    torch.testing.assert_close(names["features"], encoder.pooled(images), rtol=1e-4, atol=1e-5)


def test_the_entries_of_the_guide_wait_for_their_weights_alone() -> None:
    """All else of them fits, down to the table's ready encoders."""
    pytest.importorskip("timm")
    page = (ROOT / "docs/encoders.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    methods = [entry["method"] for entry in yaml.safe_load(block)["pretraining"]["methods"].values()]
    data = DataDescription(tuple(WIDE), 32, 3.0, "pairs")
    for method in methods:
        with torch.device("meta"), pytest.raises(RevisitError, match=f"{method['weights']}: no such file"):
            build_method(method, data)
