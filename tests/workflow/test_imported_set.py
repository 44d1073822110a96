"""A benchmark set goes from its folder to a table and the page, with no region and no search in the study."""

import csv
import shutil

import pytest

from revisit.stac.api.folders import Catalogue

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


@pytest.mark.slow
def test_from_a_folder_to_a_table(checkout, eurosat) -> None:
    (checkout.folder / "study.yaml").write_text(STUDY)
    eurosat(checkout.folder / "EuroSAT")
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
    # What it is served as: features are all that is made of an imported set alone.
    assert {item["collection"] for item in Catalogue([results]).items} == {"features"}
    # A store that is gone is imported again, and nothing before it.
    shutil.rmtree(results / "patches/scenes/1-of-1.zarr")
    (results / "patches/scenes/index.json").unlink()
    planned = checkout.planned("results/sets/patches/scenes/index.json")
    assert planned["import_set"] == planned["index_set"] == 1 and "survey" not in planned
