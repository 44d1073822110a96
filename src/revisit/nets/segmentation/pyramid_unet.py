"""A U-Net on the pyramid of any encoder, ResNets above all, as SeCo and CACo segment images with theirs."""

from typing import cast

from torch import Tensor

from revisit.nets.segmentation.pyramid_decoder import PyramidNetwork


class PyramidUNet(PyramidNetwork):
    """Images [B, C, H, W] of the encoder's bands to logits [B, classes, H, W]."""

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.decoder(self.encoder.skips(images)))


NETWORK = PyramidUNet
