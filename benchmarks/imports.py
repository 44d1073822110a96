"""How fast a benchmark set is imported, against a plain copy of its files:

    python benchmarks/imports.py FOLDER --patches 2000

Writes a set like EuroSAT (13 bands of 64 × 64 pixels of 16 bits, a file each) to the folder, then imports it
as the workflow does: survey (files, limits), one store, index. ``copy`` reads the same files and writes as
many bytes as the store has, in as many threads, to the disk; ``GDAL`` reads the images once, as an import
does 1.6 times, and does nothing with them.
"""

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from revisit.job import Job
from revisit.patches import import_set, index_set, survey
from revisit.patches.rasters import read_raster

CLASSES = ("AnnualCrop", "Forest", "SeaLake")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patches", type=int, default=2000)
    arguments = parser.parse_args()
    folder = arguments.folder / "set"
    if not folder.exists():
        write(folder, arguments.patches)
    files = sorted(folder.rglob("*.tif"))
    columns = ("copy", "GDAL", "survey", "import", "index")
    print("| threads | MB |", " | ".join(f"{name}, s (CPU)" for name in columns), "| patches a CPU second |")
    print("| --- " * (len(columns) + 3) + "|")
    for threads in (1, 2):
        print("|", " | ".join(row(folder, files, arguments.folder / f"threads{threads}", threads)), "|")


def row(folder: Path, files: list[Path], out: Path, threads: int) -> list[str]:
    """Import the set, and copy it, in so many threads."""
    entry = {"set": "eurosat", "folder": str(folder)}
    given = {"samples": str(out / "samples.csv"), "limits": str(out / "limits.json")}
    store, names = out / "1-of-1.zarr", {"collection": "some", "region": "1-of-1"}
    survey_job = Job("", names, {}, given, {"entry": entry, "clip_sigma": 3.0}, threads)
    import_job = Job("", names, given, {"patches": str(store)}, {"entry": entry, "number": 1}, threads)
    about = index_set.Settings(entry=entry, study="benchmark")
    seconds = [
        timed(survey.run, survey_job),
        timed(import_set.run, import_job),
        timed(index_set.index_set, "some", [store], out / "index.json", about),
    ]
    size = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    limits = [timed(copy, files, out / "copy", size, threads), timed(read_all, files, threads)]
    read = sum(file.stat().st_size for file in files)
    return [
        *(str(threads), f"{read / 1e6:.0f}"),
        *(f"{wall:.2f} ({processor:.2f})" for wall, processor in limits + seconds),
        f"{len(files) / sum(processor for _, processor in seconds):.0f}",
    ]


def timed(work: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """Seconds, and those of the processor in all threads: on a busy machine these are what counts."""
    start, processor = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - start, time.process_time() - processor


def read_all(files: list[Path], threads: int) -> None:
    """Read the images and do nothing with them."""
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(read_raster, files):
            pass


def copy(files: list[Path], path: Path, size: int, threads: int) -> None:
    """Read the files, and write so many bytes through to the disk."""
    with ThreadPoolExecutor(threads) as pool:
        contents = list(pool.map(Path.read_bytes, files))
    with path.open("wb") as out:
        left = size
        while left > 0:
            for content in contents:
                left -= out.write(content[:left])
        os.fsync(out.fileno())


def write(folder: Path, patches: int) -> None:
    """The set: classes of equal size, 60 % of each for training and 20 % for validation and test each."""
    random, lists = np.random.default_rng(0), dict.fromkeys(("train", "val", "test"), "")
    for number in range(patches):
        name = f"{CLASSES[number % len(CLASSES)]}_{number + 1}"
        path = folder / "EuroSAT_MS" / name.partition("_")[0] / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        numbers = random.normal(1500, 300, (13, 64, 64)).clip(1).astype(np.uint16)
        place = Affine(10, 0, 400_000 + 640 * (number % 200), 0, -10, 5_500_000 - 640 * (number // 200))
        about = {"width": 64, "height": 64, "count": 13, "dtype": "uint16", "crs": 32632, "transform": place}
        with rasterio.open(path, "w", driver="GTiff", **about) as file:
            file.write(numbers)
        part = ("train", "train", "train", "val", "test")[number // len(CLASSES) % 5]
        lists[part] += f"{name}.tif\n"
    for part, text in lists.items():
        (folder / f"eurosat-{part}.txt").write_text(text)


if __name__ == "__main__":
    main()
