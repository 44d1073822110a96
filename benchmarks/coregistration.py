"""How well co-registration found the known displacements of the embedded archive.

    python benchmarks/coregistration.py results

For every cube: pixels by which dates were off the map before and after, as medians over the usable dates;
`p90` is what nine in ten dates are below. The archive knows each acquisition's displacement from the map.
Images alone do not: their frame is the weighted centre of their dates. So `error`, from the map, is made of
`frame`, how far that centre lies from the map, and `residual`, how far dates lie from it. Dates `left`
alone are too cloudy to match and were not moved.
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from revisit.files import read_json


def measure(results: Path, region: str, sensor: str) -> dict[str, Any]:
    """Displacements in pixels of the usable dates of one cube: what truth.json knows, what shifts.csv did."""
    truth = read_json(results / "archive" / region / "truth.json")["displacement_pixels"]
    with (results / "cubes" / region / sensor / "shifts.csv").open() as file:
        rows = list(csv.DictReader(file))
    known = np.array([np.mean([truth[item] for item in row["source_items"].split()], axis=0) for row in rows])
    applied = np.array([[float(row["shift_x"]), float(row["shift_y"])] for row in rows])
    usable = np.array([row["applied"] == "yes" or row["cause"] == "in place" for row in rows])
    before, after = known[usable], (known + applied)[usable]
    frame = np.median(after, axis=0)
    return {
        "left": int((~usable).sum()),
        "before": np.hypot(*before.T),
        "error": np.hypot(*after.T),
        "residual": np.hypot(*(after - frame).T),
        "frame": float(np.hypot(*frame)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the results folder of a run on the embedded archive")
    results = parser.parse_args().results
    print("region     sensor      usable left  before  error    p90 residual  frame   (pixels of 10 m)")
    everything = []
    for truth in sorted(results.glob("archive/*/truth.json")):
        region = truth.parent.name
        for sensor in ("sentinel-1", "sentinel-2"):
            found = measure(results, region, sensor)
            everything.append(found["error"])
            before, error, residual = (np.median(found[key]) for key in ("before", "error", "residual"))
            dates, high = len(found["error"]), np.quantile(found["error"], 0.9)
            print(
                f"{region:10} {sensor:11} {dates:6} {found['left']:4} {before:7.3f} {error:6.3f}"
                f" {high:6.3f} {residual:8.3f} {found['frame']:6.3f}"
            )
    pooled = np.concatenate(everything)
    print(f"{'all':22} {len(pooled):6} {'':12} {np.median(pooled):6.3f} {np.quantile(pooled, 0.9):6.3f}")


if __name__ == "__main__":
    main()
