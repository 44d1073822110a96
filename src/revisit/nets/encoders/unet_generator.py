"""The U-Net generator of pix2pix (Isola et al., CVPR 2017, section 6.1): down to one cell and up again.

Every level halves or doubles the sides by a 4 x 4 convolution; a level on the way up also sees the level of
its size on the way down. With 8 levels and width 64 it is the paper's network for 256 x 256 pixels.
"""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from revisit.nets.generator import Generator, GeneratorSettings, start

WIDEST = 8  # times the width of the finest level
DROPPING = 3  # levels on the way up that have dropout, of those as wide as the coarsest
SLOPE = 0.2  # of the leaky ReLU


class UNetGenerator(Generator):
    """``down``: levels that halve the sides; ``up``: levels that double them; ``head``: the last of these."""

    class Settings(GeneratorSettings):
        """The U-Net's own keys."""

        width: int = Field(64, ge=1)
        """Channels of the finest level; they double from level to level, up to eight times as many."""
        levels: int = Field(8, ge=2)
        """How often the sides are halved: 8 for 256 pixels, 5 for 32."""
        dropout: float = Field(0.5, ge=0, lt=1)
        """Of the first levels on the way up that are as wide as the coarsest, at most three."""

        def strides(self) -> tuple[int, ...]:
            return tuple(2 ** (level + 1) for level in range(self.levels))

        def widths(self) -> tuple[int, ...]:
            return tuple(min(2**level, WIDEST) * self.width for level in range(self.levels))

        def side_multiple(self) -> int:
            return int(2**self.levels)

        def size(self) -> str:
            made = ",".join(self.makes)
            return f"width {self.width} levels {self.levels} dropout {self.dropout} to {made}"

    def __init__(self, settings: Settings, bands: Sequence[str], image_pixels: int) -> None:
        super().__init__(settings, bands, image_pixels)
        widths, coarsest = self.widths, len(self.widths) - 1
        self.down = nn.ModuleList(
            # Neither the first level is normalised nor the coarsest, which has one cell.
            _level(nn.Conv2d, narrow, wide, nn.LeakyReLU(SLOPE, inplace=True), 0 < level < coarsest)
            for level, (narrow, wide) in enumerate(zip((len(bands), *widths), widths, strict=False))
        )
        self.up = nn.ModuleList()
        for step, level in enumerate(range(coarsest, 0, -1)):
            drops = step < DROPPING and widths[level - 1] == widths[coarsest]
            self.up.append(
                _level(
                    nn.ConvTranspose2d,
                    widths[level] * (2 if step else 1),
                    widths[level - 1],
                    nn.ReLU(inplace=True),
                    True,
                    settings.dropout if drops else 0.0,
                )
            )
        self.head = nn.ConvTranspose2d(2 * widths[0], len(self.makes), 4, 2, 1)
        self.apply(start)

    def pyramid(self, images: Tensor, bands: Sequence[str] | None = None) -> list[Tensor]:
        features, _ = self.enter(images, bands)
        maps = []
        for level in self.down:
            features = level(features)
            maps.append(features)
        return maps

    def forward_features(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        return self.pyramid(images, bands)[-1].flatten(2).transpose(1, 2)

    def generate(self, images: Tensor) -> Tensor:
        features, *skips = reversed(self.pyramid(images))
        for level, skip in zip(self.up, skips, strict=True):
            features = torch.cat([level(features), skip], 1)
        return torch.tanh(self.head(features).float())

    def layers(self) -> list[list[nn.Parameter]]:
        after = [*self.up.parameters(), *self.head.parameters()]
        return [*([*level.parameters()] for level in self.down), after]


def _level(
    convolution: type[nn.Conv2d | nn.ConvTranspose2d],
    channels: int,
    out: int,
    activation: nn.Module,
    normed: bool,
    dropout: float = 0.0,
) -> nn.Sequential:
    """A convolution of stride 2, batch norm, dropout and activation."""
    made: list[nn.Module] = [convolution(channels, out, 4, 2, 1, bias=not normed)]
    made += [nn.BatchNorm2d(out)] if normed else []
    made += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*made, activation)


ENCODER = UNetGenerator
