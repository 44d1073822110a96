"""3DMAE: a masked autoencoder over channels and space for SAR and optical images of one place.

The encoder sees a quarter of the positions, and of each only the channels the vertical mask leaves; a small
decoder reconstructs every hidden (position, channel) cell.
"""

import inspect
import math
from collections.abc import Mapping
from functools import partial
from typing import Any, get_args

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.base import DataDescription, Method, required
from revisit.methods.draws import crop_and_flip, random_subset
from revisit.methods.vertical_mask import Variant, VerticalMask
from revisit.nets.channel_vit import ChannelViT, initialise, patchify, position_code, unpatchify

SOURCE = "3DMAE: joint SAR and optical representation learning with vertical masking (IEEE GRSL 2023)"
CHOICES = (
    "channels dropped with probability 1/2; spatial mask 0.75; one linear map a channel, summed over visible "
    "channels; targets normalised per (position, channel); squared error on all hidden cells; flips and crops"
)
VARIANCE_FLOOR = 1e-6  # MAE's, inside the root


class Decoder(nn.Module):
    """Encoded visible tokens to pixels of all cells: a narrow ViT over all positions."""

    def __init__(self, encoder: ChannelViT, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        if dim % heads or dim % 4:
            raise RevisitError(f"3dmae decoder: dim {dim} must be a multiple of heads {heads} and of 4")
        self.dim, self.channels = dim, len(encoder.bands)
        self.enter = nn.Linear(encoder.feature_dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        self.blocks = nn.ModuleList(Block(dim, heads, qkv_bias=True) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.leave = nn.Linear(dim, self.channels * encoder.patch_pixels**2)
        self.apply(initialise)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, tokens: Tensor, kept: Tensor, rows: int) -> Tensor:
        """Tokens [B, K, D] at positions ``kept`` [B, K] of a square grid to cells [B, N, C, p*p]."""
        tokens = self.enter(tokens)
        empty = self.mask_token.to(tokens.dtype).expand(len(tokens), rows * rows, -1)
        full = empty.scatter(1, kept[..., None].expand_as(tokens), tokens)
        full = full + position_code(rows, rows, self.dim, tokens.device)
        for block in self.blocks:
            full = block(full)
        return self.leave(self.norm(full)).unflatten(2, (self.channels, -1))


class MAE3D(Method):
    """3DMAE with one of the four vertical masks.

    Settings: ``encoder`` (a channel-vit), ``decoder`` {dim, depth, heads}, ``mask_ratio`` of positions
    (0.75), ``crop_pixels`` (the whole stored image), ``normalise_targets`` (true: each hidden cell by its
    own mean and deviation, as MAE; false: standardised values, which keeps a cell's level in the task).
    """

    keys = frozenset({"encoder", "decoder", "mask_ratio", "crop_pixels", "normalise_targets"})
    encoder: ChannelViT

    def __init__(self, settings: Mapping[str, Any], data: DataDescription, variant: Variant) -> None:
        super().__init__(settings, data)
        if not isinstance(self.encoder, ChannelViT):
            raise RevisitError("3dmae: encoder name must be channel-vit, which takes any set of channels")
        self.vertical_mask = VerticalMask(variant, data.bands)
        self.mask_ratio = float(settings.get("mask_ratio", 0.75))
        self.normalise_targets = bool(settings.get("normalise_targets", True))
        positions = (self.crop_pixels // self.encoder.patch_pixels) ** 2
        if not 0 < self._keep(positions) < positions:
            raise RevisitError(
                f"3dmae: mask_ratio {self.mask_ratio} keeps {self._keep(positions)} of {positions} positions"
            )
        decoder = required(settings, "decoder")
        try:
            inspect.signature(Decoder).bind(self.encoder, **decoder)
        except TypeError as error:
            raise RevisitError(f"3dmae decoder: {error}; settings given: {sorted(decoder)}") from error
        self.decoder = Decoder(self.encoder, **decoder)

    def views(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``patches`` [B, N, C, p*p] float32, ``visible`` [B, N, C] bool, ``kept`` [B, K] positions."""
        return self._masked(crop_and_flip(images, self.crop_pixels, generator), generator)

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        """Mean squared error over all hidden cells."""
        hidden = ~views["visible"]
        target = views["patches"]
        if self.normalise_targets:
            mean, deviation = cell_moments(target)
            target = (target - mean) / deviation
        error = (self.predict(views).float() - target).square().mean(-1)
        return {"loss": (error * hidden).sum() / hidden.sum()}

    def predict(self, views: dict[str, Tensor]) -> Tensor:
        """Pixels of all cells as the targets are, [B, N, C, p*p]; only visible cells reach the encoder."""
        patches, visible, kept = views["patches"], views["visible"], views["kept"]
        sample = torch.arange(len(kept), device=kept.device)[:, None]
        rows = math.isqrt(patches.shape[1])
        code = position_code(rows, rows, self.encoder.feature_dim, kept.device)[kept]
        tokens = self.encoder.embed(patches[sample, kept], visible=visible[sample, kept]) + code
        tokens = self.encoder.norm(self.encoder.transform(tokens))
        return self.decoder(tokens, kept, rows)

    @torch.no_grad()
    def reconstruct(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """As ``Method.reconstruct``; normalised predictions get the true mean and deviation of their cell."""
        views = self._masked(images, generator)
        patches, visible = views["patches"], views["visible"][..., None]
        predicted = self.predict(views).float()
        if self.normalise_targets:
            mean, deviation = cell_moments(patches)
            predicted = predicted * deviation + mean
        rows = math.isqrt(patches.shape[1])
        return {
            "input": unpatchify(patches, rows),
            "masked": unpatchify(patches * visible, rows),
            "reconstruction": unpatchify(torch.where(visible, patches, predicted), rows),
        }

    def _masked(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        patches = patchify(self.standardised(images), self.encoder.patch_pixels)
        samples, positions = patches.shape[:2]
        visible = self.vertical_mask.draw(samples, positions, generator)
        kept = random_subset((samples, positions), self._keep(positions), generator)
        in_space = torch.zeros_like(visible).scatter_(
            1, kept[..., None].expand(-1, -1, visible.shape[2]), True
        )
        return {"patches": patches, "visible": visible & in_space, "kept": kept}

    def _keep(self, positions: int) -> int:
        return int(positions * (1 - self.mask_ratio))


def cell_moments(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (unbiased variance, floored) of each cell's pixels, [..., 1] each."""
    mean = patches.mean(-1, keepdim=True)
    # torch.var_mean is ten times slower than this on short rows.
    variance = (patches - mean).square().sum(-1, keepdim=True) / (patches.shape[-1] - 1)
    return mean, (variance + VARIANCE_FLOOR).sqrt()


METHODS = {f"3dmae-{variant}": partial(MAE3D, variant=variant) for variant in get_args(Variant)}
