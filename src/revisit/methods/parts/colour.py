"""Colour jitter and grayscale of images of red, green and blue, each sample by a draw of its own.

Brightness, saturation and hue need a black and a white, which standardised images lack: here a band's mean
minus and plus three standard deviations are 0 and 1, the 8-bit picture that a ``clip_sigma`` of 3 stores.
Values beyond are clipped there, as torchvision does after each step.

torchvision and kornia have the same steps, but take no generator, and torchvision one factor for all samples.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.patches.modality import RGB

WHITE = 3.0  # standard deviations above the mean
SHARE, TURN = 0.8, 0.2  # largest changes at a strength of 1: of a factor, of the circle of hues


def check_colours(bands: Sequence[str], where: str) -> None:
    """Raise RevisitError unless the bands are red, green and blue, in this order."""
    if tuple(bands) != RGB:
        raise RevisitError(
            f"{where}: colour and grayscale need the bands {', '.join(RGB)}, not {', '.join(bands)}; "
            f"set both to 0 or choose the modality rgb"
        )


def colour_jitter(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Standardised RGB images [B, 3, H, W] of other brightness, contrast, saturation and hue, in this order.

    The factors of the first three are uniform in 1 - 0.8 s to 1 + 0.8 s, the hue turns by up to 0.2 s of its
    circle, for a strength s: 1 in SimCLR (appendix A), 0.5 in MoCo v2.
    """
    draws = 2 * torch.rand(4, len(images), 1, 1, 1, generator=generator, device=images.device) - 1
    brighter, contrasting, saturated = 1 + SHARE * strength * draws[:3]
    picture = (images / (2 * WHITE) + 0.5).clamp(0, 1)
    picture = (picture * brighter).clamp(0, 1)
    picture = _blend(picture, luminance(picture).mean((2, 3), keepdim=True), contrasting)
    picture = _blend(picture, luminance(picture), saturated)
    return (turned(picture, TURN * strength * draws[3]) - 0.5) * (2 * WHITE)


def luminance(images: Tensor) -> Tensor:
    """[B, 1, H, W] of RGB images by the weights of ITU-R BT.601, in the images' own units."""
    red, green, blue = (images[:, band, None] for band in range(3))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def turned(picture: Tensor, turn: Tensor) -> Tensor:
    """RGB in 0 to 1, its hues turned by a share of their circle, [B, 1, 1, 1]; S and V of HSV stay."""
    red, green, blue = (picture[:, band, None] for band in range(3))
    value, chroma = picture.amax(1, True), picture.amax(1, True) - picture.amin(1, True)
    sixth = torch.where(
        value == red,
        (green - blue),
        torch.where(value == green, 2 * chroma + blue - red, 4 * chroma + red - green),
    ) / chroma.clamp(min=torch.finfo(chroma.dtype).tiny)
    # A channel is at its full value within a sixth of the circle from its hue, and at its least beyond two.
    hues = [(sixth + 6 * turn + offset).remainder(6) for offset in (5, 3, 1)]
    return torch.cat([value - chroma * torch.minimum(hue, 4 - hue).clamp(0, 1) for hue in hues], 1)


def _blend(picture: Tensor, towards: Tensor, factor: Tensor) -> Tensor:
    return (factor * picture + (1 - factor) * towards).clamp(0, 1)
