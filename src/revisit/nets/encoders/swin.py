"""Swin transformer with a mask token, and the token maps a U-shaped decoder needs.

Source: Liu et al. 2021 (Swin); Xie et al. 2022 (SimMIM) for replacing masked tokens after the patch
embedding by one learned vector.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from revisit.nets.encoder import Encoder, EncoderSettings
from revisit.nets.shifted_windows import PatchMerging, initialise, swin_blocks

Count = Annotated[int, Field(ge=1)]

# Dim, depths and heads of the sizes Swins are known by, all with patches of 4 and windows of 7 tokens;
# "lite" is Swin-Unet's.
KNOWN: dict[tuple[int, tuple[int, ...], tuple[int, ...]], str] = {
    (96, (2, 2, 2, 2), (3, 6, 12, 24)): "Swin-T lite",
    (96, (2, 2, 6, 2), (3, 6, 12, 24)): "Swin-T",
    (96, (2, 2, 18, 2), (3, 6, 12, 24)): "Swin-S",
    (128, (2, 2, 18, 2), (4, 8, 16, 32)): "Swin-B",
    (192, (2, 2, 18, 2), (6, 12, 24, 48)): "Swin-L",
}


class SwinEncoder(Encoder):
    """``feature_dim`` is the width of the last stage. Needs exactly its bands.

    Other image sizes than ``image_pixels`` work: windows stay as they are and the border is padded.
    """

    class Settings(EncoderSettings):
        """Stages of shifted-window attention, each twice as wide and half as large as the one before.

        Swin-T "lite" is patch_pixels 4, dim 96, depths 2/2/2/2, heads 3/6/12/24, window 7.
        """

        patch_pixels: int = Field(ge=1)
        """Side of the finest token in pixels; the image's side is a multiple of that of the coarsest."""
        dim: int = Field(ge=1)
        """Width of the first stage's tokens; doubled from stage to stage."""
        depths: tuple[Count, ...] = Field(min_length=1)
        """Blocks of each stage; every second one is shifted."""
        heads: tuple[Count, ...]
        """Attention heads of each stage; they divide the stage's width."""
        window: int = Field(ge=1)
        """Side of an attention window in tokens."""

        @model_validator(mode="after")
        def _fits(self) -> Self:
            widths = self.widths()
            if len(self.heads) != len(widths) or any(w % h for w, h in zip(widths, self.heads, strict=True)):
                raise ValueError(
                    f"heads {list(self.heads)} must be one a stage and divide widths {list(widths)}"
                )
            return self

        def side_multiple(self) -> int:
            return self.strides()[-1]

        def strides(self) -> tuple[int, ...]:
            return tuple(self.patch_pixels * 2**stage for stage in range(len(self.depths)))

        def widths(self) -> tuple[int, ...]:
            return tuple(self.dim * 2**stage for stage in range(len(self.depths)))

        def size(self) -> str:
            depths, heads = ("/".join(map(str, counts)) for counts in (self.depths, self.heads))
            return (
                f"dim {self.dim} depth {depths} heads {heads} window {self.window} patch {self.patch_pixels}"
            )

        def known_as(self) -> str | None:
            known = KNOWN.get((self.dim, self.depths, self.heads))
            if known is None or self.patch_pixels != 4:
                return None
            return known if self.window == 7 else f"{known} window {self.window}"

    def __init__(self, settings: Settings, bands: Sequence[str], image_pixels: int) -> None:
        super().__init__(settings, bands, image_pixels)
        self.dim, self.depths, self.heads = settings.dim, settings.depths, settings.heads
        self.window, self.stride, widths = settings.window, self.strides[-1], self.widths
        self.embedding = nn.Conv2d(len(bands), self.dim, self.patch_pixels, stride=self.patch_pixels)
        self.embedding_norm = nn.LayerNorm(self.dim)
        self.mask_token = nn.Parameter(torch.zeros(self.dim))
        self.merges = nn.ModuleList(PatchMerging(narrow, wide) for narrow, wide in pairwise(widths))
        self.stages = nn.ModuleList(
            swin_blocks(widths[stage], self.heads[stage], self.depths[stage], self.grid(stage), self.window)
            for stage in range(len(self.depths))
        )
        self.norm = nn.LayerNorm(widths[-1])
        self.apply(initialise)
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def grid(self, stage: int) -> int:
        """Tokens along a side in a stage, for images of ``image_pixels``."""
        return self.image_pixels // self.strides[stage]

    def maps(
        self, images: Tensor, bands: Sequence[str] | None = None, masked: Tensor | None = None
    ) -> list[Tensor]:
        """Token maps [B, H_l, W_l, C_l], fine to coarse.

        All but the last are those entering their stage (Swin-Unet's skips: the first is the patch
        embedding); the last is the normalised output of the last stage.
        ``masked`` [B, N] bool: tokens replaced by the mask token.
        """
        images, _ = self.enter(images, bands)
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

    def layers(self) -> list[list[nn.Parameter]]:
        """Embedding, each block (a stage's last with the merging after it), the last norm, as in SimMIM."""
        embedding = [*self.embedding.parameters(), *self.embedding_norm.parameters(), self.mask_token]
        groups = [embedding]
        for stage, merge in zip(self.stages, [*self.merges, None], strict=True):
            groups += [list(block.parameters()) for block in cast(nn.Sequential, stage)]
            groups[-1] += list(merge.parameters()) if merge is not None else []
        return [*groups, list(self.norm.parameters())]


ENCODER = SwinEncoder
