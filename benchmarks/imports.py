"""Import of a benchmark set: against reading the bytes of its files, and against decoding them alone.

    python benchmarks/imports.py --samples 3000 --processes 2

Writes pairs of BigEarthNet-MM in their true layout, 14 small GeoTIFFs and 2 JSON files each (the set with the
most files a sample), and takes in turn, by as many processes, all of
    bytes     every file read whole, none in the page cache before: the limit of the disk
    warm      the same again, from the page cache
    decoded   every GeoTIFF opened and read by rasterio: the limit of any reader that uses GDAL
    limits    the importer's first pass, over the training split: means and deviations of all bands
    import    its second pass: resampled, scaled to 8 bit and written as a patch store
Given are medians over rounds.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from revisit.patches import import_set
from revisit.patches.benchmarks.bigearthnet import BANDS, FOLDERS, METRES, NUMBERS, POLARISATIONS
from revisit.patches.survey import ahead, limits, listed, open_set

SIDE_M, ROUNDS = 1200, 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        write(Path(folder, "set"), arguments.samples)
        report(Path(folder), arguments.processes)


def write(folder: Path, samples: int) -> None:
    """The set: noise around a level of each band, and one class a patch."""
    random = np.random.default_rng(0)
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number in range(samples):
        optical = f"S2A_MSIL2A_20170613T101031_{number // 100}_{number % 100}"
        radar = f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{number // 100}_{number % 100}"
        said = {
            "labels": [list(NUMBERS)[number % len(NUMBERS)]],
            "acquisition_date": "2017-06-13 10:10:31",
            "acquisition_time": "2017-06-13T16:50:43",
            "corresponding_s2_patch": optical,
        }
        for sensor, name in (("sentinel-2", optical), ("sentinel-1", radar)):
            patch = folder / FOLDERS[sensor] / name
            patch.mkdir(parents=True)
            (patch / f"{name}_labels_metadata.json").write_text(json.dumps(said), encoding="utf-8")
            for band in BANDS if sensor == "sentinel-2" else POLARISATIONS:
                metres = METRES.get(band, 10)
                shape = (SIDE_M // metres,) * 2
                if sensor == "sentinel-2":
                    numbers = random.integers(200, 4000, shape, np.uint16)
                else:
                    numbers = random.normal(-12, 3, shape).astype(np.float32)
                about = {"width": shape[1], "height": shape[0], "count": 1, "dtype": numbers.dtype}
                place = Affine(metres, 0, 4e5 + SIDE_M * (number % 100), 0, -metres, 5e6)
                with rasterio.open(
                    patch / f"{name}_{band}.tif", "w", "GTiff", crs=32633, transform=place, **about
                ) as file:
                    file.write(numbers, 1)
        lists[("train", "train", "val", "test")[number % 4]].append(f"{optical},{radar}")
    for part, lines in lists.items():
        (folder / f"bigearthnet-{part}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def report(folder: Path, processes: int) -> None:
    entry = {"set": "bigearthnet", "folder": str(folder / "set")}
    settings = import_set.Settings.model_validate({"entry": entry, "number": 1})
    benchmark = open_set("benchmark", entry)
    samples = listed("benchmark", benchmark)
    files = [path for path in (folder / "set").rglob("*") if path.suffix in (".tif", ".json")]
    rasters = [path for path in files if path.suffix == ".tif"]
    seconds: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        found = work()
        seconds.setdefault(name, []).append(time.perf_counter() - begin)
        return found

    for number in range(ROUNDS):
        for path in files:
            forget(path)
        timed("bytes", lambda: sum(ahead(length, files, processes)))
        timed("warm", lambda: sum(ahead(length, files, processes)))
        timed("decoded", lambda: sum(ahead(decoded, rasters, processes)))
        scaling = timed("limits", lambda: limits("benchmark", benchmark, samples, 3.0, processes))
        about = ("benchmark", "1-of-1", samples, scaling, folder / f"store-{number}", settings, processes)
        timed("import", partial(import_set.import_set, *about))
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    size = sum(path.stat().st_size for path in files) / 1e6
    training = sum(sample.part == "train" for sample in samples)
    print(f"{len(samples)} pairs, {len(files)} files, {size:.0f} MB, {processes} processes")
    for name, each in middle.items():
        count = training if name == "limits" else len(samples)
        rate = size * count / len(samples) / each
        print(f"{name:8} {each:7.2f} s  {count / each:7.0f} pairs/s  {rate:6.1f} MB/s")
    print(f"bytes / import: {middle['bytes'] / middle['import']:.2f}")
    print(f"decoded / import: {middle['decoded'] / middle['import']:.2f}")


def forget(path: Path) -> None:
    """Have the page cache drop a file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def length(path: Path) -> int:
    return len(path.read_bytes())


def decoded(path: Path) -> int:
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(path) as file:
        return int(file.read().size)


if __name__ == "__main__":
    main()
