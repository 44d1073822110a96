"""The contract of generators: encoders with a decoder that makes images of other bands of what they see.

A generator is an encoder like any other (built by name, saved with a card, read back strictly) that can also
``generate``.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from revisit.cube.bands import BANDS
from revisit.nets.encoder import Encoder, EncoderSettings

DEVIATION = 0.02  # of the first weights


class GeneratorSettings(EncoderSettings):
    """Settings of an architecture that makes images."""

    makes: tuple[str, ...] = Field(BANDS["sentinel-1"], min_length=1)
    """The bands it makes, in order; it sees all other bands of the modality."""


class Generator(Encoder):
    """Images of its ``bands`` to images of the bands that it ``makes``."""

    Settings: ClassVar[type[GeneratorSettings]]

    def __init__(self, settings: GeneratorSettings, bands: Sequence[str], image_pixels: int) -> None:
        super().__init__(settings, bands, image_pixels)
        self.makes = settings.makes

    @abstractmethod
    def generate(self, images: Tensor) -> Tensor:
        """Images [B, M, H, W] of the bands ``makes``, of standardised images [B, C, H, W] of the ``bands``.

        Float32, from -1 to 1, which are the ends 0 and 255 of the 8-bit scale.
        """


def start(module: nn.Module) -> None:
    """First weights as in DCGAN and after: those of convolutions around 0, those of batch norms around 1."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, DEVIATION)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, DEVIATION)
