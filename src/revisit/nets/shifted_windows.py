"""Swin blocks: self-attention inside windows that every second block shifts, and the merging of tokens.

Source: Liu et al. 2021 (Swin; code MIT). Names of the weights, their order and every operation are those of
timm's ``swin_transformer`` (Apache 2.0), so weights of either load into the other; but a map that is no
multiple of the window is padded before it is shifted, as in torchvision: padded after, the tokens of opposite
edges see each other. To import timm takes longer than all else a short job does.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from revisit.nets.transformer import DropPath, Mlp

BLOCKED = -100.0  # added to the attention between tokens that the shift brought together


def swin_blocks(dim: int, heads: int, depth: int, grid: int, window: int) -> nn.Sequential:
    """Swin blocks on maps [B, H, W, dim], every second one shifted.

    Where the whole map of ``grid`` x ``grid`` tokens fits in a window there is one window and no shift.
    """
    return nn.Sequential(
        *(SwinBlock(dim, heads, grid, window, shifted=index % 2 == 1) for index in range(depth))
    )


def initialise(module: nn.Module) -> None:
    """Linear maps as in Swin: truncated normal weights of deviation 0.02, zero biases. For ``apply``."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class SwinBlock(nn.Module):
    """Window attention and a two-layer perceptron on maps [B, H, W, dim]; the border is padded to windows."""

    def __init__(self, dim: int, heads: int, grid: int, window: int, shifted: bool) -> None:
        super().__init__()
        self.window = min(window, grid)
        self.shift = window // 2 if shifted and grid > window else 0
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, self.window)
        self.drop_path1 = DropPath()
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, 4 * dim)
        self.drop_path2 = DropPath()

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.drop_path1(self._attend(self.norm1(tokens)))
        flat = tokens.flatten(1, 2)
        flat = flat + self.drop_path2(self.mlp(self.norm2(flat)))
        result: Tensor = flat.view_as(tokens)
        return result

    def _attend(self, tokens: Tensor) -> Tensor:
        _, height, width, dim = tokens.shape
        shift = self.shift
        tokens = F.pad(tokens, (0, 0, 0, -width % self.window, 0, -height % self.window))
        rows, columns = tokens.shape[1:3]
        if shift:
            tokens = torch.roll(tokens, shifts=(-shift, -shift), dims=(1, 2))
        mask = shift_mask(rows, columns, self.window, shift, tokens.device, tokens.dtype) if shift else None
        cut = windows(tokens, self.window).view(-1, self.window**2, dim)
        mixed = self.attn(cut, mask).view(-1, self.window, self.window, dim)
        tokens = joined(mixed, rows, columns)
        if shift:
            tokens = torch.roll(tokens, shifts=(shift, shift), dims=(1, 2))
        return tokens[:, :height, :width].contiguous()


class WindowAttention(nn.Module):
    """Multi-head self-attention inside windows, with a learned bias for each relative position.

    Windows are [windows, window**2, dim].
    """

    relative_position_index: Tensor

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_positions(window), persistent=False)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        truncated_normal(self.relative_position_bias_table, std=0.02)

    def forward(self, cut: Tensor, mask: Tensor | None = None) -> Tensor:
        count, area, _ = cut.shape
        query, key, value = (
            self.qkv(cut).reshape(count, area, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        )
        weight = (query * self.scale) @ key.transpose(-2, -1) + self._bias(area)
        if mask is not None:
            apart = weight.view(-1, len(mask), self.heads, area, area) + mask[None, :, None]
            weight = apart.view(-1, self.heads, area, area)
        mixed = weight.softmax(-1) @ value
        result: Tensor = self.proj(mixed.transpose(1, 2).reshape(count, area, -1))
        return result

    def _bias(self, area: int) -> Tensor:
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        return bias.view(area, area, -1).permute(2, 0, 1).contiguous().unsqueeze(0)


class PatchMerging(nn.Module):
    """Halves the sides of a map: [B, H, W, dim] to [B, H/2, W/2, out], four tokens to one linear map."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, out, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, height, width, dim = tokens.shape
        cut = tokens.reshape(batch, height // 2, 2, width // 2, 2, dim)
        result: Tensor = self.reduction(self.norm(cut.permute(0, 1, 3, 4, 2, 5).flatten(3)))
        return result


@lru_cache(maxsize=64)
def shift_mask(
    rows: int, columns: int, window: int, shift: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """[windows, N, N]: ``BLOCKED`` between tokens that only the cyclic shift made neighbours, else 0."""
    regions = torch.zeros(1, rows, columns, 1, device=device, dtype=dtype)
    sides = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for row, vertical in enumerate(sides):
        for column, horizontal in enumerate(sides):
            regions[:, vertical, horizontal] = 3 * row + column
    flat = windows(regions, window).view(-1, window**2)
    differs = flat.unsqueeze(1) - flat.unsqueeze(2)
    return differs.masked_fill(differs != 0, BLOCKED)


def windows(tokens: Tensor, window: int) -> Tensor:
    """Maps [B, H, W, C] cut into windows [B * count, window, window, C]."""
    batch, height, width, dim = tokens.shape
    cut = tokens.view(batch, height // window, window, width // window, window, dim)
    return cut.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, window, window, dim)


def joined(cut: Tensor, rows: int, columns: int) -> Tensor:
    """The inverse of ``windows``, for maps of ``rows`` x ``columns`` tokens."""
    _, window, _, dim = cut.shape
    tokens = cut.view(-1, rows // window, columns // window, window, window, dim)
    return tokens.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, rows, columns, dim)


def relative_positions(window: int) -> Tensor:
    """Row of the bias table for each pair of tokens of a window, int64 [window**2, window**2], on the CPU."""
    steps = torch.arange(window, device="cpu")
    rows, columns = steps.repeat_interleave(window), steps.repeat(window)
    down = rows[:, None] - rows + window - 1
    right = columns[:, None] - columns + window - 1
    return down * (2 * window - 1) + right


@torch.no_grad()
def truncated_normal(values: Tensor, std: float) -> None:
    """Fill with normal values cut off at 2 in either direction, as timm draws them (torch's draw differs)."""
    share = math.erf(2 / std / math.sqrt(2))
    values.uniform_(-share, share).erfinv_().mul_(std * math.sqrt(2)).clamp_(-2, 2)
