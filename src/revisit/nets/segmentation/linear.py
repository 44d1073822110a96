"""A linear map of an encoder's features to the classes of every pixel: what the features say by themselves.

Source: Oquab et al. 2024 (DINOv2), the linear evaluation of segmentation: batch norm and one linear layer on
the cells, logits upsampled to the image. Here the cells of all levels are brought to the finest one first.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder
from revisit.nets.load_save import architecture_name
from revisit.nets.network import Network
from revisit.record import Record


class LinearMap(Network):
    """One encoder of any architecture; images [B, C, H, W] of its bands to logits [B, classes, H, W]."""

    encoders = 1

    class Settings(Record):
        """Nothing to choose."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.norm = nn.BatchNorm2d(sum(encoder.widths))
        self.head = nn.Conv2d(sum(encoder.widths), classes, 1)

    @classmethod
    def build(cls, settings: Settings, encoders: Sequence[Encoder], channels: int, classes: int) -> Self:
        if len(encoders) != 1:
            raise RevisitError(f"linear: takes one encoder, got {len(encoders)}")
        return cls(encoders[0], classes)

    @classmethod
    def check(cls, architectures: Sequence[Mapping[str, Any]], image_pixels: int) -> None:
        if len(architectures) != 1:
            raise RevisitError(f"linear: takes one encoder, got {len(architectures)}")

    @classmethod
    def short_name(cls, settings: Settings, architectures: Sequence[Mapping[str, Any]]) -> str:
        return architecture_name(architectures[0])

    def forward(self, images: Tensor) -> Tensor:
        levels = self.encoder.pyramid(images)
        finest = levels[0].shape[2:]
        cells = torch.cat([_upsampled(level, finest) for level in levels], 1)
        return _upsampled(self.head(self.norm(cells)), images.shape[2:])


NETWORK = LinearMap


def _upsampled(maps: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(maps, size=list(size), mode="bilinear", align_corners=False)
