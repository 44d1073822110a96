"""What the tests of methods share: batches, and the building of a method from its entry."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from revisit.methods.method import DataDescription, Method, build_method
from revisit.patches.batch import NO_DATE, Batch

Build = Callable[..., Any]


@pytest.fixture
def as_batch() -> Callable[[Tensor], Batch[Tensor]]:
    """A batch of these images, of which all times are there."""

    def batch(images: Tensor) -> Batch[Tensor]:
        numbers = torch.arange(len(images))
        present = torch.ones(*images.shape[:-3], 1, dtype=torch.bool)
        place = torch.zeros(len(images), 4, dtype=torch.float64)
        bands = tuple(f"band{number}" for number in range(images.shape[-3]))
        return Batch(
            images, numbers, numbers, present.long(), present, place, numbers, bands, ("sentinel-1",)
        )

    return batch


@pytest.fixture
def series() -> Batch[Tensor]:
    """Eight places of three bands, each with three dates in 2015 and in 2019; the sixth has the first three.

    Places are told apart by their level; their numbers are not those of the samples.
    """
    random = torch.Generator().manual_seed(3)
    noise = torch.randint(0, 32, (8, 6, 3, 16, 16), dtype=torch.uint8, generator=random)
    images = noise + (25 * torch.arange(8)).view(8, 1, 1, 1, 1).to(torch.uint8)
    days = ["2015-02-01", "2015-06-01", "2015-09-01", "2019-03-01", "2019-06-15", "2019-11-01"]
    dates = torch.from_numpy(np.array(days, "datetime64[ns]").astype("int64"))[None, :, None].repeat(8, 1, 1)
    present = torch.ones(8, 6, 1, dtype=torch.bool)
    present[5, 3:] = False
    numbers = torch.arange(8)
    return Batch(
        images=images,
        samples=numbers + 20,
        places=numbers.flip(0) + 2,
        dates=dates.masked_fill(~present, NO_DATE),
        present=present,
        coordinates=torch.zeros(8, 4, dtype=torch.float64),
        epsg=numbers,
        bands=("blue", "green", "red"),
        sensors=("sentinel-2",),
    )


@pytest.fixture
def build() -> Build:
    """A method of its entry, with weights that are the same at every call."""

    def made(
        entry: dict[str, Any],
        bands: tuple[str, ...] = ("vv", "vh", "blue", "green", "red"),
        image_pixels: int = 16,
        kind: str = "pairs",
        times: tuple[int, ...] = (),
        places: int | None = None,
    ) -> Method:
        torch.manual_seed(0)
        return build_method(entry, DataDescription(bands, image_pixels, 3.0, kind, times, None, places))

    return made
