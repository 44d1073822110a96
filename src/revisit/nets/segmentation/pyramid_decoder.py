"""What U-Nets on the pyramid of any encoder share: the decoder, and which pyramids it takes.

Source: the decoder of SeCo (Mañas et al. 2021) and CACo (Mall et al. 2023) for change and segmentation.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise, zip_longest
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder
from revisit.nets.load_save import architecture_name, check_architecture
from revisit.nets.network import Network
from revisit.record import Record

DROPOUT = 0.3


class PyramidNetwork(Network):
    """One encoder whose maps halve from level to level, and a decoder."""

    encoders = 1

    class Settings(Record):
        """Nothing to choose: the decoder is as wide as the encoder's maps."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = PyramidDecoder(encoder.settings.skip_shapes(), classes)

    @classmethod
    def build(cls, settings: Settings, encoders: Sequence[Encoder], channels: int, classes: int) -> Self:
        cls._strides([encoder.architecture() for encoder in encoders])
        return cls(encoders[0], classes)

    @classmethod
    def check(cls, architectures: Sequence[Mapping[str, Any]], image_pixels: int) -> None:
        if image_pixels % (widest := cls._strides(architectures)[-1]):
            raise RevisitError(
                f"image_pixels {image_pixels} must be a multiple of {widest}, the encoder's widest cell"
            )

    @classmethod
    def short_name(cls, settings: Record, architectures: Sequence[Mapping[str, Any]]) -> str:
        return architecture_name(architectures[0])

    @classmethod
    def _strides(cls, architectures: Sequence[Mapping[str, Any]]) -> list[int]:
        """Pixels a cell of each level of the encoder; raises RevisitError where it is none of those taken."""
        if len(architectures) != 1:
            raise RevisitError(f"takes one encoder, got {len(architectures)}")
        strides = [stride for stride, _ in check_architecture(architectures[0]).skip_shapes()]
        doubles = all(2 * fine == coarse for fine, coarse in pairwise(strides))
        if not doubles or strides[0].bit_count() != 1:
            raise RevisitError(
                f"takes an encoder whose cells are 1, 2, 4, … pixels wide, each level's twice as wide as the "
                f"one's before; those of {architectures[0]['name']} are {strides}"
            )
        return strides


class PyramidDecoder(nn.Module):
    """Maps of an encoder (``Encoder.skips``), fine to coarse, to logits [B, classes, H, W].

    ``shapes``: stride and channels of each map. Beyond the finest map come steps without a skip, until a cell
    is 2 pixels wide; the last doubling is bare, and a 1 x 1 convolution makes the logits.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], classes: int) -> None:
        super().__init__()
        strides, widths = zip(*shapes, strict=True)
        entering = widths[-1]
        self.steps = nn.ModuleList()
        for skip in reversed(widths[:-1]):
            self.steps.append(Step(entering, skip))
            entering = skip
        stride = strides[0]
        while stride > 2:
            self.steps.append(Step(entering, 0))
            entering, stride = max(entering // 2, 1), stride // 2
        self.upsample = nn.Upsample(scale_factor=stride, mode="nearest")
        self.head = nn.Conv2d(entering, classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        *skips, features = maps
        for step, skip in zip_longest(self.steps, reversed(skips)):
            features = step(features, skip)
        return cast(Tensor, self.head(self.upsample(features)))


class Step(nn.Module):
    """Maps [B, entering, H, W] to [B, skip, 2H, 2W], joined by a map of the encoder's of that shape.

    Without one (``skip`` 0) they become half as wide.
    """

    def __init__(self, entering: int, skip: int) -> None:
        super().__init__()
        leaving = skip or max(entering // 2, 1)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.narrow = nn.Conv2d(entering, leaving, 3, padding=1)
        self.join = nn.Sequential(
            nn.Conv2d(leaving + skip, leaving, 3, padding=1, bias=False),
            nn.BatchNorm2d(leaving),
            nn.ReLU(inplace=True),
            nn.Dropout2d(DROPOUT),
        )

    def forward(self, features: Tensor, skip: Tensor | None) -> Tensor:
        features = self.narrow(self.upsample(features))
        if skip is not None:
            features = torch.cat([features, skip], 1)
        return cast(Tensor, self.join(features))
