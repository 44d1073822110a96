"""3DMAE: a masked autoencoder over channels and space for SAR and optical images of one place.

The encoder sees a quarter of the positions, and of each only the channels the vertical mask leaves; a small
decoder reconstructs every hidden (position, channel) cell; pixels without data count for nothing.
"""

import math

import torch
from pydantic import Field
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, MethodSettings
from revisit.methods.parts.draws import crop_and_flip, random_subset
from revisit.methods.parts.masked_patches import Decoder, DecoderSettings, kept_positions, moments
from revisit.methods.parts.validity import holds_data
from revisit.methods.parts.vertical_mask import Variant, VerticalMask
from revisit.nets.encoders.channel_vit import ChannelViT
from revisit.nets.vision_transformer import patchify, position_code, unpatchify
from revisit.patches.batch import Batch


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
        self.normalise_targets = settings.normalise_targets
        positions = (self.crop_pixels // self.encoder.patch_pixels) ** 2
        self.keep = kept_positions(self.name, positions, settings.mask_ratio)
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
            mean, deviation = moments(target, views["data"])
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
            mean, deviation = moments(patches, views["data"])
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
        kept = random_subset((samples, positions), self.keep, generator)
        in_space = torch.zeros_like(visible).scatter_(
            1, kept[..., None].expand(-1, -1, visible.shape[2]), True
        )
        return {"patches": patches, "data": data, "visible": visible & in_space, "kept": kept}


def _counted(views: dict[str, Tensor]) -> Tensor:
    """Pixels that the loss is over: bool [B, N, C, p*p]."""
    return views["data"] & ~views["visible"][..., None]


METHOD = MAE3D
