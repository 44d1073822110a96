"""Protects regions that other maps cut in two: over the 180th meridian, and over the border of two zones."""

import json

import numpy as np
import pytest

from revisit import open_cube

OVER = "[179.9830, -16.8100, -179.9836, -16.7875]"
BETWEEN = "[5.9820, 52.6001, 6.0184, 52.6225]"


@pytest.mark.slow
def test_cubes_and_labels_are_whole(checkout):
    """Searched on either side, clipped from tiles of either, and laid on one grid without a seam."""
    checkout.edit("study.yaml", "[9.1000, 48.4001, 9.1334, 48.4225]}", f"{OVER}, epsg: 32760}}")
    checkout.edit("study.yaml", "[2.9000, 52.6001, 2.9364, 52.6225]}", f"{BETWEEN}, epsg: 32632}}")
    checkout.edit("study.yaml", "tiles: {east: 2}", "tiles: {west: 2}")
    checkout.edit(
        "study.yaml", "sentinel-1: {years: [2019, 2020, 2021]}", "sentinel-1: {years: [2019, 2020]}"
    )
    checkout.edit(
        "study.yaml", "sentinel-2: {years: [2019, 2020, 2021],", "sentinel-2: {years: [2019, 2020],"
    )
    folders = [
        f"results/cubes/{region}/sentinel-{number}" for region in ("east", "west") for number in (1, 2)
    ]
    cubes = [f"{folder}/raw.zarr" for folder in folders]
    checkout.snakemake(*cubes, "results/cubes/east/labels.zarr", "results/cubes/west/labels.zarr")
    for path in cubes:
        valid = open_cube(checkout.folder / path)["valid"].values.any(axis=0)
        assert valid.mean() > 0.95, path
        assert valid[:, :10].any() and valid[:, -10:].any()
    for region, sides in (("east", 2), ("west", 1)):
        codes = open_cube(checkout.folder / f"results/cubes/{region}/labels.zarr")["land_cover"].values
        assert (codes != 0).mean() > 0.99 and len(np.unique(codes)) > 2
        items = json.loads((checkout.folder / f"results/items/{region}/worldcover.json").read_text())
        assert len(items["features"]) == sides
    item = json.loads((checkout.folder / "results/cubes/east/sentinel-2/raw.json").read_text())
    assert item["geometry"]["type"] == "MultiPolygon"
    assert item["bbox"][0] > 179 and item["bbox"][2] < -179
