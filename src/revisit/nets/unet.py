"""U-Net (Ronneberger et al. 2015) with bilinear upsampling: widths w, 2w, 4w, 8w and a bottleneck of 8w."""

import torch
from torch import Tensor, nn

from revisit.errors import RevisitError


class UNet(nn.Module):
    """Images [B, channels, H, W] to logits [B, classes, H, W]; sides must be multiples of 16.

    ``width`` 64 is the usual network, 64-128-256-512-(1024 // 2).
    """

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

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[2] % 16 or images.shape[3] % 16:
            raise RevisitError(
                f"unet: image sides must be multiples of 16 pixels; got {list(images.shape[2:])}"
            )
        skips = []
        features = images
        for level, convolution in enumerate(self.down):
            features = convolution(self.pool(features) if level else features)
            skips.append(features)
        for convolution, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            features = convolution(torch.cat([skip, self.upsample(features)], 1))
        return self.head(features)


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
