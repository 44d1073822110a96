"""What SwinSSL and D-SimCLR share: an encoder per sensor, and a scene's two images that find each other.

loss = mean over 2B images of -log exp(z z+ / T) / (sum over the 2B - 1 other images of exp(z z' / T))

z+ is what the other sensor's encoder makes of the same scene. Nothing is augmented: both see the same part.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from revisit.cube.bands import ELEVATION
from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, MethodSettings
from revisit.methods.parts.contrast import nt_xent
from revisit.methods.parts.draws import crop_and_flip
from revisit.nets.encoder import Encoder
from revisit.nets.encoders.composite import Composite
from revisit.patches.batch import Batch
from revisit.patches.modality import sensor_of


class TwoSensors(Method):
    """Two encoders side by side, one of Sentinel-1 and one of Sentinel-2; elevation may go to either."""

    class Settings(MethodSettings):
        """What both methods' entries may say."""

        temperature: float = Field(gt=0)
        """Of the similarities."""

    kinds = frozenset({"pairs"})
    sensors = frozenset({"sentinel-1", "sentinel-2"})
    batch_wide = True  # the images of all other scenes are candidates

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.temperature = settings.temperature
        self.sides = _sides(self.encoder, self.name)

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``images`` float32 [B, C, H, W], a random part of each scene by both sensors."""
        cut = crop_and_flip(batch.images, self.crop_pixels, generator, flips=False)
        return {"images": self.standardised(cut)}

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """What is compared of both sensors, L2-normalised, [B, 2, D]."""
        widths = [side.feature_dim for side in self.sides]
        features = self.encoder(views["images"]).split(widths, 1)
        return F.normalize(torch.stack(self.project(features), 1).float(), dim=-1)

    def project(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Pooled features [B, D_s] of each sensor as they are compared, [B, D] each."""
        return list(features)

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        first, second = self.embeddings(views).unbind(1)
        return {"loss": nt_xent(first, second, self.temperature)}


def _sides(encoder: Encoder, name: str) -> list[Encoder]:
    """The encoders of the two sensors; raises RevisitError where they are not one each."""
    sides = [cast(Encoder, part) for part in encoder.parts] if isinstance(encoder, Composite) else []
    seen = [{sensor_of(band) for band in side.bands} - {ELEVATION} for side in sides]
    if sorted(map(sorted, seen)) != [["sentinel-1"], ["sentinel-2"]]:
        raise RevisitError(
            f"{name}: encoder must be composite, one part with the bands of Sentinel-1 and one with those of "
            f"Sentinel-2, not {encoder.name()} of {[list(side.bands) for side in sides]}"
        )
    return sides
