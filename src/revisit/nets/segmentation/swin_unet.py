"""Swin-Unet: a U-shaped segmentation network on one Swin encoder.

Source: Cao et al. 2021 (Swin-Unet). On an encoder that STMIM pretrained it is STMIM-UNet.
The decoder starts from the blocks of a pretrained encoder too.
"""

from collections.abc import Sequence
from typing import Self, cast

from torch import Tensor

from revisit.nets.encoder import Encoder
from revisit.nets.encoders.swin import SwinEncoder
from revisit.nets.segmentation.swin_decoder import SwinDecoder, SwinNetwork, set_drop_path


class SwinUNet(SwinNetwork):
    """One encoder, one decoder; images [B, C, H, W] of the encoder's bands to logits [B, classes, H, W].

    ``drop_path``: stochastic depth of the deepest block (Swin-Unet: 0.2), less for shallower ones.
    """

    encoders = 1

    def __init__(self, encoder: SwinEncoder, classes: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = SwinDecoder(encoder, classes)
        set_drop_path([encoder], self.decoder, drop_path)

    @classmethod
    def build(
        cls, settings: SwinNetwork.Settings, encoders: Sequence[Encoder], channels: int, classes: int
    ) -> Self:
        (encoder,) = cls._taken(encoders)
        network = cls(encoder, classes, settings.drop_path)
        if encoder.card:
            network.decoder.mirror(encoder)
        return network

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.decoder(self.encoder.maps(images)))


NETWORK = SwinUNet
