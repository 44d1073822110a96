"""A U-Net on features that one small network finds in each band by itself; features of every single pixel.

After Montanaro et al. 2022, "Self-supervised learning for joint SAR and multispectral land cover
classification": what sees a single channel has the same weights for all of them, and what puts channels
together is above it. The paper's own sizes are not known to us; these are ours.
"""

from collections.abc import Sequence
from typing import cast

from pydantic import Field
from torch import Tensor, nn

from revisit.nets.encoder import Encoder, EncoderSettings
from revisit.nets.encoders.resnet import BasicBlock, convolution
from revisit.nets.segmentation.unet import STRIDE, UNet


class ChannelUNet(Encoder):
    """One map of features as large as the image. Needs exactly its bands.

    ``pooled`` is the mean over all pixels.
    """

    class Settings(EncoderSettings):
        """An extractor of two residual blocks on each band, its maps fused, and a U-Net on them."""

        channel_width: int = Field(64, ge=1)
        """Features that the extractor finds in a pixel of one band."""
        width: int = Field(64, ge=1)
        """Features of a pixel of all bands together, and width of the U-Net's finest level."""

        def side_multiple(self) -> int:
            return STRIDE

        def strides(self) -> tuple[int, ...]:
            return (1,)

        def widths(self) -> tuple[int, ...]:
            return (self.width,)

        def size(self) -> str:
            return f"channel width {self.channel_width} width {self.width}"

    settings: Settings

    def __init__(self, settings: Settings, bands: Sequence[str], image_pixels: int) -> None:
        super().__init__(settings, bands, image_pixels)
        narrow, width = settings.channel_width, settings.width
        self.extractor = nn.Sequential(
            convolution(1, narrow, 3),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            BasicBlock(narrow, narrow, 1),
            BasicBlock(narrow, narrow, 1),
        )
        self.fusion = nn.Sequential(
            convolution(len(bands) * narrow, width, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.body = UNet(width, width, width)
        self.body.add_module("head", nn.Identity())  # its features, no classes

    def of_channels(self, channels: Tensor) -> Tensor:
        """Features [B, C, F, H, W] of each of any channels [B, C, H, W], standardised, by itself."""
        features = self.extractor(channels.flatten(0, 1)[:, None])
        return cast(Tensor, features.unflatten(0, channels.shape[:2]))

    def pyramid(self, images: Tensor, bands: Sequence[str] | None = None) -> list[Tensor]:
        """The one map, [B, width, H, W]."""
        images, _ = self.enter(images, bands)
        return [self.body(self.fusion(self.of_channels(images).flatten(1, 2)))]

    def forward_features(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        return self.pyramid(images, bands)[-1].flatten(2).transpose(1, 2)

    def layers(self) -> list[list[nn.Parameter]]:
        """The extractor, the fusion, then the levels of the U-Net in the order they are passed."""
        levels = [*self.body.down, *self.body.up]
        return [list(part.parameters()) for part in (self.extractor, self.fusion, *levels)]


ENCODER = ChannelUNet
