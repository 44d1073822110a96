"""How well co-registration found the known displacements of the embedded archive.

    python benchmarks/coregistration.py results

For every cube: pixels by which dates were off the map before and after, as medians over the usable dates;
`p90` is what nine in ten dates are below. The archive knows each acquisition's displacement from the map.
Images alone do not: their frame is the centre of their dates. So `after`, from the map, is made of `frame`,
how far that centre lies from the map, and `residual`, how far dates lie from it. Dates `left` are too cloudy
to match and were not moved; those that `stay` were found within their error, or in place. `ratio` is the
residual over the error that shifts.csv states (1.18 where the errors are right, since the residual has two
axes): what the scatter of windows does not show, such as shadows that move with the season, makes it larger.
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from revisit.files import read_json

STAYED = ("in place", "within its error")
SHARED = """\
Shared by the simulated archive and co-registration: the processing baseline since which products are refined
(03.00; ESA, 22 March 2021); that the displacements of a kind of products scatter about the map; and that
forest lies above -17 dB in VH and fields below, for which no source is cited.
Not shared: how far dates scatter and how much less refined products do, which is measured from the images;
the blur and noise of the images, the clouds that the mask missed, the size of layover and shadows."""


def measure(results: Path, region: str, sensor: str) -> dict[str, Any]:
    """Displacements in pixels of the usable dates of one cube: what truth.json knows, what shifts.csv did."""
    truth = read_json(results / "archive" / region / "truth.json")["displacement_pixels"]
    with (results / "cubes" / region / sensor / "shifts.csv").open() as file:
        rows = list(csv.DictReader(file))
    known = np.array([np.mean([truth[item] for item in row["source_items"].split()], axis=0) for row in rows])
    applied = np.array([[float(row["shift_x"]), float(row["shift_y"])] for row in rows])
    stayed = np.array([row["cause"] in STAYED for row in rows])
    usable = stayed | np.array([row["applied"] == "yes" for row in rows])
    stated = np.array([float(row["error"] or "nan") for row in rows])[usable]
    before, after = known[usable], (known + applied)[usable]
    frame = np.median(after, axis=0)
    residual = np.hypot(*(after - frame).T)
    return {
        "left": int((~usable).sum()),
        "stay": int(stayed.sum()),
        "before": np.hypot(*before.T),
        "after": np.hypot(*after.T),
        "residual": residual,
        "frame": float(np.hypot(*frame)),
        "ratio": residual / stated,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the results folder of a run on the embedded archive")
    results = parser.parse_args().results
    print("region     sensor      usable stay left  before  after    p90 residual  frame ratio   (pixels)")
    everything: dict[str, list[np.ndarray]] = {"sentinel-1": [], "sentinel-2": []}
    for truth in sorted(results.glob("archive/*/truth.json")):
        region = truth.parent.name
        for sensor, pooled in everything.items():
            found = measure(results, region, sensor)
            pooled.append(found["after"])
            before, after, residual, ratio = (
                np.median(found[key]) for key in ("before", "after", "residual", "ratio")
            )
            print(
                f"{region:10} {sensor:11} {len(found['after']):6} {found['stay']:4} {found['left']:4}"
                f" {before:7.3f} {after:6.3f} {np.quantile(found['after'], 0.9):6.3f}"
                f" {residual:8.3f} {found['frame']:6.3f} {ratio:5.1f}"
            )
    both = [part for parts in everything.values() for part in parts]
    for sensor, parts in (*everything.items(), ("both", both)):
        pooled_dates = np.concatenate(parts)
        middle, high = np.median(pooled_dates), np.quantile(pooled_dates, 0.9)
        print(f"{'all':10} {sensor:11} {len(pooled_dates):6} {'':17} {middle:6.3f} {high:6.3f}")
    print(SHARED)


if __name__ == "__main__":
    main()
