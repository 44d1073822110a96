"""Every stage of a cube against its limit: reading what it reads, writing what it writes, and nothing else.

    python benchmarks/cubes.py FOLDER

Simulates a Sentinel-2 archive of 20 x 20 km in FOLDER (once, shared with benchmarks/imagery.py), makes its
cubes and times each stage in one thread and in two. `limit` decompresses the stage's input and compresses its
output in two threads. Peak memory is that of the process so far.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import zarr
from regions import SENSOR, Region

from revisit import files
from revisit.cube.contract import codecs
from revisit.cube.coregistration import coregister
from revisit.cube.in_order import in_order
from revisit.cube.scaling import limits, moments, scale
from revisit.cube.split import Split
from revisit.cube.write import create_array
from revisit.patches import tile

SPLIT = Split.model_validate({"train": 0.6, "val": 0.2, "test": 0.2, "block_pixels": 128, "gap_pixels": 32})
COLLECTION = {"kind": "series", "sensors": [SENSOR], "patch_pixels": 64, "min_valid": 0.9, "dates": 4}
THREADS = (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the archive and the cubes are made")
    parser.add_argument("--kilometres", type=int, default=20, help="size of the region")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    region = Region(arguments.folder, arguments.kilometres)
    bench = Bench(region, arguments.folder / f"cubes{arguments.kilometres}km")
    region.make_raw(region.fetch(bench.folder), bench.raw, THREADS[-1])
    print(f"{arguments.kilometres} km, {len(region.items)} scenes")
    print(
        "| stage | read, MB | written, MB | limit, s | 1 thread, s | 2 threads, s | of limit | times 1 | MB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, run in bench.stages():
        seconds = [_median(partial(run, threads), arguments.repeats) for threads in THREADS]
        reads, writes = bench.data[name]
        least = _median(partial(bench.copy, reads, writes), arguments.repeats)
        sizes = [sum(_size(path) for path in paths) / 1e6 for paths in (reads, writes)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"| {name} | {sizes[0]:.0f} | {sizes[1]:.0f} | {least:.1f} | {seconds[0]:.1f} | {seconds[1]:.1f} "
            f"| {least / seconds[1]:.0%} | {seconds[0] / seconds[1]:.2f} | {peak:.0f} |",
            flush=True,
        )


class Bench:
    """The stages of one region's cube, in their order, and what each reads and writes."""

    def __init__(self, region: Region, folder: Path) -> None:
        self.region, self.folder = region, folder
        self.raw, self.aligned, self.scaled = (
            folder / f"{stage}.zarr" for stage in ("raw", "aligned", "scaled")
        )
        self.data: dict[str, tuple[list[Path], list[Path]]] = {
            "coregister": ([self.raw], [self.aligned]),
            "moments": ([self.aligned], []),
            "scale": ([self.aligned], [self.scaled]),
            "tile": ([self.scaled], []),
        }

    def stages(self) -> Iterator[tuple[str, Callable[[int], object]]]:
        """Name and run of each stage after the raw cube, once the one before it has run."""
        shifts, most = self.folder / "shifts.csv", coregister.Settings(max_shift_pixels=3)
        yield (
            "coregister",
            lambda threads: coregister.coregister(self.raw, self.aligned, shifts, most, None, threads),
        )
        measured = self.folder / "moments.json"
        of_split = moments.Settings(seed=1, split=SPLIT)
        yield "moments", lambda threads: files.write_json(measured, moments.moments(self.aligned, of_split))
        scaling = self.folder / "limits.json"
        files.write_json(scaling, limits.limits([measured], limits.Settings(clip_sigma=3)))
        yield "scale", lambda threads: scale.scale(self.aligned, scaling, self.scaled, threads)
        cut = tile.Settings(seed=1, split=SPLIT, collection=COLLECTION, years={SENSOR: self.region.years})
        patches = self.folder / "patches.zarr"
        yield "tile", lambda threads: tile.tile("series", "bench", [self.scaled], [], patches, cut)

    def copy(self, reads: list[Path], writes: list[Path]) -> None:
        """Decompress and compress what a stage has to, a date at a time in two threads."""
        with codecs():
            for path in reads:
                for array in _arrays(path):
                    every = [slice(date, date + 1) for date in range(array.shape[0])]
                    for _ in in_order(array.__getitem__, every, THREADS[-1]):
                        pass
            target = self.folder / "copy.zarr"
            for path in writes:
                files.remove(target)
                zarr.create_group(target, zarr_format=3)
                for array in _arrays(path):
                    same = create_array(
                        target,
                        array.basename,
                        array.shape,
                        array.metadata.dimension_names,
                        array.dtype,
                        0,
                        {},
                    )
                    numbers = array[:1]
                    for date in range(array.shape[0]):
                        same[date : date + 1] = numbers
            files.remove(target)


def _arrays(path: Path) -> list[Any]:
    group = zarr.open_group(path, mode="r")
    return [array for _, array in sorted(group.arrays()) if array.ndim > 2]


def _size(path: Path) -> int:
    """Bytes of a cube's images and masks, not compressed."""
    return sum(array.nbytes for array in _arrays(path))


def _median(run: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
