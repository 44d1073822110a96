"""U-Net (Ronneberger et al. 2015) with bilinear upsampling: widths w, 2w, 4w, 8w and a bottleneck of 8w."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder
from revisit.nets.network import Network
from revisit.record import Record

STRIDE = 16  # pixels a cell of the bottleneck


class UNet(Network):
    """Images [B, channels, H, W] to logits [B, classes, H, W]; sides must be multiples of 16.

    ``width`` 64 is the usual network, 64-128-256-512-(1024 // 2).
    """

    encoders = 0

    class Settings(Record):
        """A U-Net on the images themselves."""

        width: int = Field(64, ge=1)
        """Channels of the finest level; 64 is the usual network."""

    def __init__(self, channels: int, classes: int, width: int = 64) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.down = nn.ModuleList(
            double_convolution(narrow, wide)
            for narrow, wide in zip([channels, *widths[:-1]], widths, strict=True)
        )
        # Each step up takes the level below and the skip, and leaves as many channels as the next skip has.
        self.up = nn.ModuleList(
            double_convolution(2 * skip, out, middle=skip)
            for skip, out in zip(widths[3::-1], [*widths[2::-1], width], strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.head = nn.Conv2d(width, classes, 1)

    @classmethod
    def build(cls, settings: Settings, encoders: Sequence[Encoder], channels: int, classes: int) -> Self:
        if encoders:
            raise RevisitError(f"unet: takes no encoder, got {len(encoders)}")
        return cls(channels, classes, settings.width)

    @classmethod
    def check(cls, architectures: Sequence[Mapping[str, Any]], image_pixels: int) -> None:
        if architectures:
            raise RevisitError(f"unet: takes no encoder, got {len(architectures)}")
        if image_pixels % STRIDE:
            raise RevisitError(f"unet: image_pixels {image_pixels} must be a multiple of {STRIDE}")

    @classmethod
    def short_name(cls, settings: Settings, architectures: Sequence[Mapping[str, Any]]) -> str:
        return f"unet width {settings.width}"

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[2] % STRIDE or images.shape[3] % STRIDE:
            raise RevisitError(
                f"unet: image sides must be multiples of {STRIDE} pixels; got {list(images.shape[2:])}"
            )
        skips = []
        features = images
        for level, convolution in enumerate(self.down):
            features = convolution(self.pool(features) if level else features)
            skips.append(features)
        for convolution, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            features = convolution(torch.cat([skip, self.upsample(features)], 1))
        return cast(Tensor, self.head(features))


NETWORK = UNet


def double_convolution(channels: int, out: int, middle: int | None = None) -> nn.Sequential:
    """Twice a 3 x 3 convolution, batch norm and ReLU."""
    middle = middle or out
    return nn.Sequential(
        nn.Conv2d(channels, middle, 3, padding=1, bias=False),
        nn.BatchNorm2d(middle),
        nn.ReLU(inplace=True),
        nn.Conv2d(middle, out, 3, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )
