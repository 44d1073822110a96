"""Degraded images: bands dropped, boxes cut out, blur; what CoRe restores the whole spectrum from."""

import torch
from pydantic import Field, model_validator
from torch import Tensor

from revisit.methods.parts.augmentation import blurred
from revisit.record import Record


class Degradation(Record):
    """How much is taken from an image; a range of 0 to 0, or a probability of 0, leaves its step out."""

    band_drop: tuple[float, float] = (0.3, 0.5)
    """Least and largest share of the bands that are dropped; at least one stays."""
    boxes: tuple[int, int] = (1, 3)
    """Fewest and most squares that are cut out of all bands."""
    box_area: tuple[float, float] = (0.1, 0.25)
    """Least and largest share of the image's area that a square has."""
    blur: float = Field(0.5, ge=0, le=1)
    """Probability of a Gaussian blur."""
    blur_sigma: tuple[float, float] = (0.5, 2.0)
    """Its least and largest deviation, in pixels."""

    @model_validator(mode="after")
    def _ordered(self) -> "Degradation":
        for key, lowest, highest in (("band_drop", 0, 1), ("boxes", 0, 100), ("box_area", 0, 1)):
            least, most = getattr(self, key)
            if not lowest <= least <= most <= highest:
                raise ValueError(
                    f"{key} {[least, most]} must be two numbers from {lowest} to {highest}, the smaller first"
                )
        if not 0 < self.blur_sigma[0] <= self.blur_sigma[1]:
            raise ValueError(f"blur_sigma {list(self.blur_sigma)} must be two lengths, the smaller one first")
        return self

    def degrade(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Degraded images [B, C, H, W], and which of their values are hidden, bool of that shape.

        ``images``: standardised. What is hidden is 0, a band's mean; blur comes first, so that it carries
        nothing from or into what is hidden. Every sample has its own draws.
        """
        if self.blur:
            images = blurred(images, self.blur_sigma, self.blur, generator)
        hidden = self._dropped(images, generator)[:, :, None, None] | self._cut(images, generator)[:, None]
        return images.masked_fill(hidden, 0), hidden

    def _dropped(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Which bands are dropped, bool [B, C]."""
        count, bands = images.shape[:2]
        share = _between(self.band_drop, (count, 1), generator)
        dropped = (share * bands).round().clamp(max=bands - 1)
        noise = torch.rand(count, bands, generator=generator, device=generator.device)
        return noise.argsort(1).argsort(1) < dropped

    def _cut(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Which pixels lie in a box, bool [B, H, W]."""
        count, most = len(images), self.boxes[1]
        wanted = torch.randint(
            self.boxes[0], most + 1, (count, 1), generator=generator, device=generator.device
        )
        side = _between(self.box_area, (count, most), generator).sqrt()
        rows, columns = (_interval(side, pixels, generator) for pixels in images.shape[2:])
        box = rows[..., :, None] & columns[..., None, :]
        there = torch.arange(most, device=box.device) < wanted
        return (box & there[..., None, None]).any(1)


def _interval(share: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Stretches of this share [...] of a side, anywhere inside it: bool [..., pixels]."""
    length = (share * pixels).round()
    room = pixels - length + 1
    first = (torch.rand(share.shape, generator=generator, device=generator.device) * room).floor()
    steps = torch.arange(pixels, device=share.device)
    return (first[..., None] <= steps) & (steps < (first + length)[..., None])


def _between(limits: tuple[float, float], shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    least, most = limits
    return least + (most - least) * torch.rand(shape, generator=generator, device=generator.device)
