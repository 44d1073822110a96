"""Contrast of clusters: each sample is softly assigned to them, and a cluster is whom it has in the batch.

Contrastive Clustering (Li et al., AAAI 2021), sections 3.3 and 3.4, as in Yunfan-Li/Contrastive-Clustering.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from revisit.methods.parts import ranks


def cluster_head(features: int, clusters: int) -> nn.Sequential:
    """Features [B, F] to assignments [B, clusters], which are above 0 and sum to 1."""
    return nn.Sequential(
        nn.Linear(features, features), nn.ReLU(inplace=True), nn.Linear(features, clusters), nn.Softmax(dim=1)
    )


def cluster_contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each cluster's partner against all other clusters of both views, mean over 2K (eq. 5).

    ``first``, ``second`` [B, K]: assignments of two views of each sample. A cluster is the vector of what the
    samples of the batch, of all processes, give to it; partners are those of one cluster in the two views.
    """
    columns = torch.cat([ranks.gather_learning(view.float()).T for view in (first, second)])
    columns = F.normalize(columns, dim=1)
    with torch.autocast(columns.device.type, enabled=False):  # as the contrast of samples
        logits = columns @ columns.T / temperature
    itself = torch.eye(len(columns), dtype=torch.bool, device=columns.device)
    partner = torch.arange(len(columns), device=columns.device).roll(first.shape[1])
    return F.cross_entropy(logits.masked_fill(itself, -torch.inf), partner)


def imbalance(assignments: Tensor) -> Tensor:
    """log K minus the entropy of how many samples each cluster has, from 0 (equally many) to log K (eq. 6).

    ``assignments`` [B, K], of the batch of all processes. Without it all samples end up in one cluster.
    """
    share = ranks.gather_learning(assignments.float()).mean(0)
    # A cluster that nobody is in has entropy 0, and no gradient: that of x log x at 0 is infinite.
    return math.log(len(share)) + (share * share.clamp(min=torch.finfo(share.dtype).tiny).log()).sum()
