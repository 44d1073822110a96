"""SeCo in the form of SimCLR: negatives are the views of the batch, and no slow network or queue is needed.

As in SeCo, three dates of a place make the views q, k0, k1, k2. In subspace i the pair (q, k_i) is drawn
together, each of the two against both of all other places of the batch, and in subspaces 1 and 2 also against
the other two views of all places, its own included:

    loss = sum over i of the mean over (a, p) = (q, k_i) and (k_i, q) of all places of
           -log exp(a p / T) / (exp(a p / T) + sum over negatives n of exp(a n / T))
"""

import torch
from pydantic import Field
from torch import Tensor

from revisit.methods.method import DataDescription
from revisit.methods.parts import ranks
from revisit.methods.parts.augmentation import Augmentation
from revisit.methods.parts.contrast import info_nce
from revisit.methods.parts.heads import simclr_projector
from revisit.methods.parts.seasonal import Seasonal
from revisit.methods.parts.subspaces import KEYS, VIEWS, Kinship, Subspaces, kinship
from revisit.patches.batch import Batch
from revisit.training.optimiser import OptimiserSettings


class SimCLRSeCo(Seasonal):
    """Any encoder, by its pooled features, with a head for each subspace."""

    class Settings(Seasonal.Settings):
        """Its own keys."""

        dim: int = Field(128, gt=0)
        """Numbers of a projection in each subspace."""
        layers: int = Field(3, ge=1)
        """Of each head."""
        temperature: float = Field(0.1, gt=0)
        """Of the similarities."""
        augmentation: Augmentation = Augmentation()
        """Of the augmented views; its `scale` also that of plain ones."""
        optimiser: OptimiserSettings = OptimiserSettings(name="adamw")
        """In the place of LARS."""

    source = "SeCo (Mañas et al., ICCV 2021) on SimCLR (Chen et al., ICML 2020), as a row of CACo (CVPR 2023)"
    choices = (
        "no code and no temperature published: that of SimCLR, 0.1, its head of three layers and its "
        "symmetric loss; negatives beside the batch's pairs as in SeCo; AdamW instead of LARS; batch "
        "normalisation of the heads' hidden layers, none of their output; dates and augmentation as seco "
        "here, so that jitter has MoCo's strength and not SimCLR's; an epoch is a pass over places"
    )
    batch_wide = True  # all views of a batch are candidates

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.temperature = settings.temperature
        width = self.encoder.feature_dim
        self.heads = Subspaces(lambda: simclr_projector(width, width, settings.dim, settings.layers))

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``query``, ``both``, ``season``, ``augmentation``, float32 [B, C, H, W]; ``place`` int64 [B]."""
        return {**super().views(batch, generator), "place": batch.places}

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        origins = torch.stack([views["place"], torch.zeros_like(views["place"])], 1)
        spares = torch.zeros_like(views["place"], dtype=torch.bool)  # there is no other era
        return self.contrasted(self.projected(self.features(views)), origins, spares)

    def features(self, views: dict[str, Tensor]) -> Tensor:
        """Features of all views, [4, N, F], from one pass through the network."""
        images = torch.stack([views[name] for name in VIEWS])
        found: Tensor = self.encoder(images.flatten(0, 1))
        return found.reshape(*images.shape[:2], *found.shape[1:])

    def projected(self, features: Tensor) -> Tensor:
        """All views in all subspaces, [N, 3, 4, D]."""
        found: Tensor = self.heads(features.flatten(0, 1))
        return found.view(*features.shape[:2], *found.shape[1:]).permute(1, 2, 0, 3)

    def contrasted(self, projected: Tensor, origins: Tensor, spares: Tensor) -> dict[str, Tensor]:
        """The loss of ``projected`` [N, 3, 4, D] and of each subspace, with the views of all processes.

        ``origins``: place and era [N, 2]; ``spares``: see ``kinship``, [N].
        """
        count = len(projected)
        everyone = ranks.gather_learning(projected)
        kin = kinship(origins, ranks.gather(origins), spares)
        losses = {}
        for number, name in enumerate(KEYS):
            pair = [0, 1 + number]
            seen = [*pair, *(view for view in range(1, len(VIEWS)) if number and view not in pair)]
            views = projected[:, number, pair].transpose(0, 1).flatten(0, 1)
            candidates = everyone[:, number, seen].transpose(0, 1).flatten(0, 1)
            counted = counts(kin, len(seen) - len(pair)).repeat(2, 1)
            losses[name] = info_nce(views, views.roll(count, 0), candidates, self.temperature, counted)
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}


def counts(kin: Kinship, others: int) -> Tensor:
    """Which views of the M images of the batch are negatives of each of N, bool [N, (2 + others) M].

    Their order: the two views that are drawn together, then ``others`` views.
    """
    return torch.cat([~kin.same & ~kin.spared] * 2 + [~kin.spared] * others, 1)


METHOD = SimCLRSeCo
