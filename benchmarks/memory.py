"""Peak memory of each stage of the data line as a region grows.

    python benchmarks/memory.py FOLDER --kilometres 20 40

Simulates a few Sentinel-2 dates of a square of each size in FOLDER and runs every stage in a process of its
own with one thread. A stage works block by block, so from the size of a block (20 km) on its memory should
stay what it is.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from cubes import Bench
from regions import Region, simulate

from revisit.stage import one_heap


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the archives and the cubes are made")
    parser.add_argument("--kilometres", type=int, nargs="+", default=[20, 40], help="sizes of the region")
    parser.add_argument("--dates", type=int, default=4, help="dates of the year that is simulated")
    arguments = parser.parse_args()
    one_heap()  # as in a job
    peaks = {size: measure(arguments.folder, size, arguments.dates) for size in arguments.kilometres}
    sizes = arguments.kilometres
    print("| stage | " + " | ".join(f"{size} km, MB" for size in sizes) + " | last over first |")
    print("| --- |" + " --- |" * (len(sizes) + 1))
    for stage, least in peaks[sizes[0]].items():
        of_sizes = " | ".join(f"{peaks[size][stage]:.0f}" for size in sizes)
        print(f"| {stage} | {of_sizes} | {peaks[sizes[-1]][stage] / least:.2f} |")


def measure(folder: Path, kilometres: int, dates: int) -> dict[str, float]:
    """Peak memory in MB of each stage on a region of this size."""
    place = folder / f"{dates}dates"
    archive = place / f"{kilometres}km"
    if not archive.exists():
        alone(lambda: simulate(archive, kilometres, dates))  # or this process stays as large
    region = Region(place, kilometres)
    # Clouds are as clear as the rest: what they leave of a block must not tell the sizes apart.
    region.stack = region.stack.model_copy(update={"scene_classification_valid": list(range(12))})
    bench = Bench(region, place / f"cubes{kilometres}km")
    peaks = {"download": alone(lambda: region.fetch(bench.folder))}
    for name, run in bench.stages():
        peaks[name] = alone(lambda: run(1))  # noqa: B023 - runs before the next one comes
    return peaks


def alone(run: Callable[[], object]) -> float:
    """The peak memory in MB of ``run`` in a process of its own."""
    process = os.fork()
    if not process:
        try:
            run()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit("a stage failed")
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
