"""Does training still tell places apart? Statistics of two views of each of many places, and the verdict.

A loss can fall while the features of all places become one (SimSiam, Chen & He 2021, section 4.1). Where a
method compares features, those are looked at, of views drawn as in training: STMIM with a large alpha makes
the masked images of all places one and leaves whole images apart. Spread within a place does not count, and
what images and architecture have in common is no collapse: places are compared with the untrained network.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from revisit.errors import RevisitError
from revisit.methods.method import Method
from revisit.patches.batch import Batch
from revisit.patches.store import PatchStore
from revisit.training.batches import to_device
from revisit.training.device import mixed_precision
from revisit.training.gradients import Views
from revisit.training.settings import Training, derived_seed

PLACES = 256  # looked at, of those to train on
LARGEST_SHARE = 0.02  # of training's computations, that looking may take
BACKWARD = 3  # a training step costs about this many passes forward
# Calibrated in benchmarks/README.md, "The collapse monitor", between healthy and collapsed runs.
SMALLEST_SHARE_KEPT = 0.05
SMALLEST_RANK = 2.0
ROUNDING = 1e-6  # singular values below this share of the features' norm are rounding


class Spread(NamedTuple):
    """Statistics of features; all but the rank are of L2-normalised ones."""

    feature_std: float
    """Standard deviation between places, in units of isotropic features': 0 (all the same) to 1."""
    effective_rank: float
    """Dimensions that places fill: 0 to that of the features; 1 is a line."""
    cosine_between: float
    """Mean cosine between views of different places."""
    cosine_within: float
    """Mean cosine between two views of the same place."""
    found_again: float
    """Probability that a place's other view is nearer than another place's: 0.5 by chance, to 1."""
    share_kept: float
    """``place_share``, in units of that before training."""

    @property
    def place_share(self) -> float:
        """Variance between places, as a share of the features' second moment."""
        return self.cosine_within - self.cosine_between

    @property
    def collapsed(self) -> bool:
        return self.share_kept < SMALLEST_SHARE_KEPT or self.effective_rank < SMALLEST_RANK


def spread(features: Tensor, untrained: float | None = None) -> Spread:
    """Statistics of features [N, 2, D]: two views of each of N places.

    ``untrained``: the place share before training; None: this is it.

    Deviation and rank are of the first views; the rank is exp(entropy) of the centred features' normalised
    singular values (Roy & Vetterli 2007, eq. 4-5). Nearness is the cosine after the mean is taken off.
    Raises RevisitError when the features are not finite.
    """
    features = features.detach().cpu().double()  # MPS has no float64
    if not features.isfinite().all():
        raise RevisitError(
            "pretraining: the encoder's features are not finite; lower learning_rate or set gradient_clip"
        )
    places, first = len(features), features[:, 0]
    unit = F.normalize(features, dim=-1)
    cosine = unit[:, 0] @ unit[:, 1].T
    others = max(places * (places - 1), 1)
    std = unit[:, 0].std(0, correction=0).mean() * math.sqrt(features.shape[-1])
    values = torch.linalg.svdvals(first - first.mean(0))
    values = values[values > ROUNDING * first.norm()]
    share = values / values.sum()
    rank = torch.exp(-(share * share.log()).sum()) if len(values) else torch.zeros(())
    centred = F.normalize(features - features.mean((0, 1)), dim=-1)
    nearness = centred[:, 0] @ centred[:, 1].T
    nearer = (nearness < nearness.diagonal()[:, None]).sum() / others
    between, within = float((cosine.sum() - cosine.trace()) / others), float(cosine.diagonal().mean())
    kept = 1.0 if untrained is None else (within - between) / max(untrained, ROUNDING)
    return Spread(float(std), float(rank), between, within, float(nearer), kept)


@runtime_checkable
class Comparing(Protocol):
    """A method whose loss compares features of views."""

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """The features that are compared, [B, 2, D], of two views of each sample."""


class Monitor:
    """Looks at places of the training split, evenly from all regions; every look draws the same views.

    They are views of one sample where the method compares features, else a place's first image and its last,
    mirrored. The network sees as many samples at a time, at the same precision, as a process has in training.
    To be made before training.
    """

    def __init__(self, method: Method, store: PatchStore, training: Training, places: int = PLACES) -> None:
        self.method, self.store, self.size = method, store, training.batch_size
        self.part = training.batch_size // (training.gpus * training.accumulate)
        self.precision = training.precision
        self.samples = watched(store, places)
        self.untrained: float | None = None
        self.untrained = self().place_share

    def rows_apart(self, samples: int) -> int:
        """A look is due every so many rows of the log, which are ``samples`` of training apart."""
        return math.ceil(len(self.samples) / (samples * BACKWARD * LARGEST_SHARE))

    @torch.no_grad()
    def __call__(self) -> Spread:
        training = self.method.training
        self.method.eval()
        parts = range(0, len(self.samples), self.size)
        features = [self._features(first, self.samples[first : first + self.size]).cpu() for first in parts]
        self.method.train(training)
        return spread(torch.cat(features), self.untrained)

    def _features(self, number: int, samples: NDArray[np.int64]) -> Tensor:
        """Two views [B, 2, D] of the places of these samples [B, 2], less places that lack one of them."""
        method = self.method
        if isinstance(method, Comparing):
            batch = self._batch(samples[:, 0], None if method.needs_series else 0)
            generator = torch.Generator(batch.images.device).manual_seed(derived_seed("look", number))
            there = batch.present.flatten(1).any(1)
            return self._in_parts(method.embeddings, method.views(batch, generator))[there]
        side, encoder = method.crop_pixels, next(iter(method.encoders().values()))
        (first, begins), (second, ends) = (
            outermost(self._batch(samples[:, number], None), last)
            for number, last in enumerate((False, True))
        )
        there = begins & ends
        first, second = (method.standardised(look[there, :, :side, :side]) for look in (first, second))
        return self._in_parts(
            lambda views: torch.stack([encoder.pooled(v, method.data.bands) for v in views.values()], 1),
            {"first": first, "second": second.flip(-1)},
        )

    def _in_parts(self, features: Callable[[Views], Tensor], views: Views) -> Tensor:
        """``features`` of the views, part by part."""
        pieces = zip(*(torch.split(values, self.part) for values in views.values()), strict=True)
        device = next(iter(views.values())).device
        with mixed_precision(device, self.precision):
            return torch.cat([features(dict(zip(views, piece, strict=True))) for piece in pieces])

    def _batch(self, samples: NDArray[np.int64], time: int | None) -> Batch[Tensor]:
        device, bands = next(self.method.parameters()).device, self.method.drawn
        return to_device(self.store.batch(samples, bands, time).map(torch.from_numpy), device)


def outermost(batch: Batch[Tensor], last: bool) -> tuple[Tensor, Tensor]:
    """The first or last image of each sample of those it has, [B, C, H, W], and whether it has any, bool [B].

    An image counts where all sensors have it.
    """
    held = batch.present.all(-1)
    if held.ndim == 1:
        return batch.images, held
    slots = torch.arange(held.shape[1], device=held.device)
    at = torch.where(held, slots, -1 if last else len(slots))
    chosen = at.amax(1) if last else at.amin(1)
    rows = torch.arange(len(held), device=held.device)
    return batch.images[rows, chosen.clamp(0, len(slots) - 1)], held.any(1)


def watched(store: PatchStore, places: int) -> NDArray[np.int64]:
    """First and last sample [N, 2] of each of up to ``places`` training places, as many per region."""
    indices = store.indices("train")
    positions = store.positions[indices]
    first = np.unique(positions, return_index=True)[1]
    last = len(indices) - 1 - np.unique(positions[::-1], return_index=True)[1]
    pairs = indices[np.stack([first, last], 1)]
    regions = store.where()["region"][pairs[:, 0]]
    names = list(dict.fromkeys(regions.tolist()))  # in the order of the store, whatever they are called
    chosen = []
    for name in names:
        own = pairs[regions == name]
        evenly = np.linspace(0, len(own) - 1, max(places // len(names), 1))
        chosen.append(own[np.unique(evenly.round().astype(int))])
    return np.concatenate(chosen)
