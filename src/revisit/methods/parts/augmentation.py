"""Augmentation of standardised images, a whole batch at once on its device, drawn from the step's generator.

Strengths are in standard deviations of a band. SAR is in dB, where a gain is an offset and speckle, which
multiplies power, is added noise; optical bands get a gain and an offset each, or images of red, green and
blue alone the colour jitter of photographs. Elevation is cut, blurred and dropped as the other bands are, and
else as it was measured.

torchvision and kornia have these steps, but take no generator, so that a resumed run could not draw what an
interrupted one would have drawn; speckle and gains of any bands they have not.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from revisit.cube.bands import ELEVATION
from revisit.methods.parts.colour import check_colours, colour_jitter, luminance
from revisit.patches.modality import sensor_of
from revisit.record import Record

LARGEST_RATIO = 4 / 3  # of a crop's sides
CHOICES = (
    "colour jitter in one order (brightness, contrast, saturation, hue), which the code shuffles, and "
    "colours clipped at 3 standard deviations; blur by 0.1 to 2 pixels at any size of the view, which has "
    "224 pixels in the source"
)  # of the methods that make views like MoCo's and SimCLR's, beside their own


class Augmentation(Record):
    """How one view of an image is made; a strength or probability of 0 leaves its step out."""

    scale: tuple[float, float] = (0.2, 1.0)
    """Least and largest share of the image's area that is cut out."""
    jitter: float = Field(0.8, ge=0, le=1)
    """Probability that a view's bands get a gain and an offset (optical), a gain and speckle (SAR)."""
    gain: float = Field(0.4, ge=0, lt=1)
    """Largest change of an optical band's contrast, as a share of it."""
    offset: float = Field(0.4, ge=0)
    """Largest offset of an optical band, in standard deviations."""
    colour: float = Field(0.0, ge=0, le=1)
    """For red, green and blue alone: strength of a jitter of brightness, contrast, saturation and hue in the
    place of gain and offset; 0.5 in MoCo v2, 1 in SimCLR."""
    grayscale: float = Field(0.0, ge=0, le=1)
    """For red, green and blue alone: probability that all three become the luminance; 0.2 in both."""
    sar_gain: float = Field(0.2, ge=0)
    """Largest gain of a SAR band, an offset of its dB, in standard deviations."""
    speckle: float = Field(0.2, ge=0)
    """Deviation of the noise added to the dB of SAR bands, in standard deviations."""
    blur: float = Field(0.5, ge=0, le=1)
    """Probability of a Gaussian blur."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Its least and largest deviation, in pixels."""
    band_drop: float = Field(0.0, ge=0, lt=1)
    """Probability that a band is set to its mean, 0."""

    @model_validator(mode="after")
    def _ordered(self) -> "Augmentation":
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(
                f"scale {list(self.scale)} must be two shares of the area, the smaller one first"
            )
        if not 0 < self.blur_sigma[0] <= self.blur_sigma[1]:
            raise ValueError(f"blur_sigma {list(self.blur_sigma)} must be two lengths, the smaller one first")
        return self

    def check(self, bands: Sequence[str], where: str) -> None:
        """Raise RevisitError, which begins with ``where``, if images of these bands have no such view."""
        if self.colour or self.grayscale:
            check_colours(bands, where)

    def view(self, images: Tensor, bands: Sequence[str], side: int, generator: torch.Generator) -> Tensor:
        """A view [B, C, side, side] of standardised ``images`` [B, C, H, W] of these bands."""
        return self.recoloured(resized_crop(images, side, self.scale, generator), bands, generator)

    def recoloured(self, images: Tensor, bands: Sequence[str], generator: torch.Generator) -> Tensor:
        """A view that has all pixels where they were: without the crop and the flips."""
        if self.jitter:
            other = self._jittered(images, bands, generator)
            acts = _uniform((len(images), 1, 1, 1), generator) < self.jitter
            images = torch.where(acts, other, images)
        if self.grayscale:
            acts = _uniform((len(images), 1, 1, 1), generator) < self.grayscale
            images = torch.where(acts, luminance(images), images)
        if self.blur:
            images = blurred(images, self.blur_sigma, self.blur, generator)
        if self.band_drop:
            kept = _uniform(images.shape[:2], generator) >= self.band_drop
            images = images * kept[:, :, None, None]
        return images

    def plain(self, images: Tensor, side: int, generator: torch.Generator) -> Tensor:
        """A view like ``view``, but cut out alone: neither flipped nor changed in its values."""
        return resized_crop(images, side, self.scale, generator, flips=False)

    def _jittered(self, images: Tensor, bands: Sequence[str], generator: torch.Generator) -> Tensor:
        if self.colour:
            return colour_jitter(images, self.colour, generator)
        shape = (*images.shape[:2], 1, 1)
        radar = radar_bands(tuple(bands), images.device)[:, None, None]
        gain, offset = (2 * _uniform(shape, generator) - 1 for _ in range(2))
        optical = images * (1 + self.gain * gain) + self.offset * offset
        noise = torch.randn(images.shape, generator=generator, device=generator.device)
        sar = images + self.sar_gain * gain + self.speckle * noise
        elevation = bands_of_sensor(tuple(bands), ELEVATION, images.device)[:, None, None]
        return torch.where(elevation, images, torch.where(radar, sar, optical))


def radar_bands(bands: tuple[str, ...], device: torch.device) -> Tensor:
    """Which of the bands are SAR's, bool [C]."""
    return bands_of_sensor(bands, "sentinel-1", device)


@lru_cache(maxsize=64)  # a new copy would make the processor wait for the GPU
def bands_of_sensor(bands: tuple[str, ...], sensor: str, device: torch.device) -> Tensor:
    """Which of the bands are a sensor's, bool [C]."""
    return torch.tensor([sensor_of(band) == sensor for band in bands], device=device)


def resized_crop(
    images: Tensor, side: int, scale: tuple[float, float], generator: torch.Generator, flips: bool = True
) -> Tensor:
    """A random part of each image [B, C, H, W], at ``side`` x ``side`` pixels, flipped at random on each
    axis.

    Its share of the area is uniform in ``scale``, the ratio of its sides log-uniform in 3/4 to 4/3; bilinear.
    All bands of a sample are cut alike.
    """
    count = len(images)
    area = scale[0] + (scale[1] - scale[0]) * _uniform((count,), generator)
    ratio = torch.exp((2 * _uniform((count,), generator) - 1) * math.log(LARGEST_RATIO))
    width, height = ((area * shape).sqrt().clamp(max=1) for shape in (ratio, 1 / ratio))
    # In the units of affine_grid, an image spans -1 to 1.
    theta = torch.zeros(count, 2, 3, device=images.device)
    for row, extent in enumerate((width, height)):
        flipped = flips & (_uniform((count,), generator) < 0.5)
        theta[:, row, row] = torch.where(flipped, -extent, extent)
        theta[:, row, 2] = (1 - extent) * (2 * _uniform((count,), generator) - 1)
    grid = F.affine_grid(theta, [count, 1, side, side], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def blurred(
    images: Tensor, sigma: tuple[float, float], probability: float, generator: torch.Generator
) -> Tensor:
    """Images [B, C, H, W], each with this probability blurred by a Gaussian of its own deviation."""
    count, channels = images.shape[:2]
    deviation = sigma[0] + (sigma[1] - sigma[0]) * _uniform((count, 1), generator)
    acts = _uniform((count, 1, 1, 1), generator) < probability
    radius = min(math.ceil(3 * sigma[1]), min(images.shape[-2:]) - 1)
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / deviation).square())
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None, None]
    flat = images.flatten(0, 1)[None]
    for weight, pad in (
        (kernel, (radius, radius, 0, 0)),
        (kernel.transpose(2, 3), (0, 0, radius, radius)),
    ):
        flat = F.conv2d(F.pad(flat, pad, mode="reflect"), weight, groups=count * channels)
    return torch.where(acts, flat.view_as(images), images)


def _uniform(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    return torch.rand(tuple(shape), generator=generator, device=generator.device)
