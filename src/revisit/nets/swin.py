"""Swin transformer (timm blocks) with a mask token, and the token maps a U-shaped decoder needs.

Source: Liu et al. 2021 (Swin); Xie et al. 2022 (SimMIM) for replacing masked tokens after the patch
embedding by one learned vector.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from timm.models.swin_transformer import PatchMerging, SwinTransformerBlock
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder


class SwinEncoder(Encoder):
    """Stages of shifted-window attention; Swin-T "lite" is dim 96, depths 2/2/2/2, heads 3/6/12/24, window 7.

    ``feature_dim`` is the width of the last stage. Needs exactly its bands. Other image sizes than
    ``image_pixels`` work: windows stay as they are and the border is padded.
    """

    def __init__(
        self,
        bands: Sequence[str],
        image_pixels: int,
        patch_pixels: int,
        dim: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int,
    ) -> None:
        widths = [dim * 2**stage for stage in range(len(depths))]
        super().__init__(bands, image_pixels, patch_pixels, feature_dim=widths[-1])
        self.stride = patch_pixels * 2 ** (len(depths) - 1)
        if image_pixels % self.stride:
            raise RevisitError(f"encoder swin: {image_pixels} pixels must be a multiple of {self.stride}")
        if len(heads) != len(depths) or any(width % head for width, head in zip(widths, heads, strict=True)):
            raise RevisitError(
                f"encoder swin: heads {list(heads)} must be one a stage and divide widths {widths}"
            )
        self.dim, self.depths, self.heads, self.window = dim, tuple(depths), tuple(heads), window
        self.embedding = nn.Conv2d(len(bands), dim, patch_pixels, stride=patch_pixels)
        self.embedding_norm = nn.LayerNorm(dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        self.merges = nn.ModuleList(PatchMerging(narrow, wide) for narrow, wide in pairwise(widths))
        self.stages = nn.ModuleList(
            swin_blocks(widths[stage], heads[stage], depths[stage], self.grid(stage), window)
            for stage in range(len(depths))
        )
        self.norm = nn.LayerNorm(widths[-1])
        self.apply(initialise)
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def architecture(self) -> dict[str, Any]:
        return {
            "name": "swin",
            "bands": list(self.bands),
            "image_pixels": self.image_pixels,
            "patch_pixels": self.patch_pixels,
            "dim": self.dim,
            "depths": list(self.depths),
            "heads": list(self.heads),
            "window": self.window,
        }

    def grid(self, stage: int) -> int:
        """Tokens along a side in a stage, for images of ``image_pixels``."""
        return self.image_pixels // (self.patch_pixels * 2**stage)

    def maps(
        self, images: Tensor, bands: Sequence[str] | None = None, masked: Tensor | None = None
    ) -> list[Tensor]:
        """Token maps [B, H_l, W_l, C_l], fine to coarse.

        All but the last are those entering their stage (Swin-Unet's skips: the first is the patch
        embedding); the last is the normalised output of the last stage.
        ``masked`` [B, N] bool: tokens replaced by the mask token.
        """
        self.check_images(images, self.channels(bands))
        if images.shape[2] % self.stride or images.shape[3] % self.stride:
            raise RevisitError(
                f"encoder swin: image sides must be multiples of {self.stride} pixels; "
                f"got {list(images.shape[2:])}"
            )
        tokens = self.embedding_norm(self.embedding(images).permute(0, 2, 3, 1))
        if masked is not None:
            where = masked.view(*tokens.shape[:3], 1)
            tokens = torch.where(where, self.mask_token.to(tokens.dtype), tokens)
        maps = []
        for stage, merge in zip(self.stages, [*self.merges, None], strict=True):
            maps.append(tokens)
            tokens = stage(tokens)
            tokens = merge(tokens) if merge is not None else tokens
        return [*maps[:-1], self.norm(tokens)]

    def forward_features(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        return self.maps(images, bands)[-1].flatten(1, 2)

    def pyramid(self, images: Tensor, bands: Sequence[str] | None = None) -> list[Tensor]:
        """The token maps of ``maps`` as [B, C_l, H_l, W_l]."""
        return [tokens.permute(0, 3, 1, 2) for tokens in self.maps(images, bands)]


ENCODER = SwinEncoder


def swin_blocks(dim: int, heads: int, depth: int, grid: int, window: int) -> nn.Sequential:
    """Swin blocks on maps [B, H, W, dim], every second one shifted.

    Where the whole map of ``grid`` x ``grid`` tokens fits in a window there is one window and no shift.
    """
    return nn.Sequential(
        *(
            SwinTransformerBlock(
                dim,
                input_resolution=(grid, grid),
                num_heads=heads,
                window_size=window,
                shift_size=window // 2 if index % 2 else 0,
                dynamic_mask=True,
            )
            for index in range(depth)
        )
    )


def initialise(module: nn.Module) -> None:
    """Linear maps as in Swin: truncated normal weights of standard deviation 0.02, zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
