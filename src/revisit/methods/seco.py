"""SeCo: three subspaces of an embedding, invariant to season, to augmentation, and to both.

Three dates t0, t1, t2 of a place make the query q = plain(t0) and the keys k0 = augmented(t1), k1 =
plain(t2), k2 = augmented(t0); a slow copy of the network sees the keys. In subspace i the positive is k_i,
and negatives are its queue of earlier keys; in subspaces 1 and 2 so are the other two keys of all places of
the batch, that of the query included, since these subspaces shall tell augmentations, or seasons, apart:

    loss = sum over i of -log exp(q k_i / T) / (exp(q k_i / T) + sum over negatives n of exp(q n / T))
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Moment
from revisit.methods.parts import ranks
from revisit.methods.parts.augmentation import Augmentation
from revisit.methods.parts.contrast import info_nce
from revisit.methods.parts.heads import moco_projector
from revisit.methods.parts.momentum import follow, follower
from revisit.methods.parts.queue import Queue
from revisit.methods.parts.seasonal import Seasonal
from revisit.methods.parts.subspaces import KEYS, Subspaces
from revisit.training.settings import Training


class SeCo(Seasonal):
    """Any encoder, by its pooled features, with a head and a queue for each subspace."""

    class Settings(Seasonal.Settings):
        """SeCo's own keys."""

        dim: int = Field(128, gt=0)
        """Numbers of a query or key in each subspace."""
        queue: int = Field(16384, gt=0)
        """Keys of earlier batches that are kept in each subspace, a multiple of the keys of a step."""
        temperature: float = Field(0.07, gt=0)
        """Of the similarities."""
        momentum: float = Field(0.999, ge=0, le=1)
        """Share of itself that the key encoder keeps in a step."""
        augmentation: Augmentation = Augmentation()
        """Of the augmented keys; its `scale` also that of plain views."""

    source = "SeCo (Mañas et al., ICCV 2021), as in ServiceNow/seasonal-contrast"
    choices = (
        "dates are drawn with replacement from those a place has within `span_years` of the first (the "
        "code: from all, which lie within a year), so that one with a single date is contrasted by "
        "augmentation alone; earlier keys of a place stay negatives in the queue, as in the code; half a "
        "cosine unless `optimiser.schedule` asks for the source's steps; augmentation as in moco-v2, with "
        "flips on both axes, of the part that is cut out, where the code augments the whole image and cuts "
        "then; plain views are not flipped; batch normalisation over all GPUs; an epoch is a pass over "
        "places"
    )
    batch_wide = True  # batch norm in some encoders, keys of the batch as negatives, one push per step
    keys_per_place: ClassVar[int] = 1

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.temperature, self.momentum = settings.temperature, settings.momentum
        self.heads = Subspaces(lambda: moco_projector(self.encoder.feature_dim, settings.dim))
        self.slow_encoder, self.slow_heads = follower(self.encoder), follower(self.heads)
        self.queues = nn.ModuleList(Queue(settings.queue, settings.dim) for _ in KEYS)
        self._fresh: Tensor | None = None  # the step's keys, of all processes

    def check_training(self, training: Training) -> None:
        super().check_training(training)
        length, step = len(self.held(0)), training.batch_size * self.keys_per_place
        if length % step:
            raise RevisitError(
                f"{self.name}: queue {length} must be a multiple of the {step} keys of a batch; change it, "
                "or batch_size"
            )

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        query = self.heads(self.encoder(views["query"]))
        keys = self.keys(self.slow_features(views))
        everyone = ranks.gather(keys)
        self._fresh = own_keys(everyone)
        losses = {}
        for number, name in enumerate(KEYS):
            negatives = torch.cat([self.held(number), *others(everyone, number)])
            losses[name] = info_nce(query[:, number], keys[:, number, number], negatives, self.temperature)
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}

    @torch.no_grad()
    def slow_features(self, views: dict[str, Tensor]) -> list[Tensor]:
        """Features [N, F] of each key by the slow network."""
        return [self.slow_encoder(views[name]) for name in KEYS]

    @torch.no_grad()
    def keys(self, features: list[Tensor]) -> Tensor:
        """What the slow heads make of the features of the keys: [N, 3, 3, D] by subspace and by key."""
        return torch.stack([self.slow_heads(each) for each in features], 2)

    def held(self, number: int) -> Tensor:
        """The keys in the queue of a subspace, [K, D], as they are now."""
        queue = self.queues[number]
        assert isinstance(queue, Queue)
        return queue.keys.clone()

    def after_step(self, moment: Moment) -> None:
        """Each queue takes the step's keys of its subspace, the slow network follows."""
        assert self._fresh is not None
        for queue, keys in zip(self.queues, self._fresh.unbind(1), strict=True):
            assert isinstance(queue, Queue)
            queue.push(keys)
        self._fresh = None
        follow(self.slow_encoder, self.encoder, self.momentum)
        follow(self.slow_heads, self.heads, self.momentum)


def own_keys(keys: Tensor) -> Tensor:
    """Of keys [N, 3, 3, D] in every subspace the one that is its positive, [N, 3, D]."""
    return torch.stack([keys[:, number, number] for number in range(len(KEYS))], 1)


def others(keys: Tensor, number: int) -> list[Tensor]:
    """The other two keys [N, D] in this subspace, which are negatives there; none in the first."""
    return [keys[:, number, other] for other in range(len(KEYS)) if number and other != number]


METHOD = SeCo
