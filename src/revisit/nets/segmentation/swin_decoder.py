"""What U-shaped networks on Swin encoders share: the decoder, and the rates of stochastic depth.

Source: Cao et al. 2021 (Swin-Unet).
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder
from revisit.nets.encoders.swin import SwinEncoder
from revisit.nets.load_save import architecture_name
from revisit.nets.network import Network
from revisit.nets.shifted_windows import initialise, swin_blocks
from revisit.nets.transformer import DropPath
from revisit.record import Record


class SwinNetwork(Network):
    """A network on Swin encoders of one shape."""

    class Settings(Record):
        """A decoder that mirrors its encoders."""

        drop_path: float = Field(0.2, ge=0, lt=1)
        """Stochastic depth of the deepest block, less for shallower ones; 0.2 is Swin-Unet's."""

    @classmethod
    def check(cls, architectures: Sequence[Mapping[str, Any]], image_pixels: int) -> None:
        names = [str(architecture.get("name")) for architecture in architectures]
        if names != [SwinEncoder.name()] * cls.encoders:
            raise RevisitError(
                f"takes {cls.encoders} {SwinEncoder.name()} encoders, got {', '.join(names) or 'none'}"
            )
        _alike([{**architecture, "image_pixels": image_pixels} for architecture in architectures])

    @classmethod
    def short_name(cls, settings: Record, architectures: Sequence[Mapping[str, Any]]) -> str:
        return " + ".join(architecture_name(architecture) for architecture in architectures)

    @classmethod
    def _taken(cls, encoders: Sequence[Encoder]) -> list[SwinEncoder]:
        swins = [encoder for encoder in encoders if isinstance(encoder, SwinEncoder)]
        if len(encoders) != cls.encoders or len(swins) != len(encoders):
            got = ", ".join(encoder.name() for encoder in encoders) or "none"
            raise RevisitError(f"takes {cls.encoders} {SwinEncoder.name()} encoders, got {got}")
        _alike([encoder.architecture() for encoder in swins])
        return swins


class SwinDecoder(nn.Module):
    """Token maps of an encoder (``SwinEncoder.maps``) to logits [B, classes, H, W], mirroring its stages."""

    def __init__(self, encoder: SwinEncoder, classes: int) -> None:
        super().__init__()
        dim = encoder.dim
        levels = list(reversed(range(len(encoder.depths) - 1)))
        widths = [dim * 2**level for level in levels]
        self.expand = nn.ModuleList(Expand(2 * width, factor=2, out=width) for width in widths)
        self.join = nn.ModuleList(nn.Linear(2 * width, width) for width in widths)
        self.stages = nn.ModuleList(
            swin_blocks(
                dim * 2**level,
                encoder.heads[level],
                encoder.depths[level],
                encoder.grid(level),
                encoder.window,
            )
            for level in levels
        )
        self.norm = nn.LayerNorm(dim)
        self.final = Expand(dim, factor=encoder.patch_pixels, out=dim)
        self.head = nn.Conv2d(dim, classes, 1, bias=False)
        self.apply(initialise)

    def mirror(self, encoder: SwinEncoder) -> None:
        """Start each stage from the encoder's of its level, as Swin-Unet does with pretrained weights."""
        for stage, source in zip(self.stages, list(encoder.stages)[-2::-1], strict=True):
            stage.load_state_dict(source.state_dict())

    def forward(self, maps: list[Tensor]) -> Tensor:
        *skips, tokens = maps
        for expand, join, stage, skip in zip(
            self.expand, self.join, self.stages, reversed(skips), strict=True
        ):
            tokens = stage(join(torch.cat([expand(tokens), skip], -1)))
        return cast(Tensor, self.head(self.final(self.norm(tokens)).permute(0, 3, 1, 2)))


class Expand(nn.Module):
    """Maps [B, H, W, C] to [B, factor*H, factor*W, out]: a linear map, rearranged, then a layer norm."""

    def __init__(self, dim: int, factor: int, out: int) -> None:
        super().__init__()
        self.factor = factor
        self.linear = nn.Linear(dim, factor * factor * out, bias=False)
        self.norm = nn.LayerNorm(out)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, rows, columns, _ = tokens.shape
        cut = self.linear(tokens).view(batch, rows, columns, self.factor, self.factor, -1)
        return cast(
            Tensor,
            self.norm(
                cut.permute(0, 1, 3, 2, 4, 5).reshape(batch, rows * self.factor, columns * self.factor, -1)
            ),
        )


def set_drop_path(encoders: Sequence[SwinEncoder], decoder: SwinDecoder, rate: float) -> None:
    """Stochastic depth rising from 0 at the first encoder block to ``rate`` at the last, mirrored upwards."""
    depths = encoders[0].depths
    # On the CPU also while a network is laid out without memory (torch.device("meta")).
    rising = iter(torch.linspace(0, rate, sum(depths), device="cpu").tolist())
    rates = [list(islice(rising, depth)) for depth in depths]
    pairs = [pair for encoder in encoders for pair in zip(encoder.stages, rates, strict=True)]
    pairs += zip(decoder.stages, rates[-2::-1], strict=True)
    for blocks, values in pairs:
        for block, value in zip(blocks.children(), values, strict=True):
            block.drop_path1, block.drop_path2 = DropPath(value), DropPath(value)


def _alike(architectures: Sequence[Mapping[str, Any]]) -> None:
    shapes = [{**architecture, "bands": None} for architecture in architectures]
    if any(shape != shapes[0] for shape in shapes):
        raise RevisitError(f"the encoders must be of one shape; got {' and '.join(map(str, shapes))}")
