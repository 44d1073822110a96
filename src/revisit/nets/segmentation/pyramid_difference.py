"""Change between two images: one encoder on both, and a U-Net's decoder on how their features differ.

Source: Mañas et al. 2021 (SeCo), change detection on OSCD.
"""

from typing import cast

from torch import Tensor

from revisit.nets.segmentation.pyramid_decoder import PyramidNetwork


class PyramidDifference(PyramidNetwork):
    """Images [B, 2, C, H, W] of the encoder's bands to logits [B, classes, H, W], whichever is the first.

    The decoder sees the absolute difference of the two images' maps at each level. Both pass the encoder in
    one batch, so that batch normalisation treats them alike in training.
    """

    dates = 2

    def forward(self, images: Tensor) -> Tensor:
        maps = self.encoder.skips(images.flatten(0, 1))
        pairs = [level.view(*images.shape[:2], *level.shape[1:]) for level in maps]
        return cast(Tensor, self.decoder([(pair[:, 0] - pair[:, 1]).abs() for pair in pairs]))


NETWORK = PyramidDifference
