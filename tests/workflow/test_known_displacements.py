"""Protects co-registration where the truth is known: the default study, displaced by the archive."""

import csv
import json
import shutil

import numpy as np
import pytest

REGION = "hills"


@pytest.mark.slow
def test_dates_come_to_lie_where_the_map_has_them(checkout):
    """Usable dates within 0.15 pixels of the map (median), from half a pixel off; the others untouched."""
    shutil.copy(checkout.folder / "config.yaml", checkout.folder / "study.yaml")
    results = checkout.folder / "results"
    checkout.snakemake(*(f"results/cubes/{REGION}/sentinel-{number}/aligned.zarr" for number in (1, 2)))
    truth = json.loads((results / "archive" / REGION / "truth.json").read_text())["displacement_pixels"]
    before, after = [], []
    for sensor in ("sentinel-1", "sentinel-2"):
        rows = list(csv.DictReader((results / "cubes" / REGION / sensor / "shifts.csv").open()))
        usable = [row for row in rows if row["applied"] == "yes" or row["cause"] == "in place"]
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
