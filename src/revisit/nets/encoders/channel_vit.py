"""Vision transformer that embeds each channel apart, so that any set of channels can be shown to it.

A token is one position: the sum over its visible channels of a linear map of the channel's p x p pixels
plus a learned channel bias, plus a fixed sine-cosine position code. With all channels visible this is an
ordinary patch embedding, so nothing changes when a masked encoder is used on whole images.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from revisit.nets.vision_transformer import VisionTransformer, VisionTransformerSettings


class ChannelViT(VisionTransformer):
    """Takes images of any subset of its bands, and any size that is a multiple of ``patch_pixels``."""

    class Settings(VisionTransformerSettings):
        """A pre-norm ViT without class token; ViT-Base is dim 768, depth 12, heads 12."""

        def known_as(self) -> str | None:
            known = self.known_size()
            return known and f"Channel ViT-{known}"

    def __init__(self, settings: Settings, bands: Sequence[str], image_pixels: int) -> None:
        super().__init__(settings, bands, image_pixels)
        dim = settings.dim
        self.embedding = nn.Parameter(torch.empty(len(bands), self.patch_pixels**2, dim))
        self.channel_bias = nn.Parameter(torch.empty(len(bands), dim))
        self.add_blocks(settings)
        nn.init.xavier_uniform_(self.embedding.view(-1, dim))
        nn.init.normal_(self.channel_bias, std=0.02)

    def embedding_parameters(self) -> list[nn.Parameter]:
        return [self.embedding, self.channel_bias]

    def embed(
        self, patches: Tensor, channels: Sequence[int] | None = None, visible: Tensor | None = None
    ) -> Tensor:
        """Sum of the embeddings of the visible cells, without position: [B, K, D].

        ``patches`` [B, K, C, p*p]: pixels of K positions; ``channels``: which of the encoder's channels they
        are (None: all, in order); ``visible`` [B, K, C] bool: cells to be seen (None: all).
        """
        which = slice(None) if channels is None else list(channels)
        weight, bias = self.embedding[which], self.channel_bias[which]
        if visible is None:
            return F.linear(patches.flatten(2), weight.flatten(0, 1).T, bias.sum(0))
        seen = visible.to(patches.dtype)
        # Masked cells become zeros, so one product embeds all channels; only biases of seen ones count.
        return F.linear((patches * seen[..., None]).flatten(2), weight.flatten(0, 1).T) + F.linear(
            seen, bias.T
        )


ENCODER = ChannelViT
