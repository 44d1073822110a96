"""How long jobs take, how much memory: as measured in the study so far, else as the default study did.

The shipped numbers are of `make demo` on two cores that did nothing else (benchmarks/README.md): the seconds
of a stage there, less those to start its jobs, over its amount of work. What a larger region adds to the jobs
of cubes, and to their memory, is what a region of 15 x 15 km on 12 dates took of processor time and memory.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from revisit.cube.write import BLOCK
from revisit.plan.forecast.work import Stage

FROM_AFAR_MB_S = 20  # from a remote provider, by all jobs together


class Rate(NamedTuple):
    """Seconds to start a job, seconds for a million of what the stage works on; MB of its largest process.

    ``more_mb``: MB more for each million pixels of a region, up to the 2048 x 2048 that are held at a time.
    """

    start_s: float
    million_s: float
    memory_mb: float
    more_mb: float = 0.0


# Millions: of pixels of a scene's grid (archive) or of its clips (download), of values of a cube (stack to
# scale), of pixels of one sensor in what is cut or read (tile, survey, import_set, probe, floor); and for
# pretrain, generate, embed and evaluate of pixels of one sensor that a network sees, times millions of its
# encoder's parameters. The amounts are to the end of a training's budget, the seconds of evaluate to where
# the trainings of the default study came to rest.
AT_REST = 0.36  # share of their steps after which they did
RATES = {
    "archive": Rate(0.75, 0.56, 170, 300),
    "search": Rate(0.67, 0, 75),
    "download": Rate(0.6, 0.1, 135, 130),
    "stack": Rate(1.3, 0.06, 320, 85),
    "coregister": Rate(1.8, 0.15, 300, 230),
    "moments": Rate(0.75, 0.05, 320),
    "scale": Rate(1.2, 0.06, 300, 85),
    "labels": Rate(1.1, 0, 250),
    "dem": Rate(1.1, 0, 250),
    "tile": Rate(0.75, 0.64, 155),
    "survey": Rate(1, 1.0, 300),
    "import_set": Rate(1, 1.2, 500),
    "pretrain": Rate(1.9, 1.9, 730),
    "generate": Rate(1.9, 1.9, 760),
    "embed": Rate(1.9, 1.9, 760),
    "evaluate": Rate(1.9, 0.86 * AT_REST, 840),
    "predict": Rate(4, 0.35, 900),
    "probe": Rate(0.7, 0.19, 160),
    "floor": Rate(1.8, 0.07, 660),
}
ON_GPU = ("pretrain", "generate", "embed", "evaluate", "predict")  # whose rules ask for one
GPU_TIMES = 1000  # as fast as a core: 25 TFLOP/s in the steps against 25 GFLOP/s, which nobody has measured
OTHER = Rate(1.4, 0, 300)  # what gathers, lays out and draws


class Cost(NamedTuple):
    """What a job of a stage takes: mean seconds, MB at most, and how many jobs that was measured on.

    ``least_s``: seconds that the whole stage takes at least, on however many cores.
    """

    seconds: float
    memory_mb: float
    measured: int
    least_s: float = 0.0


def costs(stages: Iterable[Stage], benchmarks: Path, pixels: int) -> dict[str, Cost]:
    """The cost of each stage's jobs, by the benchmarks of the study where it has any of the stage.

    ``pixels`` are those of the largest region.
    """
    found, held = {}, min(pixels, BLOCK**2) / 1e6
    for stage in stages:
        rate = RATES.get(stage.name, OTHER)
        each = rate.start_s + stage.amount * rate.million_s / max(1, stage.jobs)
        memory = rate.memory_mb + rate.more_mb * held
        found[stage.name] = _measured(benchmarks / stage.name) or Cost(each, memory, 0)
    return found


def gpu_seconds(stages: Iterable[Stage], found: Mapping[str, Cost]) -> float:
    """Seconds that the jobs on GPUs take on one, all together: as measured here, else by ``GPU_TIMES``."""
    total = 0.0
    for stage in stages:
        if stage.name in ON_GPU:
            rate, cost = RATES[stage.name], found[stage.name]
            assumed = stage.jobs * rate.start_s + stage.amount * rate.million_s / GPU_TIMES
            total += stage.jobs * cost.seconds if cost.measured else assumed
    return total


def _measured(folder: Path) -> Cost | None:
    """The mean and the largest of a folder of Snakemake's benchmarks; None where there are none."""
    runs = []
    for path in folder.rglob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            runs.append(json.loads(line))
    if not runs:
        return None
    seconds = sum(float(run["s"]) for run in runs) / len(runs)
    memory = max(float(run["max_rss"] or 0) for run in runs)  # none of a job too short to be looked at
    return Cost(seconds, memory, len(runs))
