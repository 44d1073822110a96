"""Images of a patch store as a network wants them, and frozen pooled features of an encoder."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit.data.scaling import standardise
from revisit.data.store import PatchStore
from revisit.nets.encoder import Encoder

# Standardised images (sample, band, y, x) float32 of the given sample indices, on the device.
Images = Callable[[NDArray], Tensor]

BATCH = 256


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def reader(store: PatchStore, bands: Sequence[str], clip_sigma: float) -> Images:
    """Reads standardised images of a store with one date a sample."""

    def images(indices: NDArray) -> Tensor:
        scaled = torch.from_numpy(store.images(indices, bands))
        return standardise(scaled.to(device()), clip_sigma)

    return images


def batches(indices: NDArray, size: int = BATCH) -> Iterator[NDArray]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


@torch.inference_mode()
def predict(network: Callable[[Tensor], Tensor], images: Images, indices: NDArray) -> Tensor:
    """Outputs of a network, in evaluation mode, on the given samples, on the CPU in float32."""
    if isinstance(network, nn.Module):
        network.eval()
    with torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_available()):
        return torch.cat([network(images(part)).float().cpu() for part in batches(indices)])


def pooled_features(
    encoder: Encoder, images: Images, bands: Sequence[str], indices: NDArray
) -> NDArray[np.float32]:
    """Frozen pooled features (sample, feature_dim); the encoder is in evaluation mode and unchanged."""
    encoder.eval()
    return predict(lambda batch: encoder.pooled(batch, bands), images, indices).numpy()
