"""3DMAE: a masked autoencoder over channels and space for SAR and optical images of one place.

The encoder sees a quarter of the positions, and of each only the channels the vertical mask leaves; a small
decoder reconstructs every hidden (position, channel) cell; pixels without data count for nothing.
"""

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, MethodSettings
from revisit.methods.parts.draws import crop_and_flip, random_subset
from revisit.methods.parts.validity import holds_data
from revisit.methods.parts.vertical_mask import Variant, VerticalMask
from revisit.nets.encoders.channel_vit import ChannelViT, initialise, patchify, position_code, unpatchify
from revisit.nets.transformer import Block
from revisit.patches.batch import Batch
from revisit.record import Record

VARIANCE_FLOOR = 1e-6  # MAE's, inside the root


class Decoder(nn.Module):
    """Encoded visible tokens to pixels of all cells: a narrow ViT over all positions."""

    def __init__(self, encoder: ChannelViT, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        if dim % heads or dim % 4:
            raise RevisitError(
                f"method.decoder: dim {dim} must be a multiple of heads {heads} and of 4; change one of them"
            )
        self.dim, self.channels = dim, len(encoder.bands)
        self.enter = nn.Linear(encoder.feature_dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.leave = nn.Linear(dim, self.channels * encoder.patch_pixels**2)
        self.apply(initialise)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, tokens: Tensor, kept: Tensor, rows: int) -> Tensor:
        """Tokens [B, K, D] at positions ``kept`` [B, K] of a square grid to cells [B, N, C, p*p]."""
        tokens = self.enter(tokens)
        empty = self.mask_token.to(tokens.dtype).expand(len(tokens), rows * rows, -1)
        full = empty.scatter(1, kept[..., None].expand_as(tokens), tokens)
        full = full + position_code(rows, rows, self.dim, tokens.device)
        for block in self.blocks:
            full = block(full)
        cells: Tensor = self.leave(self.norm(full))
        return cells.view(*cells.shape[:2], self.channels, -1)


class DecoderSettings(Record):
    """The decoder, which is thrown away after pretraining."""

    dim: int = Field(gt=0)
    """Width of its tokens."""
    depth: int = Field(ge=0)
    """Number of transformer blocks."""
    heads: int = Field(gt=0)
    """Attention heads of a block."""


class MAE3D(Method):
    """3DMAE with one of the four vertical masks.

    Without normalised targets a cell's level stays in the task.
    """

    class Settings(MethodSettings):
        """3DMAE's own keys."""

        mask: Variant
        """What is hidden at a position: a modality (rm), channels (rc), both in turn (rm+rc), a mix (3dm)."""
        decoder: DecoderSettings
        """The decoder that reconstructs hidden cells."""
        mask_ratio: float = Field(0.75, gt=0, lt=1)
        """Share of the positions of which the encoder sees nothing."""
        normalise_targets: bool = True
        """Whether hidden cells are compared by their own mean and deviation, as in MAE, or as they are."""

    source = "3DMAE: joint SAR and optical representation learning with vertical masking (IEEE GRSL 2023)"
    choices = (
        "channels dropped with probability 1/2; spatial mask 0.75; one linear map a channel, summed over "
        "visible channels; targets normalised per (position, channel); squared error on all hidden pixels "
        "that hold data, the encoder sees others as their band's mean; flips and crops"
    )
    reconstructs = True
    encoder: ChannelViT

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        if not isinstance(self.encoder, ChannelViT):
            raise RevisitError(
                f"{self.name}: encoder.name must be channel-vit, which takes any set of channels, "
                f"not {settings.encoder.get('name')}"
            )
        self.vertical_mask = VerticalMask(settings.mask, data.bands)
        self.mask_ratio = settings.mask_ratio
        self.normalise_targets = settings.normalise_targets
        positions = (self.crop_pixels // self.encoder.patch_pixels) ** 2
        if not 0 < self._keep(positions) < positions:
            raise RevisitError(
                f"{self.name}: mask_ratio {self.mask_ratio} keeps {self._keep(positions)} of {positions} "
                f"positions; change it, or encoder.patch_pixels"
            )
        decoder = settings.decoder
        self.decoder = Decoder(self.encoder, decoder.dim, decoder.depth, decoder.heads)

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``patches`` and ``data`` [B, N, C, p*p], ``visible`` [B, N, C], ``kept`` [B, K] positions.

        Patches are float32; data and visible bool: pixels that hold data, cells that the encoder may see.
        """
        return self._masked(crop_and_flip(batch.images, self.crop_pixels, generator), generator)

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        """Mean squared error over all hidden pixels that hold data."""
        target = views["patches"]
        if self.normalise_targets:
            mean, deviation = cell_moments(target, views["data"])
            target = (target - mean) / deviation
        error = (self.predict(views).float() - target).square()
        counted = _counted(views)
        return {"loss": (error * counted).sum() / counted.sum().clamp(min=1)}

    def shares(self, views: dict[str, Tensor]) -> Tensor:
        """Hidden pixels with data of each sample."""
        return _counted(views).sum((1, 2, 3))

    def predict(self, views: dict[str, Tensor]) -> Tensor:
        """Pixels of all cells as the targets are, [B, N, C, p*p]; only visible cells reach the encoder."""
        patches, visible, kept = views["patches"], views["visible"], views["kept"]
        sample = torch.arange(len(kept), device=kept.device)[:, None]
        rows = math.isqrt(patches.shape[1])
        code = position_code(rows, rows, self.encoder.feature_dim, kept.device)[kept]
        tokens = self.encoder.embed(patches[sample, kept], visible=visible[sample, kept]) + code
        tokens = self.encoder.norm(self.encoder.transform(tokens))
        cells: Tensor = self.decoder(tokens, kept, rows)
        return cells

    @torch.no_grad()
    def reconstruct(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """As ``Method.reconstruct``; normalised predictions get the true mean and deviation of their cell."""
        views = self._masked(images, generator)
        patches, visible = views["patches"], views["visible"][..., None]
        predicted = self.predict(views).float()
        if self.normalise_targets:
            mean, deviation = cell_moments(patches, views["data"])
            predicted = predicted * deviation + mean
        rows = math.isqrt(patches.shape[1])
        return {
            "input": unpatchify(patches, rows),
            "masked": unpatchify(patches * visible, rows),
            "reconstruction": unpatchify(torch.where(visible, patches, predicted), rows),
            # The side of the cells whose predictions were given their level and contrast; 0 for none.
            "moments_given": torch.tensor(self.encoder.patch_pixels if self.normalise_targets else 0),
        }

    def _masked(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        patches = patchify(self.standardised(images), self.encoder.patch_pixels)
        data = patchify(holds_data(images, self.data.bands), self.encoder.patch_pixels)
        samples, positions = patches.shape[:2]
        visible = self.vertical_mask.draw(samples, positions, generator)
        kept = random_subset((samples, positions), self._keep(positions), generator)
        in_space = torch.zeros_like(visible).scatter_(
            1, kept[..., None].expand(-1, -1, visible.shape[2]), True
        )
        return {"patches": patches, "data": data, "visible": visible & in_space, "kept": kept}

    def _keep(self, positions: int) -> int:
        return int(positions * (1 - self.mask_ratio))


def cell_moments(patches: Tensor, data: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (unbiased variance, floored) of each cell's pixels with data, [..., 1] each."""
    count = data.sum(-1, keepdim=True)
    mean = (patches * data).sum(-1, keepdim=True) / count.clamp(min=1)
    # torch.var_mean is ten times slower than this on short rows.
    squares = ((patches - mean) * data).square().sum(-1, keepdim=True)
    return mean, (squares / (count - 1).clamp(min=1) + VARIANCE_FLOOR).sqrt()


def _counted(views: dict[str, Tensor]) -> Tensor:
    """Pixels that the loss is over: bool [B, N, C, p*p]."""
    return views["data"] & ~views["visible"][..., None]


METHOD = MAE3D
