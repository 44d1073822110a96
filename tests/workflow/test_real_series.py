"""Protects real input: the same rules turn a real, mostly cloudy Sentinel-1/2 series into features."""

import json

import numpy as np
import pytest
import xarray

pytestmark = pytest.mark.slow


def test_from_a_folder_of_real_items_to_features(checkout, shared):
    preset = (checkout.folder / "workflow/presets/real-series.yaml").read_text()
    (checkout.folder / "study.yaml").write_text(
        preset.replace("../shared/real/archive", str(shared / "real/archive"))
    )
    checkout.snakemake("features")
    results = checkout.folder / "results/real-series"

    items = json.loads((results / "items/kempen/sentinel-2.json").read_text())["features"]
    assert len(items) == 12
    optical = xarray.open_zarr(results / "cubes/kempen/sentinel-2/raw.zarr", consolidated=False).load()
    assert optical.sizes["band"] == 4 and 1 <= optical.sizes["time"] <= 12
    clear = optical["reflectance"].where(optical["valid"] == 1)
    assert 0 < float(clear.sel(band="red").median()) < 0.3
    assert float(clear.sel(band="nir").median()) > float(
        clear.sel(band="red").median()
    )  # April, green fields

    radar = xarray.open_zarr(results / "cubes/kempen/sentinel-1/raw.zarr", consolidated=False).load()
    assert radar.sizes["time"] == 10
    level = radar["backscatter"].where(radar["valid"] == 1).median(["time", "y", "x"])
    assert -16 < float(level.sel(band="vv")) < -6  # farmland, decibel
    assert float(level.sel(band="vh")) < float(level.sel(band="vv")) - 3

    features = np.load(results / "features/pairs/3dmae-3dm/s1+s2/seed0/s1+s2.npz")
    assert features["features"].shape[1] == 64 and np.isfinite(features["features"]).all()
    assert len(features["features"]) == len(features["x"]) > 10
