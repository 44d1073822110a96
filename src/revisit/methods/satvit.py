"""SatViT: a masked autoencoder on SAR and optical channels stacked, whose patches are masked whole.

The encoder sees a quarter of the positions, in all their channels at once; a small decoder reconstructs the
others. A patch is compared by its own mean and deviation over all channels:

    loss = mean over pixels of hidden patches of (prediction - (x - mean) / deviation)^2
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
from revisit.nets.encoders.vit import ViT
from revisit.nets.vision_transformer import patchify, position_code, unpatchify
from revisit.patches.batch import Batch


class SatViT(Method):
    """A ViT; on 256 pixels version 1 has patches of 16 and a decoder of dim 384, depth 2, heads 6, version 2
    patches of 8 and a decoder of dim 512, depth 1, heads 8."""

    class Settings(MethodSettings):
        """SatViT's own keys."""

        decoder: DecoderSettings
        """The decoder that reconstructs hidden patches."""
        mask_ratio: float = Field(0.75, gt=0, lt=1)
        """Share of the positions that are hidden."""
        normalise_targets: bool = True
        """Whether hidden patches are compared by their own mean and deviation, or as they are."""

    source = (
        "SatViT (Fuller et al., IEEE GRSL 2022) and SatViT-V2 (Fuller et al., 2022), as in antofuller/SatViT"
    )
    choices = (
        "AdamW with MAE's rates, and flips and crops, since the code has no training; the bands of the "
        "collection instead of 15 channels; pixels without data are not to be reconstructed, and the encoder "
        "sees them as their band's mean; norms and first weights as in MAE"
    )
    reconstructs = True
    encoder: ViT

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        if not isinstance(self.encoder, ViT):
            raise RevisitError(f"{self.name}: encoder.name must be vit, not {settings.encoder.get('name')}")
        self.normalise_targets = settings.normalise_targets
        positions = (self.crop_pixels // self.encoder.patch_pixels) ** 2
        self.keep = kept_positions(self.name, positions, settings.mask_ratio)
        decoder, qkv_bias = settings.decoder, self.encoder.settings.qkv_bias
        self.decoder = Decoder(self.encoder, decoder.dim, decoder.depth, decoder.heads, qkv_bias)

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``patches`` and ``data`` [B, N, C, p*p], ``kept`` [B, K] positions, ``hidden`` [B, N].

        Patches are float32; data and hidden bool: pixels that hold data, positions to be reconstructed.
        """
        return self._masked(crop_and_flip(batch.images, self.crop_pixels, generator), generator)

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        """Mean squared error over all hidden pixels that hold data."""
        error = (self.predict(views).float() - self._targets(views)[0]).square()
        counted = _counted(views)
        return {"loss": (error * counted).sum() / counted.sum().clamp(min=1)}

    def shares(self, views: dict[str, Tensor]) -> Tensor:
        """Hidden pixels with data of each sample."""
        return _counted(views).sum((1, 2, 3))

    def predict(self, views: dict[str, Tensor]) -> Tensor:
        """Pixels of all patches as the targets are, [B, N, C, p*p]; only kept ones reach the encoder."""
        patches, kept, encoder = views["patches"], views["kept"], self.encoder
        sample = torch.arange(len(kept), device=kept.device)[:, None]
        rows = math.isqrt(patches.shape[1])
        code = position_code(rows, rows, encoder.feature_dim, kept.device)[kept]
        tokens = encoder.norm(encoder.transform(encoder.embed(patches[sample, kept]) + code))
        pixels: Tensor = self.decoder(encoder.cells(tokens), kept, rows)
        return pixels

    @torch.no_grad()
    def reconstruct(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """As ``Method.reconstruct``; normalised predictions get the true moments of their patch."""
        views = self._masked(images, generator)
        patches, hidden = views["patches"], views["hidden"][..., None, None]
        _, mean, deviation = self._targets(views)
        predicted = self.predict(views).float() * deviation + mean
        rows = math.isqrt(patches.shape[1])
        return {
            "input": unpatchify(patches, rows),
            "masked": unpatchify(patches * ~hidden, rows),
            "reconstruction": unpatchify(torch.where(hidden, predicted, patches), rows),
            "moments_given": torch.tensor(self.encoder.patch_pixels if self.normalise_targets else 0),
        }

    def _masked(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        side = self.encoder.patch_pixels
        patches = patchify(self.standardised(images), side)
        data = patchify(holds_data(images, self.data.bands), side)
        shape = patches.shape[:2]
        kept = random_subset((shape[0], shape[1]), self.keep, generator)
        hidden = torch.ones(shape, dtype=torch.bool, device=kept.device).scatter_(1, kept, False)
        return {"patches": patches, "data": data, "kept": kept, "hidden": hidden}

    def _targets(self, views: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """What is to be predicted, [B, N, C, p*p], and the mean and deviation taken off, [B, N, 1, 1]."""
        patches = views["patches"]
        if not self.normalise_targets:
            zeros = patches.new_zeros(*patches.shape[:2], 1, 1)
            return patches, zeros, zeros + 1
        mean, deviation = (
            moment[..., None] for moment in moments(patches.flatten(2), views["data"].flatten(2))
        )
        return (patches - mean) / deviation, mean, deviation


def _counted(views: dict[str, Tensor]) -> Tensor:
    """Pixels that the loss is over: bool [B, N, C, p*p]."""
    return views["data"] & views["hidden"][..., None, None]


METHOD = SatViT
