"""Beside the encoder of a masked autoencoder: its decoder, how much is kept, the moments of its targets."""

import torch
from pydantic import Field
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.transformer import Block
from revisit.nets.vision_transformer import VisionTransformer, initialise, position_code
from revisit.record import Record

VARIANCE_FLOOR = 1e-6  # MAE's, inside the root


class DecoderSettings(Record):
    """The decoder, which is thrown away after pretraining."""

    dim: int = Field(gt=0)
    """Width of its tokens."""
    depth: int = Field(ge=0)
    """Number of transformer blocks."""
    heads: int = Field(gt=0)
    """Attention heads of a block."""


class Decoder(nn.Module):
    """Encoded visible tokens to pixels of all cells: a narrow ViT over all positions."""

    def __init__(self, encoder: VisionTransformer, settings: DecoderSettings) -> None:
        super().__init__()
        dim, heads = settings.dim, settings.heads
        if dim % heads or dim % 4:
            raise RevisitError(
                f"method.decoder: dim {dim} must be a multiple of heads {heads} and of 4; change one of them"
            )
        self.dim, self.channels = dim, len(encoder.bands)
        self.enter = nn.Linear(encoder.feature_dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        blocks = (Block(dim, heads, qkv_bias=encoder.qkv_bias) for _ in range(settings.depth))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
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
        cells: Tensor = self.leave(self.norm(full))
        return cells.view(*cells.shape[:2], self.channels, -1)


def kept_positions(name: str, positions: int, mask_ratio: float) -> int:
    """Of how many positions the encoder sees something; raises RevisitError where it is none or all."""
    kept = int(positions * (1 - mask_ratio))
    if not 0 < kept < positions:
        raise RevisitError(
            f"{name}: mask_ratio {mask_ratio} keeps {kept} of {positions} positions; change it, or "
            f"encoder.patch_pixels"
        )
    return kept


def moments(patches: Tensor, data: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (unbiased variance, floored) of the last axis, where it has data, [..., 1] each."""
    count = data.sum(-1, keepdim=True)
    mean = (patches * data).sum(-1, keepdim=True) / count.clamp(min=1)
    # torch.var_mean is ten times slower than this on short rows.
    squares = ((patches - mean) * data).square().sum(-1, keepdim=True)
    return mean, (squares / (count - 1).clamp(min=1) + VARIANCE_FLOOR).sqrt()
