"""The PatchGAN discriminator of pix2pix: is each patch of an image real, given the image it was made of?

Isola et al., CVPR 2017, sections 3.2.2 and 6.1.2.
"""

from pydantic import Field
from torch import Tensor, nn

from revisit.record import Record

WIDEST = 8  # times the width of the first layer
SLOPE = 0.2  # of the leaky ReLU


class Discriminator(Record):
    """What judges the images."""

    width: int = Field(64, ge=1)
    """Channels of its first layer; they double from layer to layer, up to eight times as many."""
    layers: int = Field(3, ge=1)
    """Layers that halve the sides: a verdict is of 16, 34 or 70 pixels a side with 1, 2 or 3 of them."""

    @property
    def least_pixels(self) -> int:
        """Side of the smallest image that gets a verdict."""
        return int(3 * 2**self.layers)


class PatchGAN(nn.Module):
    """Images [B, C, H, W], what is given and what is judged along the channels, to logits [B, 1, h, w].

    Layers of 4 x 4: ``layers`` of stride 2, then two of stride 1, the last of them to the logits. Batch norm
    in all but the first and the last.
    """

    def __init__(self, channels: int, width: int, layers: int) -> None:
        widths = [width * min(2**layer, WIDEST) for layer in range(layers + 1)]
        made: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(SLOPE, inplace=True)]
        for layer in range(1, layers + 1):
            stride = 2 if layer < layers else 1
            made += [
                nn.Conv2d(widths[layer - 1], widths[layer], 4, stride, 1, bias=False),
                nn.BatchNorm2d(widths[layer]),
                nn.LeakyReLU(SLOPE, inplace=True),
            ]
        super().__init__()
        self.layers = nn.Sequential(*made, nn.Conv2d(widths[layers], 1, 4, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits.float()
