"""STMIM: masked image modelling on yearly images of one place, whose features are drawn together over time.

Each year's image loses four fifths of its 4 x 4 patches (SimMIM: their tokens become the mask token) and
is reconstructed by one convolution; pooled features of two years are drawn together, near years more:

    loss = smooth-L1(masked pixels) + alpha * mean over pairs of (1 - beta |t_i - t_j|) (1 - cos(u_i, u_j))
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.base import DataDescription, Method, required
from revisit.methods.draws import crop_and_flip, random_mask, random_subset
from revisit.nets.swin import SwinEncoder

SOURCE = "STMIM: spatio-temporal masked image modelling (talk; no paper found), on SimMIM (CVPR 2022)"
CHOICES = (
    "u, v: mean of the last stage's tokens of the masked images; all pairs of the drawn years; alpha, beta "
    "are settings (no values published); flips and crops the same for all years of a place"
)


class STMIM(Method):
    """Settings: ``encoder`` (a swin), ``alpha``, ``beta`` (a year), ``years_per_step`` drawn of each place,
    ``mask_ratio`` (0.8), ``crop_pixels`` (the whole stored image).

    Raises RevisitError when beta makes the weight of the farthest years negative.
    """

    keys = frozenset({"encoder", "alpha", "beta", "years_per_step", "mask_ratio", "crop_pixels"})
    needs_series = True
    encoder: SwinEncoder
    years: Tensor

    def __init__(self, settings: Mapping[str, Any], data: DataDescription) -> None:
        super().__init__(settings, data)
        if not isinstance(self.encoder, SwinEncoder):
            raise RevisitError("stmim: encoder name must be swin")
        if data.kind != "yearly":
            raise RevisitError("stmim: needs a collection of kind yearly, whose samples are series of years")
        self.alpha = float(required(settings, "alpha"))
        self.beta = float(required(settings, "beta"))
        self.years_per_step = int(required(settings, "years_per_step"))
        self.mask_ratio = float(settings.get("mask_ratio", 0.8))
        if not 2 <= self.years_per_step <= len(data.times):
            raise RevisitError(
                f"stmim: years_per_step is {self.years_per_step}; must be 2 to the {len(data.times)} years "
                f"of the collection"
            )
        span = max(data.times) - min(data.times)
        if not 0 <= self.beta * span <= 1:
            raise RevisitError(
                f"stmim: beta {self.beta} over {span} years makes a weight negative; use 0 to {1 / span:.4g}"
            )
        if not 0 < self.mask_ratio < 1:
            raise RevisitError(f"stmim: mask_ratio {self.mask_ratio} must lie between 0 and 1")
        self.register_buffer("years", torch.tensor(data.times), persistent=False)
        stride, channels = self.encoder.stride, len(data.bands)
        self.decoder = nn.Sequential(
            nn.Conv2d(self.encoder.feature_dim, channels * stride**2, 1), nn.PixelShuffle(stride)
        )

    def views(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``images`` [B, S, C, H, W] float32, ``masked`` [B, S, N] tokens, ``years`` [B, S]."""
        chosen = random_subset(images.shape[:2], self.years_per_step, generator)
        sample = torch.arange(len(images), device=images.device)[:, None]
        cut = crop_and_flip(images[sample, chosen], self.crop_pixels, generator)
        return {**self._masked(cut, generator), "years": self.years[chosen]}

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        reconstruction, features = self.predict(views)
        error = F.smooth_l1_loss(reconstruction.float(), views["images"], reduction="none").mean(2)
        masked = self.masked_pixels(views)[:, :, 0]
        rebuild = (error * masked).sum() / masked.sum()
        similarity = similarity_loss(features.float(), views["years"], self.beta)
        return {
            "loss": rebuild + self.alpha * similarity,
            "reconstruction": rebuild,
            "similarity": similarity,
        }

    def predict(self, views: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Reconstructed images [B, S, C, H, W] and pooled features [B, S, D] of the masked images."""
        images = views["images"]
        last = self.encoder.maps(images.flatten(0, 1), masked=views["masked"].flatten(0, 1))[-1]
        pixels = self.decoder(last.permute(0, 3, 1, 2))
        return pixels.view_as(images), last.mean((1, 2)).unflatten(0, images.shape[:2])

    def masked_pixels(self, views: dict[str, Tensor]) -> Tensor:
        """Bool [B, S, 1, H, W], true where a pixel's token was masked."""
        patch = self.encoder.patch_pixels
        height, width = views["images"].shape[-2:]
        tokens = views["masked"].unflatten(2, (height // patch, width // patch))
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


def similarity_loss(features: Tensor, years: Tensor, beta: float) -> Tensor:
    """Mean over places and pairs i < j of (1 - beta |t_i - t_j|) (1 - cos(u_i, u_j)).

    ``features`` [B, S, D], ``years`` [B, S].
    """
    unit = F.normalize(features, dim=-1)
    cosine = unit @ unit.transpose(1, 2)
    weight = 1 - beta * (years[:, :, None] - years[:, None, :]).abs()
    first, second = torch.triu_indices(cosine.shape[1], cosine.shape[2], offset=1, device=cosine.device)
    return (weight * (1 - cosine))[:, first, second].mean()


METHODS = {"stmim": STMIM}
