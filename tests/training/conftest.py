"""Small patch stores and a small method for the tests of training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from torch import Tensor, nn

from revisit.methods.base import DataDescription, Method

BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
YEARS = {"sentinel-1": [2018, 2019, 2020, 2021], "sentinel-2": [2019, 2020, 2021]}
SAMPLES, SIDE = 40, 8
ENCODER = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 4}


@pytest.fixture(autouse=True)
def _single_thread() -> Iterator[None]:
    """What the stage sets for the whole process is put back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("patches") / "pairs.zarr", "pairs")


@pytest.fixture(scope="session")
def yearly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("patches") / "yearly.zarr", "yearly")


def write_store(path: Path, kind: str, **attrs: Any) -> Path:
    """A store of 40 samples: 24 train, 8 val, 8 test. Pixels of time t and band b lie near 40 t + 10 b."""
    random = np.random.default_rng(0)
    group = zarr.create_group(path)
    years = YEARS if kind == "yearly" else {"sentinel-1": [2020], "sentinel-2": [2020]}
    arrays = {
        "split": np.repeat([0, 1, 2], [24, 8, 8]).astype("uint8"),
        "land_cover": np.full((SAMPLES, SIDE, SIDE), 10, "uint8"),
        "multi_label": np.ones((SAMPLES, 1), "uint8"),
        "x": np.arange(SAMPLES, dtype="float64"),
        "y": np.arange(SAMPLES, dtype="float64"),
        "epsg": np.full(SAMPLES, 32632, "int32"),
        "region": np.zeros(SAMPLES, "int16"),
        "position": np.arange(SAMPLES, dtype="int32"),
    }
    for sensor, bands in BANDS.items():
        times = len(years[sensor])
        level = 40 * np.arange(times)[:, None] + 10 * np.arange(len(bands))
        slope = random.integers(0, 40, (SAMPLES, times, len(bands), 1, 1))
        noise = random.integers(0, 10, (SAMPLES, times, len(bands), SIDE, SIDE))
        arrays[sensor] = (level[None, :, :, None, None] + slope + noise).astype("uint8")
        arrays[f"{sensor}_valid"] = np.ones((SAMPLES, times, SIDE, SIDE), "uint8")
        arrays[f"{sensor}_date"] = np.zeros((SAMPLES, times), "int64")
    for name, array in arrays.items():
        group.create_array(name, data=array, chunks=(1, *array.shape[1:]), compressors=None)
    limits = {"lower": -1.0, "upper": 1.0, "mean": 0.0, "std": 0.3, "valid_pixels": 100}
    scaling = {
        sensor: {"clip_sigma": 3.0, "source_unit": "dB", "bands": dict.fromkeys(bands, limits)}
        for sensor, bands in BANDS.items()
    }
    group.attrs.update(
        {
            "kind": kind,
            "stage": "patches",
            "regions": ["here"],
            "classes": ["trees"],
            "class_codes": [10],
            "bands": BANDS,
            "scaling": scaling,
            "patch_pixels": SIDE,
            "resolution_m": 10,
            "years": years if kind == "yearly" else {},
            "split": {"train": 0.6},
            "split_distance_m": {"train-test": 80.0, "train-val": 80.0},
            "source_cubes": ["cubes/here/sentinel-1/scaled.zarr"],
            "config_hash": "0123456789ab",
            "code_version": "0",
            **attrs,
        }
    )
    return path


class Tiny(Method):
    """Linear reconstruction with all that a resumed run must bring back: dropout, noise, a moving average."""

    average: Tensor
    explode_at = -1
    rates: list[float]

    def __init__(self, bands: tuple[str, ...] = ("vv", "vh")) -> None:
        super().__init__({"encoder": ENCODER}, DataDescription(bands, SIDE, 3.0, "pairs"))
        self.leave = nn.Sequential(nn.Dropout(0.3), nn.Linear(self.encoder.feature_dim, len(bands)))
        self.register_buffer("average", torch.zeros(()))

    def views(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        clean = self.standardised(images)
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        return {"clean": clean, "noisy": clean + noise}

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        found = self.leave(self.encoder.pooled(views["noisy"]))
        error = (found - views["clean"].mean((2, 3)) - self.average).square().mean()
        size = found.square().mean()
        return {"loss": error + 0.1 * size, "error": error, "size": size}

    def after_step(self, step: int) -> None:
        weight = self.leave[1].weight.detach()
        self.average.mul_(0.9).add_(weight.mean(), alpha=0.1)
        if step == self.explode_at:
            self.leave[1].weight.data.fill_(float("nan"))


@pytest.fixture
def tiny() -> Tiny:
    torch.manual_seed(0)
    return Tiny()
