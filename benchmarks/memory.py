"""Peak memory of each stage of the data line as a region grows, or its dates do.

    python benchmarks/memory.py FOLDER --kilometres 20 40 --dates 2
    python benchmarks/memory.py FOLDER --kilometres 10 --dates 4 16

Has Snakemake make a study of one region of each size and number of dates in FOLDER, from its simulated
archive to the index of a collection: Sentinel-1 and -2, labels and elevation. What is there already, and made
by the same code, is not made again. Each job runs as in any study, in a process of its own with one thread,
and leaves its peak in FOLDER/peaks, as Linux counts it. The simulated Earth has no elevation, so a tile that
covers the region is made up. Stages work block by block and date by date, so from the size of a block (20 km)
on their memory should stay what it is; that of the simulation itself grows, as it makes the land as a whole.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from rasterio.transform import from_origin
from regions import BANDS, square

REPOSITORY = Path(__file__).parents[1]
REGION, YEAR = "here", 2020
SECOND = 1 / 3600  # degrees; a pixel of Copernicus DEM GLO-30
# What jobs find as the command `revisit`: it runs the job, then notes its peak.
COMMAND = """#!{python}
import sys
from pathlib import Path
from revisit.cli import main

failed = main()
status = Path("/proc/self/status").read_text().splitlines()
peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))  # kB
noted = Path("peaks", *Path(sys.argv[-1]).with_suffix("").parts[1:])  # of results/STUDY/logs/RULE/...
noted.parent.mkdir(parents=True, exist_ok=True)
noted.write_text(peak)
sys.exit(failed)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the archives and the cubes are made")
    parser.add_argument("--kilometres", type=int, nargs="+", default=[20, 40], help="sizes of the region")
    parser.add_argument(
        "--dates", type=int, nargs="+", default=[4], help="dates of each sensor in the year that is simulated"
    )
    arguments = parser.parse_args()
    grown = list(product(arguments.kilometres, arguments.dates))
    peaks = [measure(arguments.folder, size, dates) for size, dates in grown]
    heads = [f"{size} km, {dates} dates, MB" for size, dates in grown]
    print("| stage | " + " | ".join(heads) + " | last over first |")
    print("| --- |" + " --- |" * (len(heads) + 1))
    for stage in peaks[0]:
        grows = [peak[stage] for peak in peaks]
        megabytes = " | ".join(f"{peak:.0f}" for peak in grows)
        print(f"| {stage} | {megabytes} | {grows[-1] / grows[0]:.2f} |")


def measure(folder: Path, kilometres: int, dates: int) -> dict[str, float]:
    """Peak memory in MB of each job of a study of one region of this size, in their order."""
    name = f"{kilometres}km-{dates}dates"
    place = square(kilometres)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / f"heights-{name}").exists():
        make_elevation(folder / f"heights-{name}", place["bbox"])
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump(study(name, place, dates)), encoding="utf-8")
    command = folder.resolve() / "bin/revisit"
    command.parent.mkdir(exist_ok=True)
    command.write_text(COMMAND.format(python=sys.executable), encoding="utf-8")
    command.chmod(0o755)
    subprocess.run(
        ["snakemake", f"results/{name}/patches/series/index.json", "--cores", "1", "--quiet", "--snakefile",
         REPOSITORY / "Snakefile", "--directory", folder, "--configfile", config.resolve()],
        env={**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"},
        check=True,
    )  # fmt: skip
    noted = folder / "peaks" / name / "logs"
    files = sorted(filter(Path.is_file, noted.rglob("*")), key=lambda file: file.stat().st_mtime)
    jobs = {file: [part for part in file.relative_to(noted).parts if part != REGION] for file in files}
    return {" ".join(job): int(file.read_text()) / 1024 for file, job in jobs.items()}


def study(name: str, place: dict[str, list[float]], dates: int) -> dict[str, Any]:
    """The config of a study of one region."""
    dem = {"collection": "heights", "assets": {"elevation": "data"}, "unit": "metres"}
    return {
        "study": name,
        "seed": 1,
        "provider": "own",
        "providers": {
            "heights": {"folder": f"heights-{name}", "sensors": {"dem": dem}},
            "own": {"inherits": "embedded", "sensors": {"dem": {"from": "heights"}}},
        },
        "regions": {REGION: place},
        "archive": {"dates_per_year": {"sentinel-1": dates, "sentinel-2": dates}},
        "search": {
            **{sensor: {"years": [YEAR]} for sensor in ("sentinel-1", "sentinel-2", "worldcover")},
            "dem": {},
        },
        "cube": {
            "resolution_m": 10,
            "bands": {"sentinel-1": ["vv", "vh"], "sentinel-2": BANDS},
            # Clouds are as clear as the rest: what they leave of a block must not tell the sizes apart.
            "scene_classification_valid": list(range(12)),
            "max_shift_pixels": 3,
            "clip_sigma": 3,
        },
        # All ground trains, so that a block is as full in a small region as in a large one.
        "split": {"block_pixels": 128, "gap_pixels": 32, "regions": {REGION: "train"}},
        "collections": {"series": {"kind": "series", "patch_pixels": 64, "min_valid": 0.9, "dates": 4}},
        # What a study must have besides; none of it is made.
        "pretraining": {"seeds": [0], "methods": {}},
        "experiments": {},
    }


def make_elevation(folder: Path, bbox: list[float]) -> None:
    """Make a folder that is a provider of elevation: one tile around a box."""
    folder.mkdir()
    west, south, east, north = (
        edge + outwards * 60 * SECOND for edge, outwards in zip(bbox, (-1, -1, 1, 1), strict=True)
    )
    columns, rows = math.ceil((east - west) / SECOND), math.ceil((north - south) / SECOND)
    about = {"driver": "GTiff", "tiled": True, "compress": "deflate", "count": 1, "crs": 4326}
    with rasterio.open(
        folder / "tile.tif", "w", width=columns, height=rows, dtype="float32",
        transform=from_origin(west, north, SECOND, SECOND), **about,
    ) as tile:  # fmt: skip
        tile.write(np.random.default_rng(1).normal(300, 50, (rows, columns)).astype(np.float32), 1)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "tile", "collection": "heights", "links": [],
        "bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": "2021-04-22T00:00:00Z"}, "assets": {"data": {"href": "tile.tif"}},
    }  # fmt: skip
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    (folder / "collections.json").write_text(json.dumps([{"type": "Collection", "id": "heights"}]))


if __name__ == "__main__":
    main()
