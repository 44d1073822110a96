"""Every stage of a cube against its limit: reading what it reads, writing what it writes, and nothing else.

    python benchmarks/cubes.py FOLDER

Simulates a Sentinel-2 archive of 20 x 20 km in FOLDER (once, shared with benchmarks/imagery.py), downloads it
(once; benchmarks/imagery.py times that against its limit) and times each stage in one thread and in two.
Codecs are held to the threads as in a job (``revisit.stage.CODECS``); `cores` is processor time over time,
which shows whether one thread was one core. `limit` decompresses the stage's input and compresses its output
in two threads. Peak memory is that of the process so far.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from revisit.stage import CODECS

os.environ.update(CODECS)  # before zarr is imported, which reads them once

import rasterio
import zarr
from regions import SENSOR, Region
from threadpoolctl import threadpool_limits

from revisit import files
from revisit.cube.contract import codecs
from revisit.cube.coregistration import coregister
from revisit.cube.in_order import each
from revisit.cube.scaling import limits, moments, scale
from revisit.cube.split import Split
from revisit.cube.write import create_array
from revisit.patches import tile
from revisit.stac.download import CLIPS

# All ground trains, so that a block is as full in a small region as in a large one.
SPLIT = Split.model_validate({"block_pixels": 128, "gap_pixels": 32, "regions": {"bench": "train"}})
COLLECTION = {"kind": "series", "sensors": [SENSOR], "patch_pixels": 64, "min_valid": 0.9, "dates": 4}
THREADS = (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the archive and the cubes are made")
    parser.add_argument("--kilometres", type=int, default=20, help="size of the region")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--stages", nargs="+", help="those to time, once the ones before have run; else all")
    arguments = parser.parse_args()
    threadpool_limits(1)  # products of matrices, as in a job
    region = Region(arguments.folder, arguments.kilometres)
    bench = Bench(region, arguments.folder / f"cubes{arguments.kilometres}km")
    if not all(path.exists() for path in bench.manifests):
        region.fetch(bench.folder)
    print(f"{arguments.kilometres} km, {len(region.items)} scenes")
    print(
        "| stage | read, MB | written, MB | limit, s | 1 thread, s (cores) | 2 threads, s (cores) | of limit "
        "| times as fast | MB |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for name, run in bench.stages():
        if arguments.stages and name not in arguments.stages:
            continue
        ones, twos = (_median(partial(run, threads), arguments.repeats) for threads in THREADS)
        reads, writes = bench.data[name]
        limit = _median(partial(bench.copy, reads, writes), arguments.repeats)
        read, written = (sum(_size(path) for path in paths) / 1e6 for paths in (reads, writes))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"| {name} | {read:.0f} | {written:.0f} | {limit.seconds:.1f} "
            f"| {ones.seconds:.1f} ({ones.cores:.2f}) | {twos.seconds:.1f} ({twos.cores:.2f}) "
            f"| {limit.seconds / twos.seconds:.0%} | {ones.seconds / twos.seconds:.2f} | {peak:.0f} |",
            flush=True,
        )


class Bench:
    """The stages of one region's cube, in their order, and what each reads and writes."""

    def __init__(self, region: Region, folder: Path) -> None:
        self.region, self.folder = region, folder
        self.manifests = [folder / str(year) / "manifest.json" for year in region.years]
        self.raw, self.aligned, self.scaled = (
            folder / f"{stage}.zarr" for stage in ("raw", "aligned", "scaled")
        )
        self.data: dict[str, tuple[list[Path], list[Path]]] = {
            "stack": ([path.with_name(CLIPS) for path in self.manifests], [self.raw]),
            "coregister": ([self.raw], [self.aligned]),
            "moments": ([self.aligned], []),
            "scale": ([self.aligned], [self.scaled]),
            "tile": ([self.scaled], []),
        }

    def stages(self) -> Iterator[tuple[str, Callable[[int], object]]]:
        """Name and run of each stage after the download, once the one before it has run."""
        yield "stack", lambda threads: self.region.make_raw(self.manifests, self.raw, threads)
        shifts, most = self.folder / "shifts.csv", coregister.Settings(max_shift_pixels=3)
        yield (
            "coregister",
            lambda threads: coregister.coregister(self.raw, self.aligned, shifts, most, None, threads),
        )
        measured = self.folder / "moments.json"
        of_split = moments.Settings(seed=1, split=SPLIT)
        yield (
            "moments",
            lambda threads: files.write_json(measured, moments.moments(self.aligned, of_split, threads)),
        )
        scaling = self.folder / "limits.json"

        def scaled(threads: int) -> None:
            files.write_json(scaling, limits.limits([measured], limits.Settings(clip_sigma=3)))
            scale.scale(self.aligned, scaling, self.scaled, threads)

        yield "scale", scaled
        cut = tile.Settings(seed=1, split=SPLIT, collection=COLLECTION, years={SENSOR: self.region.years})
        patches = self.folder / "patches.zarr"
        yield (
            "tile",
            lambda threads: tile.tile("series", "bench", [self.scaled], [], patches, cut, threads=threads),
        )

    def copy(self, reads: list[Path], writes: list[Path]) -> None:
        """Decompress and compress what a stage has to, dates or clips side by side in two threads."""
        with codecs():
            for path in reads:
                each(_read, _clips(path), THREADS[-1])
                for array in _arrays(path):
                    _by_date(array, array.__getitem__)
            target = self.folder / "copy.zarr"
            for path in writes:
                files.remove(target)
                zarr.create_group(target, zarr_format=3)
                for array in _arrays(path):
                    about = array.shape, array.metadata.dimension_names, array.dtype, 0, {}
                    same = create_array(target, array.basename, *about)
                    _by_date(array, partial(_set, same, array[:1]))
            files.remove(target)


def _by_date(array: Any, work: Callable[[slice], object]) -> None:
    """Have the dates of an array worked on in two threads."""

    def done(date: int) -> None:
        work(slice(date, date + 1))

    each(done, range(array.shape[0]), THREADS[-1])


def _set(array: Any, numbers: Any, date: slice) -> None:
    array[date] = numbers


def _arrays(path: Path) -> list[Any]:
    """The images and masks of a cube; none of a folder of clips."""
    if path.name == CLIPS:
        return []
    group = zarr.open_group(path, mode="r")
    return [array for _, array in sorted(group.arrays()) if array.ndim > 2]


def _clips(path: Path) -> list[Path]:
    """The clips of a folder; a cube has none."""
    return sorted(path.rglob("*.tif")) if path.name == CLIPS else []


def _read(clip: Path) -> int:
    """Read a clip; how many bytes its pixels are."""
    with rasterio.open(clip) as file:
        return int(file.read(1).nbytes)


def _size(path: Path) -> int:
    """Bytes of clips, or of a cube's images and masks, not compressed."""
    return sum(map(_read, _clips(path))) + sum(array.nbytes for array in _arrays(path))


class Time(NamedTuple):
    """How long something took, and how many cores it had busy."""

    seconds: float
    cores: float


def _median(run: Callable[[], object], repeats: int) -> Time:
    times = []
    for _ in range(repeats):
        begin, worked = time.perf_counter(), time.process_time()
        run()
        seconds = time.perf_counter() - begin
        times.append(Time(seconds, (time.process_time() - worked) / seconds))
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    main()
