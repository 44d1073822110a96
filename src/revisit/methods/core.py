"""CoRe: the whole spectrum of every pixel is restored from an image that has lost bands, boxes and sharpness.

loss = mean over pixels with data of |restored - image|, all bands, what was hidden and what was not

It goes on from the encoder of another entry: from UniFeat's, and the pair is SSCL; from that of ``scratch``,
and it is CoRe alone.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, MethodSettings
from revisit.methods.parts.degradation import Degradation
from revisit.methods.parts.draws import crop_and_flip
from revisit.methods.parts.validity import holds_data
from revisit.nets.encoder import Encoder
from revisit.patches.batch import Batch


class CoRe(Method):
    """An encoder with features of every pixel; a linear map of them restores the pixel's bands."""

    class Settings(MethodSettings):
        """CoRe's own keys."""

        degradation: Degradation = Degradation()
        """What is taken from the images."""

    source = "CoRe (Montanaro, Valsesia, Fracastoro & Magli, IEEE GRSL 2022), the second step of SSCL"
    choices = (
        "of what the poster leaves open: a third to a half of the bands dropped, "
        "one to three squares of a tenth to a quarter of the image cut out of all bands, half of the images "
        "blurred; the absolute error, as speckle has heavy tails, over all pixels with data; all weights "
        "of the parent are taken over and trained on, crops and flips alone, AdamW"
    )
    batch_wide = True  # batch normalisation in the encoder
    needs_parents = 1
    reconstructs = True

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        if self.encoder.strides != (1,):
            raise RevisitError(
                f"{self.name}: restores single pixels, the cells of {self.encoder.name()} are "
                f"{self.encoder.strides} pixels wide; use an encoder with features of pixels, channel-unet"
            )
        self.degradation = settings.degradation
        self.restore = nn.Conv2d(self.encoder.feature_dim, len(data.bands), 1)

    def start_from(self, parents: Sequence[Encoder]) -> None:
        """Take over all weights; raises RevisitError where the parent is of another shape."""
        (parent,) = parents
        own, theirs = (
            {key: value for key, value in encoder.architecture().items() if key != "image_pixels"}
            for encoder in (self.encoder, parent)
        )
        if own != theirs:
            raise RevisitError(
                f"{self.name}: its encoder is {own}, that of its parent {theirs}; give both one"
            )
        self.encoder.load_state_dict(parent.state_dict())

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``image`` and ``shown``, float32, and whether a value holds ``data``, all [B, C, H, W]."""
        cut = crop_and_flip(batch.images, self.crop_pixels, generator)
        image = self.standardised(cut)
        shown, _ = self.degradation.degrade(image, generator)
        return {"image": image, "shown": shown, "data": holds_data(cut, self.data.bands)}

    def restored(self, shown: Tensor) -> Tensor:
        """All bands of degraded images, float32, shaped like them."""
        restored: Tensor = self.restore(self.encoder.pyramid(shown)[0])
        return restored.float()

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        error = (self.restored(views["shown"]) - views["image"]).abs() * views["data"]
        return {"loss": error.sum() / views["data"].sum().clamp(min=1)}

    def shares(self, views: dict[str, Tensor]) -> Tensor:
        """By their values with data."""
        return views["data"].sum((1, 2, 3))

    def reconstruct(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        image = self.standardised(images)
        shown, hidden = self.degradation.degrade(image, generator)
        restored = torch.where(hidden, self.restored(shown), image)
        return {"input": image, "masked": shown, "reconstruction": restored}


METHOD = CoRe
