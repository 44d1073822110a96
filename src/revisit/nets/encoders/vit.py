"""Vision transformer with one patch embedding over all channels, as ViT, MAE and SatViT have it.

Names and shapes of the weights are those of MAE's encoder and of timm's ``VisionTransformer``, so weights of
either load by their names; the position codes are MAE's, and its ``pos_embed`` is no weight here. Channels
that images lack add nothing to a token: they are at their mean, 0.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from revisit.nets.vision_transformer import VisionTransformer, VisionTransformerSettings


class ViT(VisionTransformer):
    """Takes images of any subset of its bands, and any size that is a multiple of ``patch_pixels``."""

    class Settings(VisionTransformerSettings):
        """A pre-norm ViT; ViT-Base is dim 768, depth 12, heads 12."""

        pooling: Literal["mean", "class-token"] = "mean"
        """What stands for an image: the `mean` of its tokens, or a learned `class-token` beside them."""
        qkv_bias: bool = True
        """Whether queries, keys and values have a bias; not in SatViT."""

        def size(self) -> str:
            return super().size() + self._others()

        def known_as(self) -> str | None:
            known = self.known_size()
            return known and f"ViT-{known}{self._others()}"

        def _others(self) -> str:
            pooling = "" if self.pooling == "mean" else " class token"
            return pooling + ("" if self.qkv_bias else " no qkv bias")

    settings: Settings

    def __init__(self, settings: Settings, bands: Sequence[str], image_pixels: int) -> None:
        super().__init__(settings, bands, image_pixels)
        dim, side = settings.dim, self.patch_pixels
        self.pooling = settings.pooling
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim)) if settings.pooling == "class-token" else None
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(len(bands), dim, side, stride=side)))
        self.add_blocks(settings, settings.qkv_bias)
        nn.init.xavier_uniform_(self._projection.weight.view(dim, -1))
        nn.init.zeros_(cast(Tensor, self._projection.bias))
        if self.cls_token is not None:
            nn.init.normal_(self.cls_token, std=0.02)

    def embedding_parameters(self) -> list[nn.Parameter]:
        token = [] if self.cls_token is None else [self.cls_token]
        return [*token, *self._projection.parameters()]

    def embed(self, patches: Tensor, channels: Sequence[int] | None = None) -> Tensor:
        weight = self._projection.weight
        weight = weight if channels is None else weight[:, list(channels)]
        return F.linear(patches.flatten(2), weight.flatten(1), self._projection.bias)

    def transform(self, tokens: Tensor) -> Tensor:
        """The transformer blocks, without the last norm; the class token, where there is one, is in front."""
        if self.cls_token is not None:
            tokens = torch.cat([self.cls_token.to(tokens.dtype).expand(tokens.shape[0], -1, -1), tokens], 1)
        return super().transform(tokens)

    def forward_features(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        return self.cells(super().forward_features(images, bands))

    def pooled(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """The class token after the layer norm; without one, the mean of the tokens, then the layer norm."""
        if self.cls_token is None:
            return super().pooled(images, bands)
        return super().forward_features(images, bands)[:, 0]

    def cells(self, tokens: Tensor) -> Tensor:
        return tokens if self.cls_token is None else tokens[:, 1:]

    @property
    def _projection(self) -> nn.Conv2d:
        return cast(nn.Conv2d, self.patch_embed.proj)


ENCODER = ViT
