"""The pre-norm transformer block of ViT, and stochastic depth.

Names of the weights, their order and every operation are those of timm's ``vision_transformer.Block`` (Apache
2.0), so weights of either load into the other. To import timm takes longer than all else a short job does.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from revisit.errors import RevisitError


class Block(nn.Module):
    """Self-attention and a two-layer perceptron, each on a layer norm and added to its input: [B, N, dim].

    Source: Dosovitskiy et al. 2021. ``heads`` must divide ``dim``. ``qkv_bias``: whether queries, keys and
    values have a bias.
    """

    def __init__(self, dim: int, heads: int, mlp_ratio: float = 4.0, qkv_bias: bool = True) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads, qkv_bias)
        self.drop_path1 = DropPath()
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path2 = DropPath()

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.drop_path1(self.attn(self.norm1(tokens)))
        tokens = tokens + self.drop_path2(self.mlp(self.norm2(tokens)))
        return tokens


class Attention(nn.Module):
    """Multi-head self-attention of all tokens with all, [B, N, dim]."""

    def __init__(self, dim: int, heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, dim = tokens.shape
        parts = self.qkv(tokens).reshape(batch, count, 3, self.heads, dim // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, dim))
        return result


class Mlp(nn.Module):
    """Two linear maps with GELU between, [..., dim]."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return result


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): in training a sample's branch is left out at rate ``drop_prob``.

    Branches that are kept are scaled up, so that the expected value stays.
    """

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, branch: Tensor) -> Tensor:
        if self.drop_prob == 0 or not self.training:
            return branch
        keep = 1 - self.drop_prob
        drawn = branch.new_empty((len(branch),) + (1,) * (branch.ndim - 1)).bernoulli_(keep)
        return branch * (drawn.div_(keep) if keep > 0 else drawn)


def stochastic_depth(encoder: nn.Module, rate: float) -> None:
    """Leave out branches of an encoder's blocks, in the first at a rate of 0, rising to ``rate`` in the last.

    Raises RevisitError for an encoder without such blocks.
    """
    branches = [module for module in encoder.modules() if isinstance(module, DropPath)]
    if not branches:
        raise RevisitError("the encoder has no transformer blocks to leave out; set drop_path to 0")
    # On the CPU also while an encoder is laid out without memory (torch.device("meta")).
    rates = torch.linspace(0, rate, len(branches) // 2, device="cpu").repeat_interleave(2)
    for branch, own in zip(branches, rates.tolist(), strict=True):
        branch.drop_prob = own
