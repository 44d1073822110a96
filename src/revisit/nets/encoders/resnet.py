"""ResNet-18, -34 and -50, for images of any number of bands.

Source: He et al. 2016, with the stride in a bottleneck's 3 x 3 convolution ("v1.5"). Weights have the names
they have in torchvision, so those trained on ImageNet load as they are (``revisit.nets.imagenet_weights``).
"""

from collections.abc import Sequence
from typing import Literal, cast

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from revisit.nets.encoder import Encoder, EncoderSettings

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
WIDTH = 64  # of the first stage of the networks known by these names


class ResNet(Encoder):
    """Four stages, each twice as wide and half as large as the one before.

    Needs exactly its bands. ``pooled`` is the mean over the last map, torchvision's input to its classifier.
    """

    class Settings(EncoderSettings):
        """A residual network; `patch_pixels` of its card is the side of a cell of its finest map."""

        depth: Literal[18, 34, 50]
        """Layers, by which the network is known; 50 has bottlenecks, and maps four times as wide."""
        stem: Literal["imagenet", "small"] = Field("imagenet")
        """`imagenet`: a 7 x 7 convolution and a pooling, to a quarter of the image's side, as weights from
        ImageNet need; `small`: a 3 x 3 convolution that keeps the side, for images of 32 pixels or so."""
        width: int = Field(WIDTH, ge=1)
        """Channels of the first stage; twice as many in each that follows."""

        def strides(self) -> tuple[int, ...]:
            finest = 4 if self.stem == "imagenet" else 1
            return tuple(finest * 2**stage for stage in range(4))

        def widths(self) -> tuple[int, ...]:
            return tuple(width * (4 if self.depth == 50 else 1) for width in self.inner_widths())

        def skip_shapes(self) -> list[tuple[int, int]]:
            stem = [(2, self.width)] if self.stem == "imagenet" else []
            return stem + super().skip_shapes()

        def inner_widths(self) -> tuple[int, ...]:
            """Channels of the 3 x 3 convolutions of each stage."""
            return tuple(self.width * 2**stage for stage in range(4))

        def size(self) -> str:
            width = "" if self.width == WIDTH else f" width {self.width}"
            return f"depth {self.depth} stem {self.stem}{width}"

        def known_as(self) -> str | None:
            if self.width != WIDTH:
                return None
            return f"ResNet-{self.depth}" + ("" if self.stem == "imagenet" else f" {self.stem} stem")

    settings: Settings

    def __init__(self, settings: Settings, bands: Sequence[str], image_pixels: int) -> None:
        super().__init__(settings, bands, image_pixels)
        small, entering = settings.stem == "small", settings.width
        self.conv1 = convolution(len(bands), entering, *((3, 1) if small else (7, 2)))
        self.bn1 = nn.BatchNorm2d(entering)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        kind = Bottleneck if settings.depth == 50 else BasicBlock
        widths = settings.inner_widths()
        for stage, (width, count) in enumerate(zip(widths, BLOCKS[settings.depth], strict=True)):
            blocks = [
                kind(entering if block == 0 else self.widths[stage], width, 2 if stage and not block else 1)
                for block in range(count)
            ]
            entering = self.widths[stage]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def start_as_identity(self) -> None:
        """Let every block begin as its shortcut: the scale of its last norm is 0 (Goyal et al. 2017)."""
        for block in (block for stage in self._stages() for block in stage):
            last = block.bn3 if isinstance(block, Bottleneck) else cast(BasicBlock, block).bn2
            nn.init.zeros_(last.weight)

    def pyramid(self, images: Tensor, bands: Sequence[str] | None = None) -> list[Tensor]:
        """The output of each stage."""
        images, _ = self.enter(images, bands)
        return self._above(self.conv1(images))

    def skips(self, images: Tensor) -> list[Tensor]:
        """Before the pyramid, where the stem halves the image, its convolution as it is, as SeCo takes it."""
        images, _ = self.enter(images)
        stem = self.conv1(images)
        return [stem, *self._above(stem)] if self.conv1.stride == (2, 2) else self._above(stem)

    def forward_features(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        return self.pyramid(images, bands)[-1].flatten(2).transpose(1, 2)

    def layers(self) -> list[list[nn.Parameter]]:
        """Stem, then each block."""
        blocks = [block for stage in self._stages() for block in stage]
        stem = [*self.conv1.parameters(), *self.bn1.parameters()]
        return [stem, *(list(block.parameters()) for block in blocks)]

    def _above(self, stem: Tensor) -> list[Tensor]:
        """The output of each stage, of that of the first convolution."""
        features = self.maxpool(F.relu(self.bn1(stem)))
        maps = []
        for stage in self._stages():
            features = stage(features)
            maps.append(features)
        return maps

    def _stages(self) -> list[nn.Sequential]:
        return [cast(nn.Sequential, self.get_submodule(f"layer{stage}")) for stage in range(1, 5)]


ENCODER = ResNet


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; the first may halve the map."""

    def __init__(self, entering: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = convolution(entering, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(entering, width, stride)

    def forward(self, features: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(features)))
        return F.relu(self.bn2(self.conv2(out)) + _past(self.downsample, features))


class Bottleneck(nn.Module):
    """A 1 x 1, a 3 x 3 and a widening 1 x 1 convolution around a shortcut; the second may halve the map."""

    def __init__(self, entering: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = convolution(entering, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = shortcut(entering, 4 * width, stride)

    def forward(self, features: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(features)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + _past(self.downsample, features))


def convolution(entering: int, leaving: int, side: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the map's side but for its stride."""
    return nn.Conv2d(entering, leaving, side, stride=stride, padding=side // 2, bias=False)


def shortcut(entering: int, leaving: int, stride: int) -> nn.Sequential | None:
    """What brings a block's input to the shape of its output; None where it has it."""
    if entering == leaving and stride == 1:
        return None
    return nn.Sequential(Thinned(entering, leaving, stride), nn.BatchNorm2d(leaving))


class Thinned(nn.Conv2d):
    """A 1 x 1 convolution of every ``every``-th pixel, without bias: one with that stride, taken apart.

    With the stride, oneDNN in PyTorch 2.15 writes past its memory: channels last, 4 or 8 channels, 64 pixels.
    """

    def __init__(self, entering: int, leaving: int, every: int) -> None:
        super().__init__(entering, leaving, 1, bias=False)
        self.every = every

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features[..., :: self.every, :: self.every])


def _past(downsample: nn.Sequential | None, features: Tensor) -> Tensor:
    return features if downsample is None else cast(Tensor, downsample(features))
