"""What masked autoencoders of patches share, but for what they hide.

The encoder sees some of the positions; a small decoder, thrown away afterwards, reconstructs what was hidden
(MAE, He et al., CVPR 2022), each target normalised by itself:

    loss = mean over hidden pixels with data of (prediction - (x - mean) / deviation)^2
"""

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, MethodSettings
from revisit.methods.parts.draws import crop_and_flip
from revisit.methods.parts.masked_patches import Decoder, DecoderSettings, kept_positions
from revisit.methods.parts.validity import holds_data
from revisit.nets.vision_transformer import VisionTransformer, patchify, position_code, unpatchify
from revisit.patches.batch import Batch


class MaskedAutoencoder(Method):
    """A plain ViT as encoder; a method says what is hidden, and over what a target is normalised.

    ``takes``: the architecture of its encoder. Views are ``patches`` [B, N, C, p*p] float32; ``data``: which
    of their pixels hold data, bool of that shape; ``kept``: positions that the encoder sees, int64 [B, K];
    and what the method adds.
    """

    class Settings(MethodSettings):
        """What the entries of all these methods may say."""

        decoder: DecoderSettings
        """The decoder that reconstructs what is hidden."""
        mask_ratio: float = Field(0.75, gt=0, lt=1)
        """Share of the positions of which the encoder sees nothing."""
        normalise_targets: bool = True
        """Whether what is hidden is compared by its own mean and deviation, as in MAE, or as it is."""

    reconstructs = True
    takes: ClassVar[type[VisionTransformer]]
    encoder: VisionTransformer

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        if not isinstance(self.encoder, self.takes):
            raise RevisitError(
                f"{self.name}: encoder.name must be {self.takes.name()}, not {settings.encoder.get('name')}"
            )
        self.normalise_targets = settings.normalise_targets
        positions = (self.crop_pixels // self.encoder.patch_pixels) ** 2
        self.keep = kept_positions(self.name, positions, settings.mask_ratio)
        self.decoder = Decoder(self.encoder, settings.decoder)

    def mask(self, patches: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``kept`` positions of ``patches``, and what ``hidden`` needs beside them; samples come first."""
        raise NotImplementedError

    def hidden(self, views: dict[str, Tensor]) -> Tensor:
        """What the encoder does not see, bool [B, N, C or 1, 1]."""
        raise NotImplementedError

    def moments(self, views: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and deviation by which targets are normalised, [B, N, C or 1, 1] each."""
        raise NotImplementedError

    def embed(self, views: dict[str, Tensor], sample: Tensor) -> Tensor:
        """Tokens of the kept positions, without their codes, [B, K, D]; ``sample``: row numbers, [B, 1]."""
        raise NotImplementedError

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``patches``, ``data`` and what ``mask`` draws, of a random part of each image."""
        return self.masked(crop_and_flip(batch.images, self.crop_pixels, generator), generator)

    def masked(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The views of whole stored images, uint8 [B, C, H, W]."""
        patches = patchify(self.standardised(images), self.encoder.patch_pixels)
        data = patchify(holds_data(images, self.data.bands), self.encoder.patch_pixels)
        return {"patches": patches, "data": data, **self.mask(patches, generator)}

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        """Mean squared error over all hidden pixels that hold data."""
        target = views["patches"]
        if self.normalise_targets:
            mean, deviation = self.moments(views)
            target = (target - mean) / deviation
        error = (self.predict(views).float() - target).square()
        counted = self._counted(views)
        return {"loss": (error * counted).sum() / counted.sum().clamp(min=1)}

    def shares(self, views: dict[str, Tensor]) -> Tensor:
        """Hidden pixels with data of each sample."""
        return self._counted(views).sum((1, 2, 3))

    def predict(self, views: dict[str, Tensor]) -> Tensor:
        """Pixels of all patches as the targets are, [B, N, C, p*p]; only what is not hidden is seen."""
        kept, encoder = views["kept"], self.encoder
        sample = torch.arange(len(kept), device=kept.device)[:, None]
        rows = math.isqrt(views["patches"].shape[1])
        code = position_code(rows, rows, encoder.feature_dim, kept.device)[kept]
        tokens = encoder.norm(encoder.transform(self.embed(views, sample) + code))
        pixels: Tensor = self.decoder(encoder.cells(tokens), kept, rows)
        return pixels

    @torch.no_grad()
    def reconstruct(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """As ``Method.reconstruct``; normalised predictions get the true moments of their target back."""
        views = self.masked(images, generator)
        patches, hidden = views["patches"], self.hidden(views)
        predicted = self.predict(views).float()
        if self.normalise_targets:
            mean, deviation = self.moments(views)
            predicted = predicted * deviation + mean
        rows = math.isqrt(patches.shape[1])
        return {
            "input": unpatchify(patches, rows),
            "masked": unpatchify(patches * ~hidden, rows),
            "reconstruction": unpatchify(torch.where(hidden, predicted, patches), rows),
            "moments_given": torch.tensor(self.encoder.patch_pixels if self.normalise_targets else 0),
        }

    def _counted(self, views: dict[str, Tensor]) -> Tensor:
        """Pixels that the loss is over: bool [B, N, C, p*p]."""
        return views["data"] & self.hidden(views)
