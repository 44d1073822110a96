"""Protects co-registration where the truth is known: the default study, displaced by the archive."""

import csv
import json
import shutil

import numpy as np
import pytest

REGIONS = ("forest", "hills", "plain", "polder")  # all: where an orbit's centre lies is luck in each of them


@pytest.mark.slow
def test_dates_come_to_lie_where_the_map_has_them(checkout):
    """Usable dates within 0.15 pixels of the map (median of all), from half a pixel off; others untouched."""
    shutil.copy(checkout.folder / "config.yaml", checkout.folder / "study.yaml")
    results = checkout.folder / "results"
    cubes = [(region, f"sentinel-{number}") for region in REGIONS for number in (1, 2)]
    checkout.snakemake(*(f"results/cubes/{region}/{sensor}/aligned.zarr" for region, sensor in cubes))
    before, after = [], []
    for region, sensor in cubes:
        truth = json.loads((results / "archive" / region / "truth.json").read_text())["displacement_pixels"]
        rows = list(csv.DictReader((results / "cubes" / region / sensor / "shifts.csv").open()))
        stays = ("in place", "within its error")
        usable = [row for row in rows if row["applied"] == "yes" or row["cause"] in stays]
        assert len(usable) > 0.8 * len(rows)
        for row in rows:
            known = np.mean([truth[item] for item in row["source_items"].split()], axis=0)
            moved = np.array([float(row["shift_x"]), float(row["shift_y"])])
            if row in usable:
                before.append(np.hypot(*known))
                after.append(np.hypot(*(known + moved)))
            else:
                assert row["cause"] and not moved.any()
    assert np.median(before) > 0.5
    assert np.median(after) < 0.15
