"""Heads between an encoder's features and a contrastive loss; thrown away after pretraining."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def simsiam_projector(features: int, width: int) -> nn.Sequential:
    """Three layers, all with batch normalisation, the last without scale and shift (SimSiam's builder.py)."""
    return nn.Sequential(
        nn.Linear(features, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width, affine=False),
    )


def simsiam_predictor(width: int, hidden: int) -> nn.Sequential:
    """Two layers with a bottleneck, batch normalisation on the hidden one."""
    return nn.Sequential(
        nn.Linear(width, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, width),
    )


def moco_projector(features: int, dim: int) -> nn.Sequential:
    """Two layers with ReLU, no normalisation (MoCo v2)."""
    return nn.Sequential(nn.Linear(features, features), nn.ReLU(inplace=True), nn.Linear(features, dim))


def simclr_projector(features: int, hidden: int, dim: int, layers: int) -> nn.Sequential:
    """``layers`` linear layers, batch normalisation and ReLU after all but the last (SimCLR, section 3)."""
    made: list[nn.Module] = []
    for _ in range(layers - 1):
        made += [nn.Linear(features, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
        features = hidden
    return nn.Sequential(*made, nn.Linear(features, dim))


class DinoHead(nn.Module):
    """Three layers with GELU to a bottleneck, normalised, then its cosine with each prototype (DINO).

    The prototypes are the last layer, whose weights are normalised and whose norms stay 1.
    """

    def __init__(self, features: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(features, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.prototypes = nn.Parameter(torch.empty(prototypes, bottleneck))
        nn.init.trunc_normal_(self.prototypes, std=0.02)

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, D] to logits [B, prototypes]."""
        return F.linear(F.normalize(self.mlp(features), dim=-1), F.normalize(self.prototypes, dim=1))
