"""How near pretraining comes to what the machine can do, and what a step costs beside its passes.

    python benchmarks/training.py                                         methods of the default study
    python benchmarks/training.py --configfile workflow/presets/contrast-small.yaml
    python benchmarks/training.py --configfile workflow/presets/contrast.yaml --only rgb-18 --batch 64

Each entry of a study that trains and starts from no other, at its size, on a patch store of random images:
    reads     samples/s drawn at random from the patch store on disk, nothing kept in memory, one thread
    map       the same bytes in the same order from one flat file by numpy.memmap: the limit of any store
    passes    samples/s of forward and backward passes alone, on views that lie ready
    steps     samples/s of training steps alone, on batches that lie ready
    training  samples/s of the loop as it is, reading ahead while it computes
    beside    share of the loop's time that is not of the passes: views, optimiser, momentum, queues, reading
    of matmul floating-point operations a second, as a share of those of a 2048 x 2048 matrix product
The page cache is warm. On a CPU one thread computes, as in the study; a GPU uses the precision it trains in.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from gpu_training import Pace, Subject, finish, operations, passes_of, timed, write_store

from revisit.config.study import Entry
from revisit.methods.method import DataDescription, method_type
from revisit.patches.modality import bands_of, sensor_of
from revisit.patches.store import PatchStore
from revisit.record import read
from revisit.training.batches import batches, draws
from revisit.training.device import choose_device, mixed_precision, prepare
from revisit.training.pretrain import describe
from revisit.training.settings import Training

HEAD = "reads     map  passes  steps  training  beside  GFLOP/step  of matmul"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configfile", type=Path, default=Path("config.yaml"), help="a study")
    parser.add_argument("--steps", type=int, default=20, help="to measure, however long the entry trains")
    parser.add_argument("--batch", type=int, help="at most so many samples a step")
    parser.add_argument("--only", action="append", help="entries whose name has this; repeatable")
    arguments = parser.parse_args()
    study = yaml.safe_load(arguments.configfile.read_text())
    device = choose_device()
    print(f"on {device.type}; samples a second")
    print(f"{'method':14} {HEAD}")
    for name, content in study["pretraining"]["methods"].items():
        entry = read(Entry, content, name)
        unasked = arguments.only and not any(part in name for part in arguments.only)
        if unasked or entry.parents or method_type(entry.method).baseline:
            continue
        size = min(entry.batch_size, arguments.batch or entry.batch_size)
        entry = entry.model_copy(update={"batch_size": size})
        with tempfile.TemporaryDirectory() as folder:
            data = described(study, entry)
            write_store(Path(folder) / "patches", data, gigabytes=0, least=4 * entry.batch_size)
            print(f"{name:14} {measure(Path(folder) / 'patches', entry, device, arguments.steps)}")


def described(study: dict[str, Any], entry: Entry) -> DataDescription:
    """The images of an entry's collection, as the study says."""
    collection = study["collections"][entry.collection]
    every = {sensor: tuple(bands) for sensor, bands in study["cube"]["bands"].items()}
    bands = bands_of(entry.modalities[0], every)
    years: tuple[int, ...] = ()
    if method_type(entry.method).needs_series:
        years = tuple(study["search"][sensor_of(bands[0])]["years"])
    clip_sigma = float(study["cube"]["clip_sigma"])
    return DataDescription(bands, collection["patch_pixels"], clip_sigma, collection["kind"], years)


def measure(patches: Path, entry: Entry, device: torch.device, steps: int) -> str:
    """One line of the table, for an entry of the config and its collection of patches."""
    own: dict[str, Any] = {
        key: value for key, value in entry.content().items() if key in Training.model_fields
    }
    training, size = Training(**own), entry.batch_size
    prepare(device, training.threads)
    store = PatchStore(patches, memory_mb=0)
    bands, indices = bands_of(entry.modalities[0], store.bands), store.indices("train")
    series = method_type(entry.method).needs_series
    chosen = [sample for _, sample in draws(indices, size, 0, steps)]
    time_axis = None if series or not store.times(bands) else 0
    reads = seconds_each(lambda step: store.images(chosen[step], bands, time_axis), steps)
    whole = store.images(np.arange(store.samples), bands, time_axis)
    with tempfile.NamedTemporaryFile() as file:
        whole.tofile(file.name)
        flat = np.memmap(file.name, np.uint8, "r", shape=whole.shape)
        mapped = seconds_each(lambda step: np.array(flat[chosen[step]]), steps)

    subject = Subject(entry.method, describe(store, bands), size)
    pace = Pace(warm=1, steps=steps)
    pin = device.type == "cuda"
    draw = batches(PatchStore(patches), bands, indices, size, 0, steps + 3, series=series, pin=pin)
    with closing(draw(0)) as stream:
        ready = next(stream)
    work = passes_of(subject, training, device, ready)

    def both(_: int) -> None:
        work()
        finish(device)

    passes = seconds_each(both, steps)
    alone = timed(subject, training, device, pace, repeat(ready)).step
    with closing(draw(0)) as stream:
        line = timed(subject, training, device, pace, stream).step
    flops = size * operations(subject, device)
    share = flops / alone / matmul(device, training.precision)
    rates = [size / each for each in (reads, mapped, passes, alone, line)]
    beside = 1 - passes / line
    return "{:7.0f} {:7.0f} {:7.0f} {:6.0f} {:9.0f} {:7.0%} {:11.1f} {:9.0%}".format(
        *rates, beside, flops / 1e9, share
    )


def seconds_each(work: Callable[[int], object], steps: int) -> float:
    """Median seconds of a step, after one that does not count."""
    work(0)
    seconds = []
    for step in range(steps):
        begin = time.perf_counter()
        work(step)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def matmul(device: torch.device, precision: str) -> float:
    """Floating-point operations a second of a large matrix product in the precision of training."""
    side = 2048
    a = torch.rand(side, side, device=device)
    with mixed_precision(device, precision):
        half = torch.is_autocast_enabled(device.type)
    a = a.bfloat16() if half else a
    return 2 * side**3 / seconds_each(lambda _: (a @ a)[0, :1].tolist(), 10)


if __name__ == "__main__":
    main()
