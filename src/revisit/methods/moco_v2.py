"""MoCo v2: a query finds its key, another view seen by a slow copy of the encoder, among a queue of old keys.

loss = -log exp(q k+ / T) / (exp(q k+ / T) + sum over queue exp(q k / T))
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Moment
from revisit.methods.parts import augmentation, ranks
from revisit.methods.parts.augmented_views import AugmentedViews
from revisit.methods.parts.contrast import info_nce
from revisit.methods.parts.heads import moco_projector
from revisit.methods.parts.momentum import follow, follower
from revisit.methods.parts.queue import Queue
from revisit.patches.batch import Batch
from revisit.training.settings import Training


class MoCoV2(AugmentedViews):
    """Any encoder, by its pooled features; negatives come from the queue alone."""

    class Settings(AugmentedViews.Settings):
        """MoCo v2's own keys."""

        dim: int = Field(128, gt=0)
        """Numbers of a query or key."""
        queue: int = Field(65536, gt=0)
        """Keys of earlier batches that are kept, a multiple of batch_size."""
        temperature: float = Field(0.2, gt=0)
        """Of the similarities."""
        momentum: float = Field(0.999, ge=0, le=1)
        """Share of itself that the key encoder keeps in a step."""

    source = "MoCo v2 (Chen et al., arXiv 2003.04297), as in facebookresearch/moco"
    choices = (
        "batch normalisation over all GPUs instead of shuffled keys; without colour and grayscale, which "
        "are for RGB alone, a gain and an offset per optical band and a gain with speckle per SAR band; "
        f"flips on both axes; {augmentation.CHOICES}; of a series a place shows one date in a step, so that "
        "an epoch is a pass over places, not over all their images"
    )
    batch_wide = True  # batch normalisation in some encoders, and one push to the queue per step

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.temperature, self.momentum = settings.temperature, settings.momentum
        self.head = moco_projector(self.encoder.feature_dim, settings.dim)
        self.slow_encoder, self.slow_head = follower(self.encoder), follower(self.head)
        self.queue = Queue(settings.queue, settings.dim)
        self._fresh: Tensor | None = None  # the step's keys, of all processes

    def check_training(self, training: Training) -> None:
        super().check_training(training)
        if len(self.queue.keys) % training.batch_size:
            raise RevisitError(
                f"{self.name}: queue {len(self.queue.keys)} must be a multiple of batch_size "
                f"{training.batch_size}; change one of them"
            )

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``query`` and ``key``, float32 [B, C, H, W]."""
        images = self.standardised(batch.images)
        return {name: self.view(images, generator) for name in ("query", "key")}

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """Both views as queries, [B, 2, dim]."""
        return torch.stack([self._embedded(self.encoder, self.head, views[n]) for n in ("query", "key")], 1)

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"loss": self.contrast(self.head(self.encoder(views["query"])), views["key"])}

    def contrast(self, query: Tensor, key_images: Tensor) -> Tensor:
        """InfoNCE of the queries' embeddings [B, dim] with the keys of these images, and the queue."""
        with torch.no_grad():
            key = self._embedded(self.slow_encoder, self.slow_head, key_images)
            self._fresh = ranks.gather(key)
        query = F.normalize(query.float(), dim=1)
        return info_nce(query, key, self.queue.keys.clone(), self.temperature)

    def after_step(self, moment: Moment) -> None:
        """The queue takes the step's keys, the key encoder follows."""
        assert self._fresh is not None
        self.queue.push(self._fresh)
        self._fresh = None
        follow(self.slow_encoder, self.encoder, self.momentum)
        follow(self.slow_head, self.head, self.momentum)

    @staticmethod
    def _embedded(encoder: nn.Module, head: nn.Module, images: Tensor) -> Tensor:
        return F.normalize(head(encoder(images)).float(), dim=1)


METHOD = MoCoV2
