"""STMIM: masked image modelling on yearly images of one place, whose features are drawn together over time.

Each year's image loses four fifths of its 4 x 4 patches (SimMIM: their tokens become the mask token) and
is reconstructed by one convolution; pooled features of two years are drawn together, near years more:

    loss = smooth-L1(masked pixels) + alpha * mean over pairs of (1 - beta |t_i - t_j|) (1 - cos(u_i, u_j))

Each place has a loss of its own, and the batch their mean; pixels without data and years that a place lacks
count for nothing in it, and a place with one year alone for nothing in the similarity.
"""

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, MethodSettings
from revisit.methods.parts.draws import crop_and_flip, random_mask, random_subset
from revisit.methods.parts.validity import holds_data
from revisit.nets.encoders.swin import SwinEncoder
from revisit.patches.batch import Batch


class STMIM(Method):
    """Swin encoder, one convolution as decoder, similarity over time of the pooled features."""

    class Settings(MethodSettings):
        """STMIM's own keys."""

        alpha: float = Field(ge=0)
        """Weight of the similarity over time against the reconstruction."""
        beta: float = Field(ge=0)
        """By how much a pair of years weighs less, per year between them."""
        years_per_step: int = Field(ge=2)
        """Years drawn of each place; all it has where they are fewer."""
        mask_ratio: float = Field(0.8, gt=0, lt=1)
        """Share of the tokens that are masked."""

    source = "STMIM: spatio-temporal masked image modelling (a talk; no paper found), on SimMIM (CVPR 2022)"
    choices = (
        "u, v: mean of the last stage's tokens of the masked images; all pairs of the drawn years; alpha, "
        "beta are settings (no values published); flips and crops the same for all years of a place; years "
        "that lack a sensor of the modality are not drawn; pixels without data are not to be reconstructed"
    )
    kinds = frozenset({"yearly"})
    needs_series = True
    reconstructs = True
    encoder: SwinEncoder
    years: Tensor

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        if not isinstance(self.encoder, SwinEncoder):
            raise RevisitError(f"{self.name}: encoder.name must be swin, not {settings.encoder.get('name')}")
        self.alpha, self.beta = settings.alpha, settings.beta
        self.years_per_step, self.mask_ratio = settings.years_per_step, settings.mask_ratio
        if self.years_per_step > len(data.times):
            raise RevisitError(
                f"{self.name}: years_per_step is {self.years_per_step}; must be 2 to the {len(data.times)} "
                f"years of the collection"
            )
        span = max(data.times) - min(data.times)
        if self.beta * span > 1:
            raise RevisitError(
                f"{self.name}: beta {self.beta} over {span} years makes a weight negative; "
                f"use 0 to {1 / span:.4g}"
            )
        self.register_buffer("years", torch.tensor(data.times), persistent=False)
        stride, channels = self.encoder.stride, len(data.bands)
        self.decoder = nn.Sequential(
            nn.Conv2d(self.encoder.feature_dim, channels * stride**2, 1), nn.PixelShuffle(stride)
        )

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``images`` [B, S, C, H, W] float32, ``masked`` [B, S, N] tokens, ``years`` [B, S].

        ``data`` [B, S, C, H, W] bool: pixels that hold data. ``there`` [B, S] bool: false for what fills up
        the years of a place that has fewer than are drawn. ``paired`` [B]: how much a place counts in the
        mean similarity, 0 without a pair of years and 1 on average, so that parts of a batch add up.
        """
        images = batch.images
        present = batch.present.all(2)
        chosen = random_subset(images.shape[:2], self.years_per_step, generator, present)
        sample = torch.arange(len(images), device=images.device)[:, None]
        cut = crop_and_flip(images[sample, chosen], self.crop_pixels, generator)
        there = present.gather(1, chosen)
        paired = (there.sum(1) > 1).float()
        return {
            **self._masked(cut, generator),
            "years": self.years[chosen],
            "data": holds_data(cut, self.data.bands),
            "there": there,
            "paired": paired / paired.mean().clamp(min=1 / len(paired)),
        }

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        reconstruction, features = self.predict(views)
        error = F.smooth_l1_loss(reconstruction.float(), views["images"], reduction="none")
        there = views["there"]
        counted = self.masked_pixels(views) & views["data"] & there[:, :, None, None, None]
        rebuild = _of_places(error, counted).mean()
        apart = similarity_losses(features.float(), views["years"], there, self.beta)
        similarity = (apart * views["paired"]).mean()
        return {
            "loss": rebuild + self.alpha * similarity,
            "reconstruction": rebuild,
            "similarity": similarity,
        }

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """Pooled features of the first two years, masked, [B, 2, D]."""
        return self.predict(views)[1][:, :2]

    def predict(self, views: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Reconstructed images [B, S, C, H, W] and pooled features [B, S, D] of the masked images."""
        images = views["images"]
        last = self.encoder.maps(images.flatten(0, 1), masked=views["masked"].flatten(0, 1))[-1]
        pixels = self.decoder(last.permute(0, 3, 1, 2))
        return pixels.view_as(images), last.mean((1, 2)).view(*images.shape[:2], -1)

    def masked_pixels(self, views: dict[str, Tensor]) -> Tensor:
        """Bool [B, S, 1, H, W], true where a pixel's token was masked."""
        patch = self.encoder.patch_pixels
        height, width = views["images"].shape[-2:]
        masked = views["masked"]
        tokens = masked.view(*masked.shape[:2], height // patch, width // patch)
        return tokens.repeat_interleave(patch, 2).repeat_interleave(patch, 3)[:, :, None]

    @torch.no_grad()
    def reconstruct(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        views = self._masked(images, generator)
        masked = self.masked_pixels(views)
        reconstruction = self.predict(views)[0].float()
        return {
            "input": views["images"],
            "masked": views["images"] * ~masked,
            "reconstruction": torch.where(masked, reconstruction, views["images"]),
        }

    def _masked(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        patch = self.encoder.patch_pixels
        tokens = (images.shape[-2] // patch) * (images.shape[-1] // patch)
        shape = (*images.shape[:2], tokens)
        masked = random_mask(shape, math.ceil(self.mask_ratio * tokens), generator)
        return {"images": self.standardised(images), "masked": masked}


def similarity_losses(features: Tensor, years: Tensor, there: Tensor, beta: float) -> Tensor:
    """Each place's mean over pairs i < j of (1 - beta |t_i - t_j|) (1 - cos(u_i, u_j)), [B].

    ``features`` [B, S, D], ``years`` and ``there`` [B, S]: only pairs of years that are there count; 0 for a
    place without a pair.
    """
    unit = F.normalize(features, dim=-1)
    cosine = unit @ unit.transpose(1, 2)
    weight = 1 - beta * (years[:, :, None] - years[:, None, :]).abs()
    first, second = torch.triu_indices(cosine.shape[1], cosine.shape[2], offset=1, device=cosine.device)
    pairs = there[:, first] & there[:, second]
    return _of_places((weight * (1 - cosine))[:, first, second], pairs)


def _of_places(values: Tensor, counted: Tensor) -> Tensor:
    """Each sample's mean over those values that are counted, 0 where none is, [B].

    A batch that is computed in parts is then the mean of its parts, whatever is missing in them.
    """
    sums = (values * counted).flatten(1).sum(1)
    return sums / counted.flatten(1).sum(1).clamp(min=1)


METHOD = STMIM
