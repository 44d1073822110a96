"""Protects regions that other maps cut in two: over the 180th meridian, and over the border of two zones."""

import csv
import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
import yaml

from revisit import open_cube
from revisit.cube.contract import grid_of
from revisit.patches.store import PatchStore

OVER = [179.9830, -16.8100, -179.9836, -16.7875]
# A few metres of either zone in the middle of a block of the western one, which is all that they need.
BETWEEN, BLOCK = shapely.box(5.9995, 52.6006, 6.0005, 52.6016), "between-31n-272-2260"
EPSG = {"east": 32760, BLOCK: 32631}
MATCHED = (
    "",
    "in place",
    "within its error",
)  # causes of dates that are moved, or need not be
CUBES = [(region, f"sentinel-{number}") for region in EPSG for number in (1, 2)]


def write_study(folder: Path) -> None:
    """The small study of two years over both regions, one of them from a file of areas."""
    content = yaml.safe_load((folder / "study.yaml").read_text())
    content["regions"] = {"east": {"bbox": OVER, "epsg": EPSG["east"]}}
    content["places"] = {"between": {"areas": "between.geojson", "block_km": 2.58}}
    content["archive"] |= {"biomes": {BLOCK: "coast"}, "tiles": {BLOCK: 2}}
    content["cube"]["limits_from"] = None
    for sensor in ("sentinel-1", "sentinel-2"):
        content["search"][sensor]["years"] = [2019, 2020]
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    geopandas.GeoDataFrame(geometry=[BETWEEN], crs=4326).to_file(folder / "between.geojson")


@pytest.mark.slow
def test_cubes_labels_and_patches_are_whole(checkout):
    """Searched on either side, clipped from tiles of either, on one grid without a seam; so to patches."""
    write_study(checkout.folder)
    checkout.snakemake("results/patches/pairs/index.json")
    results = checkout.folder / "results"
    for region, sensor in CUBES:
        folder = results / "cubes" / region / sensor
        cubes = [open_cube(folder / f"{stage}.zarr") for stage in ("raw", "aligned", "scaled")]
        assert {grid_of(cube).epsg for cube in cubes} == {EPSG[region]}
        assert len({grid_of(cube) for cube in cubes}) == 1
        for cube in cubes:
            valid = cube["valid"].values.any(axis=0)
            assert valid.mean() > 0.95, (folder, cube.attrs["stage"])
            assert valid[:, :10].any() and valid[:, -10:].any()
        causes = [row["cause"] for row in csv.DictReader((folder / "shifts.csv").open())]
        assert sum(cause in MATCHED for cause in causes) > len(causes) / 2, folder
    for region, sides in (("east", 2), (BLOCK, 1)):
        codes = open_cube(results / f"cubes/{region}/labels.zarr")["land_cover"].values
        assert (codes != 0).mean() > 0.99 and len(np.unique(codes)) > 2
        items = json.loads((results / f"items/{region}/worldcover.json").read_text())
        assert len(items["features"]) == sides
    item = json.loads((results / "cubes/east/sentinel-2/raw.json").read_text())
    assert item["geometry"]["type"] == "MultiPolygon"
    assert item["bbox"][0] > 179 and item["bbox"][2] < -179

    where = PatchStore(results / "patches/pairs").where()
    longitude = {region: where["longitude"][where["region"] == region] for region in EPSG}
    assert (longitude["east"] > 179.98).any() and (longitude["east"] < -179.98).any()
    assert (longitude[BLOCK] < 6).any() and (longitude[BLOCK] > 6).any()
