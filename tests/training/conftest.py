"""Small collections of patches and a small method for the tests of training."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from revisit.files import write_json
from revisit.methods.method import DataDescription, Method, MethodSettings, Moment
from revisit.nets.load_save import build_encoder, save_encoder
from revisit.patches import writer
from revisit.patches.batch import Batch
from revisit.patches.kind import Look
from revisit.patches.store import PatchStore
from revisit.patches.writer import Place, StoreWriter
from revisit.training.generate import generate

BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
YEARS = {"sentinel-1": [2018, 2019, 2020, 2021], "sentinel-2": [2019, 2020, 2021]}
MONTHS = ["2015-03", "2015-07", "2016-01", "2019-02", "2019-08", "2020-01"]  # of a series
SAMPLES, SIDE = 40, 8
GENERATOR = {"name": "unet-generator", "levels": 2, "width": 4}
ENCODER = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 4}


@pytest.fixture(autouse=True)
def _single_thread() -> Iterator[None]:
    """What the stage sets for the whole process is put back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    if torch.are_deterministic_algorithms_enabled():
        torch.set_deterministic_debug_mode("default")


@pytest.fixture
def collection() -> Callable[..., Path]:
    """``write_collection``."""
    return write_collection


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_collection(tmp_path_factory.mktemp("patches") / "pairs", "pairs")


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of 16 pixels a side."""
    return write_collection(tmp_path_factory.mktemp("patches") / "large", "pairs", side=16)


@pytest.fixture(scope="session")
def yearly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_collection(tmp_path_factory.mktemp("patches") / "yearly", "yearly")


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_collection(tmp_path_factory.mktemp("patches") / "series", "series")


@pytest.fixture
def generator() -> Callable[..., Path]:
    """``write_generator``."""
    return write_generator


@pytest.fixture(scope="session")
def aid(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A generator, and the store of what it made of ``pairs``, in several shards."""
    folder = tmp_path_factory.mktemp("generated")
    made_by = write_generator(pairs, folder / "generator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "SHARD_BYTES", 16 * 2 * SIDE**2)
        generate(pairs, made_by, folder / "seed0.zarr", torch.device("cpu"))
    return made_by, folder / "seed0.zarr"


def write_generator(index: Path, folder: Path, seed: int = 0) -> Path:
    """The encoder of a generator of radar images that saw no step."""
    store = PatchStore(index)
    torch.manual_seed(seed)
    entry = {**GENERATOR, "bands": store.bands["sentinel-2"], "image_pixels": SIDE}
    card = {"method": "pix2pix", "modality": "s1+s2", "seed": seed, "config_hash": f"{seed}" * 12}
    save_encoder(build_encoder(entry), folder, card | {"scaling": store.scaling, "clip_sigma": 3.0})
    return folder


def write_collection(
    folder: Path,
    kind: str,
    without: tuple[int, ...] = (),
    side: int = SIDE,
    dtype: str = "uint8",
    **changes: Any,
) -> Path:
    """The index of a collection of one region of 40 samples: 24 train, 8 val, 8 test.

    Pixels of time t and band b lie near 40 t + 10 b. ``without``: samples that lack Sentinel-1's first year.
    Of a series every fifth sample lacks the later three of six dates.
    """
    random = np.random.default_rng(0)
    timed, series = kind != "pairs", kind == "series"
    years = YEARS if timed else {"sentinel-1": [2020], "sentinel-2": [2020]}
    writer = StoreWriter(folder / "here.zarr")
    for sample, part in enumerate(np.repeat([0, 1, 2], [24, 8, 8])):
        looks = {}
        for sensor, bands in BANDS.items():
            days = MONTHS if series else [f"{year}-06-01" for year in years[sensor]]
            times = len(days)
            level = 40 * np.arange(times)[:, None] + 10 * np.arange(len(bands))
            slope = random.integers(0, 40, (times, len(bands), 1, 1))
            noise = random.integers(0, 10, (times, len(bands), side, side))
            dates = np.array(days, "datetime64[ns]")
            if series and sample % 5 == 0:
                dates[3:] = np.datetime64("NaT")
            if sensor == "sentinel-1" and sample in without:
                dates[0] = np.datetime64("NaT")
            values = (level[..., None, None] + slope + noise).astype(dtype)
            looks[sensor] = Look(values, np.ones((times, side, side), bool), dates)
        cover = np.full((side, side), 10, "uint8")
        writer.append(looks, Place(500_000 + 80 * sample, 5e6, sample, int(part)), cover, np.ones(1, "uint8"))
    writer.finish(32632, {"region": "here"})
    limits = {"lower": -1.0, "upper": 1.0, "mean": 0.0, "std": 0.3, "valid_pixels": 100}
    store = {"path": "here.zarr", "region": "here", "epsg": 32632, "samples": SAMPLES, "places": SAMPLES}
    store |= {"parts": {"train": 24, "val": 8, "test": 8}, "years": years if kind == "yearly" else {}}
    index = {
        "stage": "patches",
        "study": "test",
        "collection": "some",
        "kind": kind,
        "regions": ["here"],
        "classes": ["trees"],
        "class_codes": [10],
        "label_columns": [0],
        "bands": BANDS,
        "scaling": {
            sensor: {"clip_sigma": 3.0, "source_unit": "dB", "bands": dict.fromkeys(bands, limits)}
            | ({} if dtype == "uint8" else {"dtype": dtype})
            for sensor, bands in BANDS.items()
        },
        "patch_pixels": side,
        "resolution_m": 10,
        "time_axis": timed,
        "years": years if kind == "yearly" else {},
        "source_cubes": ["cubes/here/sentinel-1/scaled.zarr"],
        "stores": [store],
        "config_hash": "0123456789ab",
        "code_version": "0",
        **changes,
    }
    write_json(folder / "index.json", index)
    return folder / "index.json"


@pytest.fixture
def as_batch() -> Callable[[Tensor], Batch[Tensor]]:
    """``batch_of``."""
    return batch_of


def batch_of(images: Tensor) -> Batch[Tensor]:
    """A batch of these images, of which all times are there."""
    samples = torch.arange(len(images))
    present = torch.ones(*images.shape[:-3], 1, dtype=torch.bool)
    coordinates = torch.zeros(len(images), 4, dtype=torch.float64)
    bands = tuple(f"band{number}" for number in range(images.shape[-3]))
    return Batch(
        images, samples, samples, present.long(), present, coordinates, samples, bands, ("sentinel-1",)
    )


class Tiny(Method):
    """Linear reconstruction with all that a resumed run must bring back: dropout, noise, a moving average."""

    average: Tensor
    explode_at = -1
    rates: list[float]

    def __init__(self, bands: tuple[str, ...] = ("vv", "vh")) -> None:
        super().__init__(
            MethodSettings(name="tiny", encoder=ENCODER), DataDescription(bands, SIDE, 3.0, "pairs")
        )
        self.leave = nn.Sequential(nn.Dropout(0.3), nn.Linear(self.encoder.feature_dim, len(bands)))
        self.register_buffer("average", torch.zeros(()))

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        clean = self.standardised(batch.images)
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        return {"clean": clean, "noisy": clean + noise}

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        found = self.leave(self.encoder.pooled(views["noisy"]))
        error = (found - views["clean"].mean((2, 3)) - self.average).square().mean()
        size = found.square().mean()
        return {"loss": error + 0.1 * size, "error": error, "size": size}

    def after_step(self, moment: Moment) -> None:
        weight = self.leave[1].weight.detach()
        self.average.mul_(0.9).add_(weight.mean(), alpha=0.1)
        if moment.step == self.explode_at:
            self.leave[1].weight.data.fill_(float("nan"))


@pytest.fixture
def tiny() -> Tiny:
    torch.manual_seed(0)
    return Tiny()
