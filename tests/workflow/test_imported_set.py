"""A benchmark set goes from its folder to a table and the page, with no region and no search in the study."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

TIF = "ds/images/remote_sensing/otherDatasets/sentinel_2/tif"
STUDY = """
study: sets
seed: 1
imports:
  scenes: {set: eurosat, folder: EuroSAT}
pretraining:
  seeds: [0]
  methods:
    scratch:
      collection: scenes
      modalities: [s2]
      method: {name: scratch, encoder: {name: channel-vit, dim: 16, depth: 1, heads: 2, patch_pixels: 32}}
experiments:
  classes:
    task: single-label
    collection: scenes
    pretrain_modality: s2
    methods: [scratch]
    modalities: [s2]
    protocols: [linear]
    seeds: [0]
"""


def write_eurosat(folder: Path) -> None:
    """Ten scenes of three classes; River differs from Forest in nothing but its level."""
    random, lists = np.random.default_rng(0), dict.fromkeys(("train", "val", "test"), "")
    for number, name in enumerate(("Forest", "River", "SeaLake")):
        (folder / TIF / name).mkdir(parents=True)
        for scene in range(1, 11):
            numbers = random.normal(900 + 400 * number, 100, (13, 64, 64)).astype(np.uint16)
            about = {"driver": "GTiff", "width": 64, "height": 64, "count": 13, "dtype": "uint16"}
            place = {"crs": 32632, "transform": rasterio.Affine(10, 0, 4e5 + 1000 * scene, 0, -10, 5e6)}
            with rasterio.open(folder / TIF / name / f"{name}_{scene}.tif", "w", **about, **place) as file:
                file.write(numbers)
            lists[{0: "val", 1: "test"}.get(scene % 5, "train")] += f"{name}_{scene}.jpg\n"
    for part, text in lists.items():
        (folder / f"eurosat-{part}.txt").write_text(text)


@pytest.mark.slow
def test_from_a_folder_to_a_table(checkout) -> None:
    (checkout.folder / "study.yaml").write_text(STUDY)
    write_eurosat(checkout.folder / "EuroSAT")
    checkout.snakemake()
    results = checkout.folder / "results/sets"
    with (results / "tables/all.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "accuracy" and row["class"] == "all"]
    found = {row["method"]: float(row["value"]) for row in rows}
    assert {row["dataset"] for row in rows} == {"scenes"}
    assert found["class-prior"] == pytest.approx(1 / 3)
    assert found["band-statistics"] == 1.0
    assert found["scratch"] > 1 / 3
    page = (results / "report.html").read_text()
    assert "Imagery: EuroSAT." in page and "simulated" not in page
    assert "6 of 30 samples" in page
    # A store that is gone is imported again, and nothing before it.
    shutil.rmtree(results / "patches/scenes/1-of-1.zarr")
    (results / "patches/scenes/index.json").unlink()
    planned = checkout.planned("results/sets/patches/scenes/index.json")
    assert planned["import_set"] == planned["index_set"] == 1 and "survey" not in planned
