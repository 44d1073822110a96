"""SatViT: a masked autoencoder on SAR and optical channels stacked, whose patches are masked whole.

The encoder sees a quarter of the positions, in all their channels at once; a small decoder reconstructs the
others. A patch is compared by its own mean and deviation over all channels. The loss is that of
``parts/masked_autoencoder.py``.
"""

import torch
from torch import Tensor

from revisit.methods.parts.draws import random_subset
from revisit.methods.parts.masked_autoencoder import MaskedAutoencoder
from revisit.methods.parts.masked_patches import moments
from revisit.nets.encoders.vit import ViT


class SatViT(MaskedAutoencoder):
    """A ViT; on 256 pixels version 1 has patches of 16 and a decoder of dim 384, depth 2, heads 6, version 2
    patches of 8 and a decoder of dim 512, depth 1, heads 8."""

    class Settings(MaskedAutoencoder.Settings):
        """SatViT's keys."""

    source = (
        "SatViT (Fuller et al., IEEE GRSL 2022) and SatViT-V2 (Fuller et al., 2022), as in antofuller/SatViT"
    )
    choices = (
        "AdamW with MAE's rates, and flips and crops, since the code has no training; the bands of the "
        "collection instead of 15 channels; pixels without data are not to be reconstructed, and the encoder "
        "sees them as their band's mean; norms and first weights as in MAE; a feature is the norm of the "
        "mean of the tokens, in the code the mean of their norms"
    )
    takes = ViT

    def mask(self, patches: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``kept`` positions, and which are ``hidden``, bool [B, N]."""
        shape = patches.shape[0], patches.shape[1]
        kept = random_subset(shape, self.keep, generator)
        hidden = torch.ones(shape, dtype=torch.bool, device=kept.device).scatter_(1, kept, False)
        return {"kept": kept, "hidden": hidden}

    def hidden(self, views: dict[str, Tensor]) -> Tensor:
        return views["hidden"][..., None, None]

    def moments(self, views: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Of each position, over all its channels."""
        mean, deviation = moments(views["patches"].flatten(2), views["data"].flatten(2))
        return mean[..., None], deviation[..., None]

    def embed(self, views: dict[str, Tensor], sample: Tensor) -> Tensor:
        return self.encoder.embed(views["patches"][sample, views["kept"]])


METHOD = SatViT
