"""Swin-Unet and its two-encoder form: U-shaped segmentation networks on Swin encoders.

Source: Cao et al. 2021 (Swin-Unet). With a pretrained encoder ``SwinUNet`` is STMIM-UNet; with two of them,
fused level by level, ``DualSwinUNet`` is DualSTMIM-UNet (the fusion layer is ours: concatenate, halve, norm).
"""

from collections.abc import Sequence

import torch
from timm.layers import DropPath
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.swin import SwinEncoder, initialise, swin_blocks


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

    def forward(self, maps: list[Tensor]) -> Tensor:
        *skips, tokens = maps
        for expand, join, stage, skip in zip(
            self.expand, self.join, self.stages, reversed(skips), strict=True
        ):
            tokens = stage(join(torch.cat([expand(tokens), skip], -1)))
        return self.head(self.final(self.norm(tokens)).permute(0, 3, 1, 2))


class SwinUNet(nn.Module):
    """One encoder, one decoder; images [B, C, H, W] of the encoder's bands to logits [B, classes, H, W].

    ``drop_path``: stochastic depth of the deepest block (Swin-Unet: 0.2), less for shallower ones.
    """

    def __init__(self, encoder: SwinEncoder, classes: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = SwinDecoder(encoder, classes)
        set_drop_path([encoder], self.decoder, drop_path)

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encoder.maps(images))


class DualSwinUNet(nn.Module):
    """Two encoders fused at every skip and at the bottleneck, one decoder.

    Images [B, C_a + C_b, H, W]: the bands of ``encoder_a``, then those of ``encoder_b``.
    """

    def __init__(
        self, encoder_a: SwinEncoder, encoder_b: SwinEncoder, classes: int, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        shapes = [{**encoder.architecture(), "bands": None} for encoder in (encoder_a, encoder_b)]
        if shapes[0] != shapes[1]:
            raise RevisitError(
                f"dual swin-unet: the two encoders must be of one shape; got {shapes[0]} and {shapes[1]}"
            )
        self.encoder_a, self.encoder_b = encoder_a, encoder_b
        widths = [encoder_a.dim * 2**level for level in range(len(encoder_a.depths))]
        self.fuse = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * width, width), nn.LayerNorm(width)) for width in widths
        )
        self.fuse.apply(initialise)
        self.decoder = SwinDecoder(encoder_a, classes)
        set_drop_path([encoder_a, encoder_b], self.decoder, drop_path)

    def forward(self, images: Tensor) -> Tensor:
        counts = [len(self.encoder_a.bands), len(self.encoder_b.bands)]
        if images.shape[1] != sum(counts):
            raise RevisitError(f"dual swin-unet: needs {sum(counts)} channels, got {images.shape[1]}")
        first, second = images.split(counts, 1)
        pairs = zip(self.fuse, self.encoder_a.maps(first), self.encoder_b.maps(second), strict=True)
        return self.decoder([fuse(torch.cat([a, b], -1)) for fuse, a, b in pairs])


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
        return self.norm(
            cut.permute(0, 1, 3, 2, 4, 5).reshape(batch, rows * self.factor, columns * self.factor, -1)
        )


def set_drop_path(encoders: Sequence[SwinEncoder], decoder: SwinDecoder, rate: float) -> None:
    """Stochastic depth rising from 0 at the first encoder block to ``rate`` at the last, mirrored upwards."""
    depths = encoders[0].depths
    rates = torch.linspace(0, rate, sum(depths)).split(depths)
    pairs = [pair for encoder in encoders for pair in zip(encoder.stages, rates, strict=True)]
    pairs += zip(decoder.stages, rates[-2::-1], strict=True)
    for blocks, values in pairs:
        for block, value in zip(blocks.children(), values.tolist(), strict=True):
            block.drop_path1, block.drop_path2 = DropPath(value), DropPath(value)
