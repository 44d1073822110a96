"""What plain vision transformers share: one resolution, pre-norm blocks, fixed position codes.

An architecture says how a position's pixels become a token (``embed``); those that differ in it are files of
``revisit/nets/encoders``.
"""

from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder, EncoderSettings
from revisit.nets.transformer import Block

# Dim, depth and heads of the sizes ViTs are known by (Dosovitskiy et al. 2021, Touvron et al. 2021).
KNOWN = {
    (192, 12, 3): "Ti",
    (384, 12, 6): "S",
    (768, 12, 12): "B",
    (1024, 24, 16): "L",
    (1280, 32, 16): "H",
}


class VisionTransformerSettings(EncoderSettings):
    """A pre-norm ViT; ViT-Base is dim 768, depth 12, heads 12."""

    patch_pixels: int = Field(ge=1)
    """Side of a token in pixels; the image's side is a multiple of it."""
    dim: int = Field(ge=4)
    """Width of a token; a multiple of `heads`, and of 4 for the position code."""
    depth: int = Field(ge=1)
    """Transformer blocks."""
    heads: int = Field(ge=1)
    """Attention heads of a block."""
    mlp_ratio: float = Field(4.0, gt=0)
    """Width inside a block's perceptron, in units of `dim`."""

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.dim % self.heads or self.dim % 4:
            raise ValueError(f"dim {self.dim} must be a multiple of heads {self.heads} and of 4")
        return self

    def strides(self) -> tuple[int, ...]:
        return (self.patch_pixels,)

    def widths(self) -> tuple[int, ...]:
        return (self.dim,)

    def size(self) -> str:
        mlp = "" if self.mlp_ratio == 4 else f" mlp {str(self.mlp_ratio).removesuffix('.0')}"
        return f"dim {self.dim} depth {self.depth} heads {self.heads}{mlp} patch {self.patch_pixels}"

    def known_size(self) -> str | None:
        """Letter and patch of a size that is known by one, such as ``B/16``."""
        known = KNOWN.get((self.dim, self.depth, self.heads))
        return f"{known}/{self.patch_pixels}" if known and self.mlp_ratio == 4 else None


class VisionTransformer(Encoder):
    """Takes images of any subset of its bands, and any size that is a multiple of ``patch_pixels``."""

    blocks: nn.ModuleList
    norm: nn.LayerNorm
    qkv_bias: bool
    """Whether queries, keys and values of its blocks have a bias."""

    def add_blocks(self, settings: VisionTransformerSettings, qkv_bias: bool = True) -> None:
        """Blocks and last norm with new weights; called once the embedding is there, which comes first."""
        self.qkv_bias = qkv_bias
        self.blocks = nn.ModuleList(
            Block(settings.dim, settings.heads, settings.mlp_ratio, qkv_bias) for _ in range(settings.depth)
        )
        self.norm = nn.LayerNorm(settings.dim, eps=1e-6)
        self.blocks.apply(initialise)

    @abstractmethod
    def embed(self, patches: Tensor, channels: Sequence[int] | None = None) -> Tensor:
        """Tokens without position, [B, K, D].

        ``patches`` [B, K, C, p*p]: pixels of K positions; ``channels``: which of the encoder's channels they
        are (None: all, in order).
        """

    @abstractmethod
    def embedding_parameters(self) -> list[nn.Parameter]:
        """Those below the first block."""

    def channels(self, bands: Sequence[str] | None = None) -> list[int]:
        """Positions of ``bands`` among the encoder's own; any subset, in any order."""
        if bands is None:
            return list(range(len(self.bands)))
        if not bands or len(set(bands)) != len(bands) or not set(bands) <= set(self.bands):
            raise RevisitError(f"encoder: takes bands from {list(self.bands)}, each once; got {list(bands)}")
        return [self.bands.index(band) for band in bands]

    def forward_features(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        return cast(Tensor, self.norm(self._tokens(images, bands)))

    def pooled(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """Mean of the tokens, then the layer norm."""
        return cast(Tensor, self.norm(self._tokens(images, bands).mean(1)))

    def pyramid(self, images: Tensor, bands: Sequence[str] | None = None) -> list[Tensor]:
        """A single level, the tokens on their grid: a plain ViT has one resolution."""
        tokens = self.forward_features(images, bands).transpose(1, 2)
        grid = images.shape[2] // self.patch_pixels, images.shape[3] // self.patch_pixels
        return [tokens.reshape(len(images), self.feature_dim, *grid)]

    def layers(self) -> list[list[nn.Parameter]]:
        """Embedding, each block, the last norm (as MAE counts them)."""
        return [
            self.embedding_parameters(),
            *(list(block.parameters()) for block in self.blocks),
            list(self.norm.parameters()),
        ]

    def transform(self, tokens: Tensor) -> Tensor:
        """The transformer blocks, without the last norm."""
        for block in self.blocks:
            tokens = block(tokens)
        return tokens

    def cells(self, tokens: Tensor) -> Tensor:
        """Those of positions, of what ``transform`` gives: all of them, without a class token."""
        return tokens

    def _tokens(self, images: Tensor, bands: Sequence[str] | None) -> Tensor:
        images, channels = self.enter(images, bands)
        grid = images.shape[2] // self.patch_pixels, images.shape[3] // self.patch_pixels
        tokens = self.embed(patchify(images, self.patch_pixels), channels if bands else None)
        return self.transform(tokens + position_code(*grid, self.feature_dim, images.device))


def patchify(images: Tensor, pixels: int) -> Tensor:
    """Images [B, C, H, W] as patches [B, N, C, pixels**2], positions row by row."""
    batch, count, height, width = images.shape
    cut = images.reshape(batch, count, height // pixels, pixels, width // pixels, pixels)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, count, pixels * pixels)


def unpatchify(patches: Tensor, rows: int) -> Tensor:
    """The inverse of ``patchify``, for ``rows`` rows of patches."""
    batch, positions, count, area = patches.shape
    pixels, columns = round(area**0.5), positions // rows
    cut = patches.reshape(batch, rows, columns, count, pixels, pixels)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(batch, count, rows * pixels, columns * pixels)


@lru_cache(maxsize=64)
def position_code(rows: int, columns: int, dim: int, device: torch.device) -> Tensor:
    """Fixed 2-D sine-cosine code [rows*columns, dim] as in MAE's code: first the column, then the row.

    Of each half the first half are sines, the rest cosines.
    """
    frequency = 10000 ** -(torch.arange(dim // 4, device=device) / (dim // 4))
    codes = []
    for count in (columns, rows):
        angle = torch.outer(torch.arange(count, device=device), frequency)
        codes.append(torch.cat([angle.sin(), angle.cos()], 1))
    return torch.cat([codes[0].repeat(rows, 1), codes[1].repeat_interleave(columns, 0)], dim=1)


def initialise(module: nn.Module) -> None:
    """Linear maps as in MAE: Xavier-uniform weights, zero biases. For ``nn.Module.apply``."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
