"""UniFeat: what two channels of an image show of one pixel is alike, and unlike what they show of others.

loss = mean over 2N features of -log exp(f f+ / T) / (sum over the 2N - 1 others of exp(f f' / T))

A network that sees a single channel finds the features f, here of N pixels of the images of a batch, each in
two channels; f+ is of the same pixel in the other channel. What is learnt is what channels have in common.
CoRe goes on from here and learns to put them together.
"""

from typing import cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, MethodSettings
from revisit.methods.parts.contrast import nt_xent
from revisit.methods.parts.draws import crop_and_flip, random_subset
from revisit.methods.parts.heads import moco_projector
from revisit.methods.parts.validity import holds_data
from revisit.nets.encoders.channel_unet import ChannelUNet
from revisit.patches.batch import Batch

CHANNELS = 2  # compared of an image


class UniFeat(Method):
    """The extractor of a channel U-Net; the rest of it stays as it was drawn."""

    class Settings(MethodSettings):
        """UniFeat's own keys."""

        dim: int = Field(64, gt=0)
        """Numbers of a feature that is compared."""
        pixels: int = Field(256, gt=0)
        """Pixels compared of each image; memory grows with the square of their number in a batch."""
        temperature: float = Field(0.2, gt=0)
        """Of the similarities."""

    source = "UniFeat (Montanaro, Valsesia, Fracastoro & Magli, IEEE GRSL 2022), the first step of SSCL"
    choices = (
        "of what the poster leaves open: the loss of SimCLR, with the other pixels of both channels in the "
        "batch as negatives; 256 pixels of an image, temperature 0.2, a projector of two layers; which two "
        "channels of an image, drawn anew in each step; crops and flips alone, AdamW; pixels without data "
        "are drawn last"
    )
    trains_only = "the extractor"
    batch_wide = True  # all pixels of the batch are candidates
    encoder: ChannelUNet

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        if not isinstance(cast(object, self.encoder), ChannelUNet):
            raise RevisitError(
                f"{self.name}: learns what a single channel shows, and {self.encoder.name()} never sees one; "
                f"use the encoder {ChannelUNet.name()}"
            )
        if len(data.bands) < CHANNELS:
            raise RevisitError(f"{self.name}: compares two channels, {data.bands[0]} is one; take more bands")
        if settings.pixels > self.crop_pixels**2:
            raise RevisitError(
                f"{self.name}: pixels is {settings.pixels}, an image has {self.crop_pixels**2}; lower it"
            )
        self.pixels, self.temperature = settings.pixels, settings.temperature
        self.projector = moco_projector(self.encoder.settings.channel_width, settings.dim)

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``channels`` of each image, float32 [B, 2, H, W], and ``pixels``, row by row, int64 [B, N]."""
        images = crop_and_flip(batch.images, self.crop_pixels, generator)
        chosen = random_subset(images.shape[:2], CHANNELS, generator)
        sample = torch.arange(len(images), device=images.device)[:, None]
        data = holds_data(images, self.data.bands)[sample, chosen].all(1).flatten(1)
        pixels = random_subset(tuple(data.shape), self.pixels, generator, wanted=data)
        return {"channels": self.standardised(images[sample, chosen]), "pixels": pixels}

    def features(self, views: dict[str, Tensor]) -> Tensor:
        """What is compared, L2-normalised: float32 [B, 2, N, dim]."""
        maps = self.encoder.of_channels(views["channels"]).flatten(3)
        index = views["pixels"][:, None, None].expand(-1, CHANNELS, maps.shape[2], -1)
        features = self.projector(maps.gather(3, index).transpose(2, 3))
        return F.normalize(features.float(), dim=-1)

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """Of each sample one pixel in both channels, [B, 2, dim]."""
        return self.features(views)[:, :, self.pixels // 2]

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        first, second = self.features(views).transpose(0, 1).flatten(1, 2)
        return {"loss": nt_xent(first, second, self.temperature)}


METHOD = UniFeat
