"""Images of a patch store as a network wants them, outputs of networks, frozen pooled features."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder
from revisit.patches.standardise import standardise
from revisit.patches.store import PatchStore
from revisit.training.batches import ahead

# Standardised images (sample, band, y, x) float32 of the given sample indices, on the device.
Images = Callable[[NDArray], Tensor]

BATCH = 256


class Reader:
    """Standardised images: the pairs of a store, or of a yearly store the composites of ``year``.

    Raises RevisitError for bands or a year the store lacks, and for sensors scaled differently.
    """

    def __init__(
        self, store: PatchStore, bands: Sequence[str], device: torch.device, year: int | None = None
    ) -> None:
        self.store, self.bands, self.device = store, tuple(bands), device
        years = store.years(bands)
        if year is not None and year not in years:
            raise RevisitError(f"{store.path}: no composites of {year}; its sensors share {list(years)}")
        self.time = years.index(year) if year is not None else None
        clips = {scaling["clip_sigma"] for scaling in store.scaling.values()}
        if len(clips) != 1:
            raise RevisitError(
                f"{store.path}: the sensors' clip_sigma differ ({sorted(clips)}); scale them alike"
            )
        self.clip_sigma = float(clips.pop())

    def scaled(self, indices: NDArray) -> NDArray[np.uint8]:
        """As stored: uint8 (sample, band, y, x)."""
        return self.store.images(indices, self.bands, self.time)

    def __call__(self, indices: NDArray) -> Tensor:
        return standardise(torch.from_numpy(self.scaled(indices)).to(self.device), self.clip_sigma)


def batches(indices: NDArray, size: int = BATCH) -> Iterator[NDArray]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the GPU has it, nothing elsewhere."""
    enabled = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@torch.inference_mode()
def predict(network: nn.Module, images: Images, indices: NDArray) -> Tensor:
    """Outputs of a network, in evaluation mode, on the given samples; on the CPU, in float32."""
    network.eval()
    device = next(network.parameters()).device
    with mixed_precision(device), closing(ahead(batches(indices), images)) as parts:
        return torch.cat([network(part).float().cpu() for part in parts])


class Pooled(nn.Module):
    """An encoder's pooled features (sample, feature_dim) of images with these bands."""

    def __init__(self, encoder: Encoder, bands: Sequence[str]) -> None:
        super().__init__()
        self.encoder, self.bands = encoder, tuple(bands)

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder.pooled(images, self.bands)


def yearly_features(encoder: Encoder, store: PatchStore, indices: NDArray) -> NDArray[np.float32]:
    """Frozen pooled features (sample, year, feature_dim) of a yearly store's composites."""
    device = next(encoder.parameters()).device
    readers = [Reader(store, encoder.bands, device, year) for year in store.years(encoder.bands)]
    return np.stack([pooled_features(encoder, reader, encoder.bands, indices) for reader in readers], axis=1)


def pooled_features(
    encoder: Encoder, images: Images, bands: Sequence[str], indices: NDArray
) -> NDArray[np.float32]:
    """Frozen pooled features (sample, feature_dim); the encoder stays as it is."""
    return predict(Pooled(encoder, bands), images, indices).numpy()
