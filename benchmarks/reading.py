"""Random patches from a collection: against a memory map of one flat file, and against reading through zarr.

    python benchmarks/reading.py --gigabytes 3.5

Writes a collection of random patches of 12 x 128 x 128 uint8 (2 bands of Sentinel-1, 10 of Sentinel-2, as
tiling writes them) and the same bytes as one flat file, and draws batches of random samples from
    flat     numpy.memmap of the flat file, the drawn samples copied: the limit of any store
    store    PatchStore with a memory budget the data do not fit
    zarr     the same stores opened by zarr, one read per sensor and region
in turn and on the same samples; given are medians over batches. The page cache is warm, as every epoch but
the first finds it. What was written is removed at the end.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from revisit.cube.contract import codecs
from revisit.patches.batch import LAYOUT
from revisit.patches.index import Settings, index
from revisit.patches.kind import Look
from revisit.patches.store import PARTS, PatchStore
from revisit.patches.writer import Place, StoreWriter

BANDS = {
    "sentinel-1": ["vv", "vh"],
    "sentinel-2": [
        "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22"
    ],
}  # fmt: skip
ALL = [band for bands in BANDS.values() for band in bands]
SIDE, BATCH, BATCHES, MEMORY_MB = 128, 64, 100, 64
COLLECTION = {
    "kind": "pairs", "patch_pixels": SIDE, "min_valid": 0.9, "max_days_apart": 1, "samples_per_place": 1
}  # fmt: skip
SPLIT = {"block_pixels": SIDE, "train": 1, "val": 0, "test": 0}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=3.5)
    parser.add_argument("--regions", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        room = shutil.disk_usage(folder).free
        if room < 3e9 * arguments.gigabytes:
            raise SystemExit(f"{folder}: {room / 1e9:.1f} GB free, needs {3 * arguments.gigabytes:.1f}")
        samples = int(arguments.gigabytes * 1e9 / (len(ALL) * SIDE * SIDE))
        bench = Bench(Path(folder), samples, arguments.regions)
        bench.report()


class Bench:
    """A collection and the same images in a flat file."""

    def __init__(self, folder: Path, samples: int, regions: int) -> None:
        self.folder, self.samples = folder, samples
        counts = [len(part) for part in np.array_split(np.arange(samples), regions)]
        self.firsts = np.concatenate([[0], np.cumsum(counts)])
        with (folder / "flat").open("wb") as flat:
            for number, count in enumerate(counts):
                write(folder / f"region-{number}.zarr", f"region-{number}", count, flat.write)
        stores = sorted(folder.glob("*.zarr"))
        settings = {"seed": 0, "split": SPLIT, "collection": COLLECTION, "study": "benchmark"}
        index("benchmark", stores, folder / "index.json", Settings.model_validate(settings))
        self.flat = np.memmap(folder / "flat", np.uint8, "r", shape=(samples, len(ALL), SIDE, SIDE))
        self.store = PatchStore(folder, memory_mb=MEMORY_MB)
        with codecs():
            self.groups = [zarr.open_group(store, mode="r") for store in stores]
            self.arrays = [{name: group[name] for name in BANDS} for group in self.groups]

    def report(self) -> None:
        ways: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
            "flat": self.by_map,
            "store": lambda chosen: self.store.images(chosen, ALL),
            "zarr": self.by_zarr,
        }
        random = np.random.default_rng(0)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(BATCHES):
            chosen = random.integers(0, self.samples, BATCH)
            results = []
            for name, way in ways.items():
                begin = time.perf_counter()
                results.append(way(chosen))
                seconds[name].append(time.perf_counter() - begin)
            assert all(np.array_equal(results[0], other) for other in results)
        files = sum(path.is_file() for store in self.folder.glob("*.zarr") for path in store.rglob("*"))
        size = self.samples * len(ALL) * SIDE * SIDE / 1e9
        print(f"{self.samples} patches, {size:.2f} GB, {files} files ({files / self.samples:.4f} a sample)")
        middle = {name: statistics.median(each) for name, each in seconds.items()}
        for name, each in middle.items():
            print(f"{name:6} {BATCH / each:8.0f} patches/s  {middle['flat'] / each:6.1%} of the flat file")
        print(f"store / zarr: {middle['zarr'] / middle['store']:.1f}")

    def by_map(self, chosen: NDArray[Any]) -> NDArray[Any]:
        out = np.empty((len(chosen), len(ALL), SIDE, SIDE), np.uint8)
        for place, sample in enumerate(chosen):  # faster than flat[chosen]
            out[place] = self.flat[sample]
        return out

    def by_zarr(self, chosen: NDArray[Any]) -> NDArray[Any]:
        out = np.empty((len(chosen), len(ALL), SIDE, SIDE), np.uint8)
        regions = np.searchsorted(self.firsts, chosen, side="right") - 1
        for region in np.unique(regions):
            at = np.flatnonzero(regions == region)
            # zarr wants each sample once and in order.
            rows, back = np.unique(chosen[at] - self.firsts[region], return_inverse=True)
            images = [array.oindex[rows][:, 0] for array in self.arrays[region].values()]
            out[at] = np.concatenate(images, axis=1)[back]
        return out


def write(path: Path, region: str, samples: int, flat: Callable[[bytes], object]) -> None:
    """A store of random patches as tiling writes one, and its images to the flat file."""
    random = np.random.default_rng(list(region.encode()))
    writer = StoreWriter(path)
    valid, times = np.ones((1, SIDE, SIDE), bool), np.array(["2020-07-01"], "datetime64[ns]")
    for sample in range(samples):
        images = random.integers(0, 256, (1, len(ALL), SIDE, SIDE), np.uint8)
        looks = {
            sensor: Look(images[:, [ALL.index(band) for band in bands]], valid, times)
            for sensor, bands in BANDS.items()
        }
        writer.append(looks, Place(6e5, 5e6 + 1e4 * sample, sample, 0), None, None)
        flat(images.tobytes())
    writer.finish(32631, about(region, samples))


def about(region: str, samples: int) -> dict[str, object]:
    """What a store says of itself, as the index wants it."""
    return {
        "stage": "patches", "kind": "pairs", "collection": "benchmark", "region": region, "samples": samples,
        "places": samples, "parts": dict.fromkeys(PARTS, 0) | {"train": samples}, "empty_because": "",
        "layout": LAYOUT, "labelled": dict.fromkeys(PARTS, 0), "lost": {}, "masked": {}, "label_years": [],
        "lost_in": {part: {} for part in PARTS}, "cut": dict.fromkeys(PARTS, 0), "whole_region_in": None,
        "class_samples": {part: [] for part in PARTS}, "class_codes": None, "legend": None, "bands": BANDS,
        "scaling": {sensor: {"bands": dict.fromkeys(own)} for sensor, own in BANDS.items()},
        "patch_pixels": SIDE,
        "resolution_m": 10, "time_axis": False, "years": {}, "split": SPLIT, "split_distance_m": {},
        "bounds": {}, "source_cubes": [], "config_hash": "",
    }  # fmt: skip


if __name__ == "__main__":
    main()
