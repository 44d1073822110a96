"""Does the encoder still tell images apart? Spread and effective rank of its features on fixed images.

A contrastive loss can fall while all features become one (SimSiam, Chen & He 2021, section 4.1), so
the loss alone proves nothing. Features count as collapsed when their spread is below 1 % of that
of isotropic ones, or when they hardly leave one line (effective rank below 1.5).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from revisit.errors import RevisitError
from revisit.nets.load_save import Encoder

SMALLEST_STD = 0.01
SMALLEST_RANK = 1.5
ROUNDING = 1e-6  # singular values below this share of the features' norm are rounding


class Spread(NamedTuple):
    """``feature_std``: 0 (all the same) to 1 (isotropic); ``effective_rank``: 0 to their dimension."""

    feature_std: float
    effective_rank: float

    @property
    def collapsed(self) -> bool:
        return self.feature_std < SMALLEST_STD or self.effective_rank < SMALLEST_RANK


def spread(features: Tensor) -> Spread:
    """Spread of features [N, D].

    Standard deviation of the L2-normalised features, mean over dimensions, times sqrt(D); and
    exp(entropy) of the centred features' normalised singular values (Roy & Vetterli 2007, eq. 4-5).
    Raises RevisitError when they are not finite.
    """
    features = features.detach().cpu().double()  # MPS has no float64
    if not features.isfinite().all():
        raise RevisitError(
            "pretraining: the encoder's features are not finite; lower learning_rate or set gradient_clip"
        )
    std = F.normalize(features, dim=1).std(0, correction=0).mean() * math.sqrt(features.shape[1])
    values = torch.linalg.svdvals(features - features.mean(0))
    values = values[values > ROUNDING * features.norm()]
    share = values / values.sum()
    rank = torch.exp(-(share * share.log()).sum()) if len(values) else torch.zeros(())
    return Spread(float(std), float(rank))


@torch.no_grad()
def encoder_spread(encoder: Encoder, images: Tensor, bands: Sequence[str]) -> Spread:
    """Spread of the pooled features of standardised ``images`` [N, C, H, W], in evaluation mode, float32."""
    training = encoder.training
    encoder.eval()
    features = encoder.pooled(images, bands)
    encoder.train(training)
    return spread(features)
