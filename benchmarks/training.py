"""How near pretraining comes to what the machine can do: reads to a memory map, steps to a matrix product.

    python benchmarks/training.py results

Takes the default study's patch stores and methods. For one method of each kind:
    reads     samples/s drawn at random from the patch store on disk, nothing kept in memory, one thread
    map       the same bytes in the same order from one flat file by numpy.memmap: the limit of any store
    steps     samples/s of training steps alone, on batches that lie ready
    training  samples/s of the loop as it is, reading ahead while it computes
    of matmul floating-point operations a second, as a share of those of a 2048 x 2048 matrix product
The page cache is warm. On a CPU one thread computes, as in the study; a GPU uses the precision it trains in.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from revisit.methods import registry
from revisit.methods.base import Method
from revisit.patches.modality import bands_of
from revisit.patches.store import PatchStore
from revisit.training.batches import batches, draws
from revisit.training.device import choose_device, prepare
from revisit.training.loop import Trainer
from revisit.training.monitor import Spread
from revisit.training.pretrain import describe
from revisit.training.settings import Settings

METHODS = ("3dmae-3dm", "stmim")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the results folder of a run of the default study")
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    methods = yaml.safe_load(Path("config.yaml").read_text())["pretraining"]["methods"]
    device = choose_device()
    print(f"on {device.type}; samples a second")
    print("method       reads     map  steps  training  GFLOP/step  of matmul")
    for name in METHODS:
        entry: dict[str, Any] = dict(methods[name])
        patches = arguments.results / "patches" / f"{entry.pop('collection')}.zarr"
        modality = entry.pop("modalities")[0]
        settings = Settings.read(entry)
        prepare(device, settings.threads)
        bands = bands_of(modality, PatchStore(patches).bands)
        store = PatchStore(patches, memory_mb=0)
        method: Method = registry.build(name, settings.method, describe(store, bands)).to(device)
        print(f"{name:10} {measure(store, method, settings, device, arguments.steps)}")


def measure(store: PatchStore, method: Method, settings: Settings, device: torch.device, steps: int) -> str:
    """One line of the table."""
    indices, bands, size = store.indices("train"), method.data.bands, settings.batch_size
    chosen = [sample for _, sample in draws(indices, size, 0, steps)]
    time_axis = None if method.needs_series else 0
    reads = seconds_each(lambda step: store.images(chosen[step], bands, time_axis), steps)
    whole = store.images(np.arange(store.samples), bands, time_axis)
    with tempfile.NamedTemporaryFile() as file:
        whole.tofile(file.name)
        flat = np.memmap(file.name, np.uint8, "r", shape=whole.shape)
        mapped = seconds_each(lambda step: np.array(flat[chosen[step]]), steps)

    trainer = Trainer(method, settings, 0, steps, len(indices) // size, device, lambda: Spread(1, 1))
    ready = torch.from_numpy(whole[chosen[0]])
    with FlopCounterMode(display=False) as counter:
        trainer._update(ready)
    alone = seconds_each(lambda step: finished(trainer._update(ready)), steps)
    draw = batches(
        PatchStore(store.path),
        bands,
        indices,
        size,
        0,
        steps,
        series=method.needs_series,
        pin=device.type == "cuda",
    )
    with closing(draw(0)) as stream:
        begin = time.perf_counter()
        for images in stream:
            loss = trainer._update(images)
        finished(loss)
        line = (time.perf_counter() - begin) / steps
    flops = counter.get_total_flops()
    share = flops / alone / matmul(device, trainer.bfloat16)
    rates = [size / each for each in (reads, mapped, alone, line)]
    return "{:7.0f} {:7.0f} {:6.0f} {:9.0f}  {:10.1f} {:9.0%}".format(*rates, flops / 1e9, share)


def seconds_each(work: Callable[[int], object], steps: int) -> float:
    """Median seconds of a step, after one that does not count."""
    work(0)
    seconds = []
    for step in range(steps):
        begin = time.perf_counter()
        work(step)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def finished(losses: torch.Tensor) -> list[float]:
    """The losses on the host: the step is over."""
    return losses.tolist()


def matmul(device: torch.device, bfloat16: bool) -> float:
    """Floating-point operations a second of a large matrix product in the precision of training."""
    side = 2048
    a = torch.rand(side, side, device=device, dtype=torch.bfloat16 if bfloat16 else torch.float32)
    return 2 * side**3 / seconds_each(lambda _: finished((a @ a)[0, :1]), 10)


if __name__ == "__main__":
    main()
