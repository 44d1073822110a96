"""Images of a collection as a network wants them, outputs of networks, frozen pooled features."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.evaluation.finite import check_finite
from revisit.nets.encoder import Encoder
from revisit.patches.standardise import standardise
from revisit.patches.store import PatchStore
from revisit.training.batches import ahead
from revisit.training.device import mixed_precision

BATCH = 256


class Reader:
    """Standardised images of a collection: the one of a sample, or of several that at index ``time``, or all.

    Raises RevisitError for bands the collection lacks, and for sensors scaled differently.
    """

    def __init__(
        self, store: PatchStore, bands: Sequence[str], device: torch.device, time: int | None = None
    ) -> None:
        self.store, self.bands, self.device = store, tuple(bands), device
        self.time = time
        clips = {scaling["clip_sigma"] for scaling in store.scaling.values()}
        if len(clips) != 1:
            raise RevisitError(
                f"{store.path}: the sensors' clip_sigma differ ({sorted(clips)}); scale them alike"
            )
        self.clip_sigma = float(clips.pop())

    def scaled(self, indices: NDArray[Any]) -> NDArray[Any]:
        """As stored: uint8 or float32 (sample, [time,] band, y, x)."""
        return self.store.images(indices, self.bands, self.time)

    def __call__(self, indices: NDArray[Any]) -> Tensor:
        """Standardised float32 (sample, [time,] band, y, x), on the device."""
        return standardise(torch.from_numpy(self.scaled(indices)).to(self.device), self.clip_sigma)


def batches(indices: NDArray[Any], size: int = BATCH) -> Iterator[NDArray[Any]]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


@torch.inference_mode()
def predict(network: nn.Module, images: Reader, indices: NDArray[Any]) -> NDArray[np.float32]:
    """Outputs of a network, in evaluation mode, on the given samples.

    Raises RevisitError where they are not finite: no score is made of such numbers.
    """
    network.eval()
    device = next(network.parameters()).device
    with mixed_precision(device), closing(ahead(batches(indices), images)) as parts:
        outputs: NDArray[np.float32] = torch.cat([network(part).float().cpu() for part in parts]).numpy()
    check_finite(outputs, indices, f"{images.store.path}: outputs of {_encoders_of(network)}")
    return outputs


def _encoders_of(network: nn.Module) -> str:
    """The encoders of a network, as their cards name them."""
    cards = [module.card for module in network.modules() if isinstance(module, Encoder) and module.card]
    named = (f"the encoder {card['method']} ({card['modality']}, seed {card['seed']})" for card in cards)
    return " and ".join(dict.fromkeys(named)) or "a network without a pretrained encoder"


class Pooled(nn.Module):
    """An encoder's pooled features (sample, feature_dim) of images with these bands."""

    def __init__(self, encoder: Encoder, bands: Sequence[str]) -> None:
        super().__init__()
        self.encoder, self.bands = encoder, tuple(bands)

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder.pooled(images, self.bands)


def features_over_time(
    encoder: Encoder, store: PatchStore, indices: NDArray[Any], bands: Sequence[str]
) -> NDArray[np.float32]:
    """Frozen pooled features (sample, time, feature_dim) of all images of a sample, by year or slot."""
    device = next(encoder.parameters()).device
    readers = [Reader(store, bands, device, time) for time in range(store.times(bands))]
    return np.stack([pooled_features(encoder, reader, bands, indices) for reader in readers], axis=1)


def pooled_features(
    encoder: Encoder, images: Reader, bands: Sequence[str], indices: NDArray[Any]
) -> NDArray[np.float32]:
    """Frozen pooled features (sample, feature_dim); the encoder stays as it is."""
    return predict(Pooled(encoder, bands), images, indices)
