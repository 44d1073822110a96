"""The three subspaces of SeCo: what is compared in each, and who is whose negative over time.

The query is a plain cut of a place's image. Each key differs from it in something else, and is the positive
of one subspace, which so becomes invariant to that:

| key | image | differs from the query in |
| --- | --- | --- |
| both | another date, augmented | season and augmentation |
| season | a third date, plain | season |
| augmentation | the query's date, augmented | augmentation |
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from revisit.cube.bands import ELEVATION
from revisit.errors import RevisitError
from revisit.methods.parts.augmentation import Augmentation
from revisit.patches.modality import sensor_of

KEYS = ("both", "season", "augmentation")  # also the names of the subspaces, in order
VIEWS = ("query", *KEYS)


def seasonal_views(
    images: Tensor, how: Augmentation, bands: Sequence[str], side: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Query and keys [..., C, side, side] of standardised images [..., 3, C, H, W], three dates each."""
    first, second, third = images.flatten(0, -5).unbind(1)
    views = {
        "query": how.plain(first, side, generator),
        "both": how.view(second, bands, side, generator),
        "season": how.plain(third, side, generator),
        "augmentation": how.view(first, bands, side, generator),
    }
    return {name: view.view(*images.shape[:-4], *view.shape[1:]) for name, view in views.items()}


class Subspaces(nn.ModuleList):
    """A head for each subspace, on the same features."""

    def __init__(self, head: Callable[[], nn.Module]) -> None:
        super().__init__(head() for _ in KEYS)

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, F] to L2-normalised float32 [N, 3, D], one row for each subspace."""
        return torch.stack([F.normalize(head(features).float(), dim=-1) for head in self], 1)


class Kinship(NamedTuple):
    """How each of N images is to each of M others, bool [N, M].

    ``era``: of the same era, be the place the same or another. ``same``: of the same place and era.
    ``spared``: of the same place at another era, when that shall be no negative.
    """

    era: Tensor
    same: Tensor
    spared: Tensor


def kinship(own: Tensor, others: Tensor, spares: Tensor) -> Kinship:
    """How images are to others, told by their places and eras, int64 [N, 2] and [M, 2].

    ``spares``: whether an image's own place at another era shall be no negative, bool [N].
    """
    place = own[:, None, 0] == others[None, :, 0]
    era = own[:, None, 1] == others[None, :, 1]
    return Kinship(era, place & era, place & ~era & spares[:, None])


def check_one_sensor(name: str, bands: Sequence[str]) -> None:
    """Raise RevisitError where a method that draws dates is given bands of several sensors.

    In a series each sensor has dates of its own: a slot of two of them is not one date. Elevation is of all.
    """
    sensors = sorted({sensor_of(band) for band in bands} - {ELEVATION})
    if len(sensors) > 1:
        raise RevisitError(
            f"{name}: learns from the dates of one sensor, not of {' and '.join(sensors)}, which have dates "
            "of their own in a series; choose a modality of one sensor"
        )
