"""Optical-aided contrast of SAR images, by up to three levels that are summed:

    instance  two views of a SAR image find each other among all views of the batch (SimCLR's loss)
    optical   a view of it and one of the SAR image that a generator made of the optical image of the place
    cluster   both views belong to the same clusters, which differ from each other

One encoder sees real and generated SAR images alike, and is what is kept.
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from revisit.methods.method import DataDescription
from revisit.methods.parts.clusters import cluster_contrast, cluster_head, imbalance
from revisit.methods.parts.contrast import nt_xent
from revisit.methods.simclr import SimCLR, SimCLRAugmentation
from revisit.patches.batch import Batch
from revisit.patches.generated import generated_band


class SARAugmentation(SimCLRAugmentation):
    """How a view of a SAR image is made: larger cuts than SimCLR's."""

    scale: tuple[float, float] = (0.2, 1.0)
    """Least and largest share of the image's area that is cut out."""


class OpticalAided(SimCLR):
    """Any encoder of SAR images, by its pooled features; with both weights 0 it is SimCLR."""

    class Settings(SimCLR.Settings):
        """Keys beside SimCLR's."""

        temperature: float = Field(0.2, gt=0)
        """Of the similarities of samples."""
        augmentation: SARAugmentation = SARAugmentation()
        """Of all views."""
        optical: float = Field(1.0, ge=0)
        """Weight of optical aid; 0 leaves it out, and with it the parent that generates."""
        cluster: float = Field(1.0, ge=0)
        """Weight of the cluster level; 0 leaves it out."""
        clusters: int = Field(16, ge=2)
        """How many clusters there are."""
        cluster_temperature: float = Field(1.0, gt=0)
        """Of the similarities of clusters."""

    source = "optical-aided SAR contrast, described in outline only; SimCLR, pix2pix, Contrastive Clustering"
    choices = (
        "SimCLR's loss at instance level, at temperature 0.2, and again between a SAR view and a view of "
        "the image generated of the same place; all views through the encoder and one projector at once; "
        "clusters by the head of Contrastive Clustering, which learns as it goes, on the two SAR views; "
        "weights 1; the generator is trained before, stays as it is, and its images are made once; no "
        "rotations, as radar looks sideways, but flips"
    )
    kinds = frozenset({"pairs"})
    sensors = frozenset({"sentinel-1"})

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.optical, self.cluster = settings.optical, settings.cluster
        self.cluster_temperature = settings.cluster_temperature
        self.needs_parents = int(self.optical > 0)
        if self.cluster:
            self.assign = cluster_head(self.encoder.feature_dim, settings.clusters)

    @property
    def drawn(self) -> tuple[str, ...]:
        generated = map(generated_band, self.data.bands if self.optical else ())
        return (*self.data.bands, *generated)

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``first``, ``second`` and, with optical aid, ``generated``, float32 [B, C, H, W]."""
        channels = len(self.data.bands)
        own = Batch(**{**vars(batch), "images": batch.images[:, :channels]})
        views = super().views(own, generator)
        if self.optical:
            views["generated"] = self.view(self.standardised(batch.images[:, channels:]), generator)
        return views

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        """``instance`` and, where they have a weight, ``optical`` and ``cluster``; ``loss`` is their sum."""
        # All in one pass, so that batch normalisation tells no view from the others.
        features = self.encoder(torch.cat(list(views.values())))
        embedded = F.normalize(self.projector(features).float(), dim=1).chunk(len(views))
        losses = {"instance": nt_xent(embedded[0], embedded[1], self.temperature)}
        total = losses["instance"]
        if self.optical:
            losses["optical"] = nt_xent(embedded[0], embedded[2], self.temperature)
            total = total + self.optical * losses["optical"]
        if self.cluster:
            first, second, *_ = self.assign(features).chunk(len(views))
            contrast = cluster_contrast(first, second, self.cluster_temperature)
            losses["cluster"] = contrast + imbalance(first) + imbalance(second)
            total = total + self.cluster * losses["cluster"]
        return {"loss": total, **losses}


METHOD = OpticalAided
