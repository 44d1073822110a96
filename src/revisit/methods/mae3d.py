"""3DMAE: a masked autoencoder over channels and space for SAR and optical images of one place.

The encoder sees a quarter of the positions, and of each only the channels the vertical mask leaves; a small
decoder reconstructs every hidden (position, channel) cell; pixels without data count for nothing. The loss is
that of ``parts/masked_autoencoder.py``.
"""

import torch
from torch import Tensor

from revisit.methods.method import DataDescription
from revisit.methods.parts.draws import random_subset
from revisit.methods.parts.masked_autoencoder import MaskedAutoencoder
from revisit.methods.parts.masked_patches import moments
from revisit.methods.parts.vertical_mask import Variant, VerticalMask
from revisit.nets.encoders.channel_vit import ChannelViT


class MAE3D(MaskedAutoencoder):
    """3DMAE with one of the four vertical masks.

    Without normalised targets a cell's level stays in the task.
    """

    class Settings(MaskedAutoencoder.Settings):
        """3DMAE's own keys."""

        mask: Variant
        """What is hidden at a position: a modality (rm), channels (rc), both in turn (rm+rc), a mix (3dm)."""

    source = "3DMAE: joint SAR and optical representation learning with vertical masking (IEEE GRSL 2023)"
    choices = (
        "channels dropped with probability 1/2; spatial mask 0.75; one linear map a channel, summed over "
        "visible channels; targets normalised per (position, channel); squared error on all hidden pixels "
        "that hold data, the encoder sees others as their band's mean; flips and crops"
    )
    takes = ChannelViT
    encoder: ChannelViT

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.vertical_mask = VerticalMask(settings.mask, data.bands)

    def mask(self, patches: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``kept`` positions, and which cells are ``visible``, bool [B, N, C]: none where it is not kept."""
        samples, positions = patches.shape[:2]
        visible = self.vertical_mask.draw(samples, positions, generator)
        kept = random_subset((samples, positions), self.keep, generator)
        in_space = torch.zeros_like(visible).scatter_(
            1, kept[..., None].expand(-1, -1, visible.shape[2]), True
        )
        return {"kept": kept, "visible": visible & in_space}

    def hidden(self, views: dict[str, Tensor]) -> Tensor:
        return ~views["visible"][..., None]

    def moments(self, views: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Of each cell."""
        return moments(views["patches"], views["data"])

    def embed(self, views: dict[str, Tensor], sample: Tensor) -> Tensor:
        kept, visible = views["kept"], views["visible"]
        return self.encoder.embed(views["patches"][sample, kept], visible=visible[sample, kept])


METHOD = MAE3D
