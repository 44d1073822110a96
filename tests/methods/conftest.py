"""What the tests of methods share: batches, and the building of a method from its entry."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from revisit.methods.method import DataDescription, Method, build_method
from revisit.patches.batch import Batch

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
def build() -> Build:
    """A method of its entry, with weights that are the same at every call."""

    def made(
        entry: dict[str, Any],
        bands: tuple[str, ...] = ("vv", "vh", "blue", "green", "red"),
        image_pixels: int = 16,
        kind: str = "pairs",
        times: tuple[int, ...] = (),
    ) -> Method:
        torch.manual_seed(0)
        return build_method(entry, DataDescription(bands, image_pixels, 3.0, kind, times))

    return made
