"""The methods at the size of their papers, data to train them on, and a moment of training, for gpu.py."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from itertools import repeat
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

STORE_NEEDS = {"zarr": (), "google_crc32c": ("value",), "affine": ("Affine",), "pyproj": ("Transformer",)}


def stand_in() -> list[str]:
    """Packages that only patch stores need and that are missing; with empty ones the loop can be imported."""
    missing = []
    for name, attributes in STORE_NEEDS.items():
        try:
            import_module(name)
        except ImportError:
            missing.append(name)
            sys.modules[name] = ModuleType(name)
            for attribute in attributes:
                setattr(sys.modules[name], attribute, object)
    return missing


MISSING = stand_in()

from revisit.files import write_json  # noqa: E402
from revisit.methods.method import DataDescription, Moment, build_method  # noqa: E402
from revisit.patches.batch import Batch  # noqa: E402
from revisit.patches.modality import sensor_of  # noqa: E402
from revisit.training import distributed  # noqa: E402
from revisit.training.batches import to_device  # noqa: E402
from revisit.training.checkpoint import Checkpoint  # noqa: E402
from revisit.training.device import mixed_precision  # noqa: E402
from revisit.training.gradients import Views, backward, own_parts  # noqa: E402
from revisit.training.loop import Trainer  # noqa: E402
from revisit.training.monitor import Spread  # noqa: E402
from revisit.training.optimiser import Course  # noqa: E402
from revisit.training.settings import Training  # noqa: E402

STEPS = 1_000_000  # of the schedules, in whose first steps all is measured
COUNTED = 8  # samples of the step whose operations are counted
BLOCK = 64  # random samples, which a larger batch repeats
BANDS = (
    "vv", "vh", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22"
)  # fmt: skip
RGB = ("red", "green", "blue")
VIT_B = {"name": "channel-vit", "dim": 768, "depth": 12, "heads": 12, "patch_pixels": 16}
VIT_S = {"name": "channel-vit", "dim": 384, "depth": 12, "heads": 6, "patch_pixels": 8}
SATVIT = {"name": "vit", "dim": 768, "depth": 12, "heads": 12, "qkv_bias": False}
SWIN_T = {
    "name": "swin", "dim": 96, "depths": [2, 2, 6, 2], "heads": [3, 6, 12, 24], "window": 7, "patch_pixels": 4
}  # fmt: skip
SWIN = {
    "name": "swin", "dim": 96, "depths": [2, 2, 2, 2], "heads": [3, 6, 12, 24], "window": 8, "patch_pixels": 4
}  # fmt: skip
RESNET = {"name": "resnet", "depth": 50}
PLACES = 4096  # that CACo keeps estimates of, and GSSL clusters


def beside(encoder: dict[str, Any]) -> dict[str, Any]:
    """One encoder per sensor."""
    return {"name": "composite", "parts": [{"bands": ["vv", "vh"], "encoder": encoder}, {"encoder": encoder}]}


@dataclass(frozen=True)
class Subject:
    """A method to measure: its entry, stored images, samples a step, images of a sample in a step."""

    entry: dict[str, Any]
    data: DataDescription
    batch: int
    images: int = 1


def full_size() -> dict[str, Subject]:
    """The methods as their sources and the presets have them."""
    pairs = DataDescription(BANDS, 128, 3.0, "pairs")
    large = DataDescription(BANDS, 256, 3.0, "pairs")
    yearly = DataDescription(RGB, 256, 3.0, "yearly", (2018, 2019, 2020, 2021, 2022))
    series = DataDescription(RGB, 128, 3.0, "series", (*range(2015, 2018), *range(2019, 2022)), places=PLACES)
    mae3d = {"mask": "3dm", "encoder": VIT_B, "decoder": {"dim": 512, "depth": 8, "heads": 16}}
    stmim = {"encoder": SWIN, "alpha": 0.1, "beta": 0.1, "years_per_step": 4}
    dino = {"encoder": VIT_S, "crop_pixels": 112, "frozen_epochs": 0}
    return {
        "mae3d": Subject({"name": "mae3d", **mae3d}, pairs, 256),
        "stmim": Subject({"name": "stmim", **stmim}, yearly, 64, images=4),
        "moco-v2": Subject({"name": "moco-v2", "encoder": RESNET}, pairs, 256),
        "simsiam": Subject({"name": "simsiam", "encoder": RESNET}, pairs, 256),
        "dino-mm": Subject({"name": "dino-mm", **dino}, pairs, 128),
        "simclr": Subject({"name": "simclr", "encoder": RESNET}, pairs, 512),
        "gssl": Subject({"name": "gssl", "encoder": RESNET}, series, 256, images=2),
        "seco": Subject({"name": "seco", "encoder": RESNET}, series, 256, images=3),
        "caco": Subject({"name": "caco", "encoder": RESNET}, series, 128, images=6),
        "simclr-seco": Subject({"name": "simclr-seco", "encoder": RESNET}, series, 256, images=3),
        "simclr-caco": Subject({"name": "simclr-caco", "encoder": RESNET}, series, 128, images=6),
        "swinssl": Subject({"name": "swinssl", "encoder": beside(SWIN_T), "crop_pixels": 224}, large, 50),
        "d-simclr": Subject({"name": "d-simclr", "encoder": beside(RESNET), "crop_pixels": 128}, large, 200),
        "satvit-v1": Subject(satvit(16, {"dim": 384, "depth": 2, "heads": 6}), large, 256),
        "satvit-v2": Subject(satvit(8, {"dim": 512, "depth": 1, "heads": 8}), large, 256),
    }


def satvit(patch_pixels: int, decoder: dict[str, int]) -> dict[str, Any]:
    """The entry of one of its versions."""
    return {"name": "satvit", "encoder": {**SATVIT, "patch_pixels": patch_pixels}, "decoder": decoder}


def tiny_size() -> dict[str, Subject]:
    """The same with networks and images that a processor trains in no time."""
    pairs = DataDescription(BANDS, 32, 3.0, "pairs")
    yearly = DataDescription(RGB, 32, 3.0, "yearly", (2020, 2021, 2022))
    series = DataDescription(RGB, 32, 3.0, "series", (2015, 2016, 2017, 2019, 2020, 2021), places=PLACES)
    vit = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 8}
    swin = {"name": "swin", "dim": 8, "depths": [2, 2], "heads": [2, 4], "window": 4, "patch_pixels": 4}
    resnet = {"name": "resnet", "depth": 18, "width": 8}
    decoder = {"decoder": {"dim": 16, "depth": 1, "heads": 2}}
    mae3d = {"mask": "3dm", "encoder": vit, **decoder}
    finer = {**vit, "name": "vit", "patch_pixels": 4}
    queued = {"encoder": resnet, "dim": 8, "queue": 64}
    stmim = {"encoder": swin, "alpha": 0.1, "beta": 0.1, "years_per_step": 2}
    head = {"hidden": 16, "bottleneck": 8, "prototypes": 32, "local_crops": 1, "local_pixels": 16}
    return {
        "mae3d": Subject({"name": "mae3d", **mae3d}, pairs, 4),
        "stmim": Subject({"name": "stmim", **stmim}, yearly, 4, images=2),
        "moco-v2": Subject({"name": "moco-v2", **queued}, pairs, 4),
        "simsiam": Subject({"name": "simsiam", "encoder": resnet, "width": 16, "hidden": 8}, pairs, 4),
        "dino-mm": Subject({"name": "dino-mm", "encoder": vit, "frozen_epochs": 0, **head}, pairs, 4),
        "simclr": Subject({"name": "simclr", "encoder": resnet, "dim": 8}, pairs, 4),
        "gssl": Subject({"name": "gssl", **queued, "clusters": 3}, series, 4, images=2),
        "seco": Subject({"name": "seco", **queued}, series, 4, images=3),
        "caco": Subject({"name": "caco", **queued}, series, 4, images=6),
        "simclr-seco": Subject({"name": "simclr-seco", "encoder": resnet, "dim": 8}, series, 4, images=3),
        "simclr-caco": Subject({"name": "simclr-caco", "encoder": resnet, "dim": 8}, series, 4, images=6),
        "swinssl": Subject({"name": "swinssl", "encoder": beside(swin)}, pairs, 4),
        "d-simclr": Subject({"name": "d-simclr", "encoder": beside(resnet), "dim": 8}, pairs, 4),
        "satvit-v1": Subject({"name": "satvit", "encoder": {**vit, "name": "vit"}, **decoder}, pairs, 4),
        "satvit-v2": Subject({"name": "satvit", "encoder": finer, **decoder}, pairs, 4),
    }


def sample_shape(data: DataDescription) -> tuple[int, ...]:
    """Shape of a sample's images, with a time axis where it has one."""
    times = (len(data.times),) if data.times else ()
    return (*times, len(data.bands), data.image_pixels, data.image_pixels)


def random_batch(data: DataDescription, size: int, pin: bool) -> Batch[Tensor]:
    """A batch of random images, on the host, each year's seen in its middle."""
    shape, sensors = sample_shape(data), tuple(dict.fromkeys(sensor_of(band) for band in data.bands))
    block = torch.randint(0, 256, (min(size, BLOCK), *shape), dtype=torch.uint8)
    seen = (size, len(data.times), len(sensors)) if data.times else (size, len(sensors))
    dates = torch.tensor([(year - 1970) * 365 + 180 for year in data.times]) * 86_400 * 10**9
    batch = Batch(
        images=block.repeat(-(-size // len(block)), *(1 for _ in shape))[:size],
        samples=torch.arange(size),
        places=torch.arange(size),
        dates=dates[None, :, None].expand(seen) if data.times else torch.zeros(seen, dtype=torch.int64),
        present=torch.ones(seen, dtype=torch.bool),
        coordinates=torch.zeros(size, 4, dtype=torch.float64),
        epsg=torch.full((size,), 32631),
        bands=data.bands,
        sensors=sensors,
    )
    return batch.map(Tensor.pin_memory) if pin else batch


class Places:
    """What hooks of the methods ask of a store: where the places lie."""

    def indices(self, split: str) -> Any:
        return np.arange(PLACES)

    def images(self, indices: Any, bands: Sequence[str], time: int | None = None) -> Any:
        raise NotImplementedError

    def dates(self, bands: Sequence[str], time: int | None = None) -> Any:
        return np.array([[0, 10**18]]).repeat(PLACES, 0)[None]  # more than 30 years apart

    def where(self) -> dict[str, Any]:
        random = np.random.default_rng(0)
        return {"longitude": random.uniform(-180, 180, PLACES), "latitude": random.uniform(-60, 70, PLACES)}


def write_store(folder: Path, data: DataDescription, gigabytes: float, least: int) -> None:
    """A collection of random images as tiling writes it, in at most a quarter of the free disk."""
    from revisit.patches.kind import Look
    from revisit.patches.writer import Place, StoreWriter

    folder.mkdir()
    shape, times = sample_shape(data), max(len(data.times), 1)
    room = min(gigabytes * 1e9, shutil.disk_usage(folder).free / 4)
    samples = max(least, int(room / np.prod(shape)))
    bands: dict[str, list[str]] = {}
    for band in data.bands:
        bands.setdefault(sensor_of(band), []).append(band)
    side, random = data.image_pixels, np.random.default_rng(0)
    images = random.integers(0, 256, (64, times, len(data.bands), side, side), np.uint8)
    valid = np.ones((times, side, side), bool)
    dates = np.array([f"{year}-07-01" for year in data.times or (2020,)], "datetime64[ns]")
    writer = StoreWriter(folder / "region.zarr")
    for sample in range(samples):
        looks = {
            sensor: Look(images[sample % 64][:, [data.bands.index(band) for band in own]], valid, dates)
            for sensor, own in bands.items()
        }
        writer.append(looks, Place(6e5, 5e6, sample, 0), None, None)
    writer.finish(32631, {})
    years = {sensor: list(data.times) for sensor in bands} if data.times else {}
    scaling = {
        sensor: {"clip_sigma": data.clip_sigma, "bands": dict.fromkeys(own)} for sensor, own in bands.items()
    }
    store = {"path": "region.zarr", "region": "region", "epsg": 32631, "samples": samples, "places": samples}
    write_json(
        folder / "index.json",
        {
            "stage": "patches", "kind": data.kind, "bands": bands, "scaling": scaling, "patch_pixels": side,
            "years": years, "time_axis": bool(data.times), "classes": [], "label_columns": None,
            "stores": [{**store, "years": years}],
        },
    )  # fmt: skip


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass
class Pace:
    """How long to measure: steps that do not count, and seconds or a number of steps that do."""

    warm: int = 5
    seconds: float = 3.0
    steps: int | None = None
    most: int = 200


@dataclass
class Timing:
    """Seconds of the first step (in which things are compiled and tuned) and of a later one, on average.

    ``memory_gib``: the most that was allocated on the device; None on a processor.
    """

    first: float = 0.0
    step: float = 0.0
    memory_gib: float | None = None

    def clock(
        self, source: Iterator[Batch[Tensor]], device: torch.device, pace: Pace
    ) -> Generator[Batch[Tensor], None, None]:
        """Hand on the batches of ``source`` to a training loop and take the time between them."""
        begin = time.perf_counter()
        yield next(source)
        finish(device)
        self.first = time.perf_counter() - begin
        for _ in range(pace.warm):
            yield next(source)
        finish(device)
        begin = time.perf_counter()
        yield next(source)
        finish(device)
        one = time.perf_counter() - begin
        count = pace.steps or min(max(int(pace.seconds / one), 3), pace.most)
        begin = time.perf_counter()
        for _ in range(count):
            yield next(source)
        finish(device)
        self.step = (time.perf_counter() - begin) / count


def make_trainer(subject: Subject, training: Training, device: torch.device) -> Trainer:
    """A loop around a new method, as the stage pretrain makes it."""
    torch.manual_seed(0)
    with device:
        method = build_method(subject.entry, subject.data)
    method = method.to(device)
    if training.channels_last:
        method = method.to(memory_format=torch.channels_last)
    if training.gpus > 1:
        distributed.synchronise(method, device)
    course, look = Course(STEPS, STEPS, device), lambda: Spread(1.0, 2.0, 0.0, 1.0, 1.0, 1.0)
    return Trainer(method, training, 0, course, look, Places())


def passes_of(
    subject: Subject, training: Training, device: torch.device, batch: Batch[Tensor]
) -> Callable[[], None]:
    """A call of which takes the losses of views that lie ready, and their gradients: a step's least."""
    trainer = make_trainer(subject, training, device)
    method, generator = trainer.method.train(), torch.Generator(device).manual_seed(0)
    method.before_step(Moment(0, STEPS, STEPS, Places(), trainer.descents))
    with torch.no_grad():
        views = method.views(to_device(batch, device), generator)
    parts = own_parts(method, views, training.accumulate)

    def loss(views: Views) -> dict[str, Tensor]:
        with mixed_precision(device, training.precision):
            return method.loss(views)

    def both() -> None:
        method.zero_grad(set_to_none=True)
        backward(parts, loss, trainer.descents)

    return both


def run(trainer: Trainer, stream: Generator[Batch[Tensor], None, None]) -> None:
    """Train on the batches of a stream, to its end."""
    with tempfile.TemporaryDirectory() as folder, closing(stream):
        trainer.run(lambda first: stream, Checkpoint(Path(folder), {}, minutes=1e6))


def timed(
    subject: Subject,
    training: Training,
    device: torch.device,
    pace: Pace,
    stream: Iterator[Batch[Tensor]] | None = None,
) -> Timing:
    """Train a new method for a moment, on one random batch that lies ready or on those of ``stream``."""
    cuda = device.type == "cuda"
    if stream is None:
        stream = repeat(random_batch(subject.data, training.batch_size, cuda))
    trainer, timing = make_trainer(subject, training, device), Timing()
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    run(trainer, timing.clock(stream, device, pace))
    timing.memory_gib = trainer.progress.peak_memory_gb if cuda else None
    return timing


def operations(subject: Subject, device: torch.device) -> float:
    """Floating-point operations of a step for each sample: those of matrix products and convolutions."""
    size = min(subject.batch, COUNTED)
    trainer = make_trainer(subject, Training(steps=STEPS, batch_size=size), device)
    batch = random_batch(subject.data, size, pin=False)
    with FlopCounterMode(display=False) as counter:
        run(trainer, (each for each in (batch,)))
    return float(counter.get_total_flops()) / size


def seconds_each(work: Callable[[], object], device: torch.device, pace: Pace) -> float:
    """Mean seconds of ``work`` on the device, after calls that do not count."""

    def calls(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            work()
        finish(device)
        return time.perf_counter() - begin

    calls(pace.warm)
    count = min(max(int(pace.seconds / calls(1)), 3), pace.most)
    return calls(count) / count
