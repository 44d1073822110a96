"""Mapping a region wall to wall: seconds, and the peak memory of the process, at several sizes.

    python benchmarks/maps.py FOLDER                     on the fastest device there is
    python benchmarks/maps.py FOLDER --device cpu --kilometres 5 20

Makes scaled Sentinel-1 and Sentinel-2 cubes of noise in FOLDER, 12 dates each, and a U-Net with new weights;
then maps each region by `revisit predict` in a process of its own.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from affine import Affine

from revisit.cube.grid import Grid
from revisit.cube.write import create_cube
from revisit.evaluation.trained_model import save_model
from revisit.nets.segmentation.unet import UNet

BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red", "nir", "swir16"]}
UNITS = {"sentinel-1": "dB", "sentinel-2": "reflectance"}
LIMITS = {"lower": -1.0, "upper": 1.0, "mean": 0.0, "std": 1.0, "valid_pixels": 1}
DATES, BLOCK, CLASSES = 12, 2048, 8
MEASURED = """
import resource, sys
from revisit.prediction.command import main

status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
raise SystemExit(status)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where cubes, model and maps are made")
    parser.add_argument("--kilometres", type=int, nargs="+", default=[5, 10, 20], help="sides of the regions")
    parser.add_argument("--width", type=int, default=16, help="channels of the U-Net's finest level")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", help="as of revisit predict")
    arguments = parser.parse_args()
    model = _model(arguments.folder / "model", arguments.width)
    print(f"U-Net of width {arguments.width}, tiles of 64 pixels, {DATES} dates, {CLASSES} classes")
    print("| region, km | pixels | seconds | MB |")
    print("| --- | --- | --- | --- |")
    for kilometres in arguments.kilometres:
        region = _region(arguments.folder / f"{kilometres}km", kilometres * 100)
        options = ["--threads", str(arguments.threads)]
        options += ["--device", arguments.device] if arguments.device else []
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, model, region, region / "map.tif", *options],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        print(f"| {kilometres} | {kilometres * 100}² | {seconds:.0f} | {done.stdout.strip()} |", flush=True)


def _region(folder: Path, pixels: int) -> Path:
    """The cubes of a region of this many pixels a side, made once."""
    grid = Grid(32631, Affine(10, 0, 600_000, 0, -10, 5_400_000), pixels, pixels)
    for sensor, bands in BANDS.items():
        path, random = folder / sensor / "scaled.zarr", np.random.default_rng(0)
        if path.exists():
            continue
        with create_cube(
            path, grid, dates=DATES, bands=bands, sensor=sensor, region=folder.name, stage="scaled",
            unit="scaled", settings={}, attributes={"clip_sigma": 3.0, "source_unit": UNITS[sensor]},
            band_coordinates={name: [value] * len(bands) for name, value in LIMITS.items()},
        ) as writer:  # fmt: skip
            for month in range(1, DATES + 1):
                for block in grid.blocks(BLOCK):
                    shape = grid.part(block).shape
                    values = random.integers(0, 256, (len(bands), *shape), dtype=np.uint8)
                    writer.write(block, values, random.random(shape) < 0.8)
                writer.keep(np.datetime64(f"2020-{month:02}-01"))
    return folder


def _model(folder: Path, width: int) -> Path:
    """A U-Net with new weights, as an evaluation leaves one."""
    torch.manual_seed(0)
    bands = [band for names in BANDS.values() for band in names]
    described: dict[str, Any] = {"name": "unet", "settings": {"width": width}, "encoders": [], "dates": 1}
    card = {
        "experiment": "benchmark", "method": "unet", "modality": "s1+s2", "protocol": "supervised",
        "label_fraction": 1.0, "seed": 0, "metric": "miou", "validation": 0.0,
        "config_hash": "", "code_version": "",
        "network": described | {"channels": len(bands), "classes": CLASSES}, "bands": bands,
        "scaling": {
            sensor: {"clip_sigma": 3.0, "source_unit": UNITS[sensor], "bands": dict.fromkeys(names, LIMITS)}
            for sensor, names in BANDS.items()
        },
        "composite_year": 2020, "patch_pixels": 64, "resolution_m": 10, "labels": "map", "exclusive": True,
        "classes": [f"class {number}" for number in range(CLASSES)], "colours": [None] * CLASSES,
        "codes": [[number + 1] for number in range(CLASSES)], "legend": "none",
    }  # fmt: skip
    save_model(UNet(len(bands), CLASSES, width), folder, card)
    return folder


if __name__ == "__main__":
    main()
