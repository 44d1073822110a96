"""Images and networks made by hand, of which the right map is known."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from affine import Affine
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit.cube.grid import Block
from revisit.evaluation.trained_model import TrainedModel
from revisit.prediction.images import Images, Place

SIDE = 32
LIMITS = {
    "vv": (-24.0, 0.0),
    "vh": (-30.0, -6.0),
    "blue": (0.0, 0.2),
    "green": (0.0, 0.25),
    "red": (0.0, 0.3),
}
UNITS = {"sentinel-1": "dB", "sentinel-2": "reflectance"}
BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}


@pytest.fixture(autouse=True)
def _single_thread() -> None:
    torch.set_num_threads(1)


class Held(Images):
    """An image in memory."""

    def __init__(self, values: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> None:
        self.values = values
        self.valid = np.ones(values.shape[1:], bool) if valid is None else valid
        height, width = values.shape[1:]
        self.place = Place("EPSG:32631", Affine(10, 0, 600_000, 0, -10, 5_400_000), width, height)
        self.period = ("2020-01-01T00:00:00Z", "2020-12-31T23:59:59Z")

    def read(self, block: Block) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        return self.values[(slice(None), *block)], self.valid[block]


class Levels(nn.Module):
    """Each pixel by itself: class 1 where the first band is above its middle, else class 0."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(4.0))

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([-images[:, 0], images[:, 0]], 1) * self.sharpness


def card_of(by_sensor: Mapping[str, list[str]], **changes: Any) -> dict[str, Any]:
    """The card of a model of these bands, by sensor."""
    scaling = {
        sensor: {
            "clip_sigma": 3.0,
            "source_unit": UNITS[sensor],
            "bands": {
                band: dict(zip(("lower", "upper"), LIMITS[band], strict=True)) for band in names
            },
        }
        for sensor, names in by_sensor.items()
    }  # fmt: skip
    card = {
        "experiment": "land-cover", "method": "levels", "modality": "s1", "protocol": "supervised",
        "label_fraction": 1.0, "seed": 0, "metric": "miou", "validation": 0.75,
        "config_hash": "0", "code_version": "0",
        "bands": [band for names in by_sensor.values() for band in names], "scaling": scaling,
        "composite_year": 2020, "patch_pixels": SIDE, "resolution_m": 10, "labels": "map", "exclusive": True,
        "classes": ["Water", "Land"], "colours": ["#0064c8", "#b9cf9a"], "codes": [[80], [10, 40]],
        "legend": "ESA WorldCover",
    }  # fmt: skip
    return card | changes


@pytest.fixture(scope="session")
def card() -> Callable[..., dict[str, Any]]:
    """The card of a model of the bands of some sensors; see ``card_of``."""
    return lambda *sensors, **changes: card_of({name: BANDS[name] for name in sensors}, **changes)


@pytest.fixture(scope="session")
def held() -> type[Held]:
    """Makes an image in memory of values (band, y, x) and, if some are missing, where it is valid (y, x)."""
    return Held


@pytest.fixture(scope="session")
def levels() -> TrainedModel:
    """A model whose map of Sentinel-1 is known: Land where VV is above its middle."""
    return TrainedModel(Levels(), card_of({"sentinel-1": BANDS["sentinel-1"]}), Path("levels"))
