"""How well co-registration found the known displacements of the embedded archive.

    python benchmarks/coregistration.py results

For every cube: pixels by which dates were off before and after, as median over the dates that were moved.
The archive knows each acquisition's displacement from the map. A stack of images alone cannot know where the
map is, so its frame is the consensus of its dates: `residual` is measured from that frame, `frame` is how far
the frame lies from the map. Dates `left` alone are too cloudy to match and were not moved.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from revisit.files import read_json


def measure(results: Path, region: str, sensor: str) -> dict[str, float | int]:
    """Displacements in pixels of one cube, by what its shifts.csv applied and what truth.json knows."""
    truth = read_json(results / "archive" / region / "truth.json")["displacement_pixels"]
    with (results / "cubes" / region / sensor / "shifts.csv").open() as file:
        rows = list(csv.DictReader(file))
    known = np.array([np.mean([truth[item] for item in row["source_items"].split()], axis=0) for row in rows])
    applied = np.array([[float(row["shift_x"]), float(row["shift_y"])] for row in rows])
    moved = np.array([row["applied"] == "yes" for row in rows])
    after = (known + applied)[moved]
    frame = np.median(after, axis=0)
    residual = np.hypot(*(after - frame).T)
    return {
        "dates": len(rows),
        "left": int((~moved).sum()),
        "before": float(np.median(np.hypot(*(known[moved] - np.median(known[moved], axis=0)).T))),
        "residual": float(np.median(residual)),
        "p90": float(np.quantile(residual, 0.9)),
        "frame": float(np.hypot(*frame)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the results folder of a run on the embedded archive")
    results = parser.parse_args().results
    print("region     sensor      dates left  before residual   p90  frame (pixels of 10 m)")
    for truth in sorted(results.glob("archive/*/truth.json")):
        region = truth.parent.name
        for sensor in ("sentinel-1", "sentinel-2"):
            found = measure(results, region, sensor)
            print(
                f"{region:10} {sensor:11} {found['dates']:5} {found['left']:4} {found['before']:7.3f}"
                f" {found['residual']:8.3f} {found['p90']:5.3f} {found['frame']:6.3f}"
            )


if __name__ == "__main__":
    main()
