"""Swin-Unet on two encoders, one a sensor, fused level by level.

On encoders that STMIM pretrained it is DualSTMIM-UNet; the fusion layer is ours: concatenate, halve, norm.
The decoder starts from the blocks of the first encoder, where that is pretrained.
"""

from collections.abc import Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder
from revisit.nets.encoders.swin import SwinEncoder
from revisit.nets.segmentation.swin_decoder import SwinDecoder, SwinNetwork, set_drop_path
from revisit.nets.shifted_windows import initialise


class DualSwinUNet(SwinNetwork):
    """Two encoders fused at every skip and at the bottleneck, one decoder.

    Images [B, C_a + C_b, H, W]: the bands of ``encoder_a``, then those of ``encoder_b``.
    """

    encoders = 2

    def __init__(
        self, encoder_a: SwinEncoder, encoder_b: SwinEncoder, classes: int, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self._taken([encoder_a, encoder_b])
        self.encoder_a, self.encoder_b = encoder_a, encoder_b
        self.fuse = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * width, width), nn.LayerNorm(width)) for width in encoder_a.widths
        )
        self.fuse.apply(initialise)
        self.decoder = SwinDecoder(encoder_a, classes)
        set_drop_path([encoder_a, encoder_b], self.decoder, drop_path)

    @classmethod
    def build(
        cls, settings: SwinNetwork.Settings, encoders: Sequence[Encoder], channels: int, classes: int
    ) -> Self:
        first, second = cls._taken(encoders)
        network = cls(first, second, classes, settings.drop_path)
        if first.card:
            network.decoder.mirror(first)
        return network

    def forward(self, images: Tensor) -> Tensor:
        wide = len(self.encoder_a.bands)
        if images.shape[1] != (total := wide + len(self.encoder_b.bands)):
            raise RevisitError(f"dual-swin-unet: needs {total} channels, got {images.shape[1]}")
        maps = zip(
            self.fuse,
            self.encoder_a.maps(images[:, :wide]),
            self.encoder_b.maps(images[:, wide:]),
            strict=True,
        )
        return cast(Tensor, self.decoder([fuse(torch.cat([a, b], -1)) for fuse, a, b in maps]))


NETWORK = DualSwinUNet
