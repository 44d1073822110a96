"""Which pixels of stored images hold data, so that a loss leaves out the others."""

from collections.abc import Sequence

import torch
from torch import Tensor

from revisit.patches.batch import MISSING
from revisit.patches.modality import sensor_of


def holds_data(images: Tensor, bands: Sequence[str]) -> Tensor:
    """Bool [..., C, H, W], true where stored ``images`` (uint8) of these bands hold data.

    A sensor sees a pixel in all of its bands or in none: without data it is ``MISSING`` in each of them. A
    valid pixel that happens to be is left out too, of two bands about one in 3000.
    """
    empty = images == MISSING
    sensors = [sensor_of(band) for band in bands]
    data = torch.empty_like(empty)
    for sensor in set(sensors):
        own = [channel for channel, other in enumerate(sensors) if other == sensor]
        data[..., own, :, :] = ~empty[..., own, :, :].all(-3, keepdim=True)
    return data
