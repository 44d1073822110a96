"""Contrast of clusters against its equations in NumPy, and what it claims: groups of samples are found."""

import math

import numpy as np
import pytest
import torch

from revisit.methods.parts.clusters import cluster_contrast, cluster_head, imbalance


def assignments(seed: int, samples: int = 6, clusters: int = 3) -> torch.Tensor:
    return torch.randn(samples, clusters, generator=torch.Generator().manual_seed(seed)).softmax(1)


def test_contrast_by_hand() -> None:
    """Of the six columns of two views, each looks for the other view of its cluster among five."""
    first, second = assignments(0), assignments(1)
    columns = np.concatenate([first.numpy().T, second.numpy().T])
    columns /= np.linalg.norm(columns, axis=1, keepdims=True)
    powers = np.exp(columns @ columns.T / 0.7)
    np.fill_diagonal(powers, 0)
    wanted = np.mean([-np.log(powers[row, (row + 3) % 6] / powers[row].sum()) for row in range(6)])
    assert cluster_contrast(first, second, 0.7).item() == pytest.approx(wanted, rel=1e-5)


def test_imbalance_by_hand() -> None:
    share = assignments(0).numpy().mean(0)
    wanted = math.log(3) + (share * np.log(share)).sum()
    assert imbalance(assignments(0)).item() == pytest.approx(wanted, rel=1e-4)
    one_cluster = torch.eye(3)[[0] * 6].requires_grad_()
    assert imbalance(one_cluster).item() == pytest.approx(math.log(3))
    assert imbalance(torch.eye(3)[[0, 1, 2] * 2]).item() == pytest.approx(0, abs=1e-6)
    imbalance(one_cluster).backward()
    assert one_cluster.grad is not None and one_cluster.grad.isfinite().all()


def test_best_where_views_agree_and_clusters_differ() -> None:
    """Views that agree beat such that do not, and clusters of other samples beat alike ones."""
    agreed = torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    best = cluster_contrast(agreed, agreed, 0.5).item()
    assert best < cluster_contrast(agreed, agreed.roll(1, 0), 0.5).item()
    assert best < cluster_contrast(agreed * 0.2 + 0.25, agreed * 0.2 + 0.25, 0.5).item()


def test_members_of_a_group_end_in_one_cluster() -> None:
    """Groups that no label tells of: noisy features around three centres, seen in two noisy views."""
    random = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    groups = torch.arange(3).repeat(20)
    centres = 3 * torch.eye(8)[:3]
    head = cluster_head(8, 3)
    optimiser = torch.optim.Adam(head.parameters(), 0.01)
    for _ in range(150):
        first, second = (head(centres[groups] + 0.5 * torch.randn(60, 8, generator=random)) for _ in range(2))
        loss = cluster_contrast(first, second, 1.0) + imbalance(first) + imbalance(second)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = head(centres).argmax(1)
    assert len(found.unique()) == 3
    assert (
        head(centres[groups] + 0.5 * torch.randn(60, 8, generator=random)).argmax(1) == found[groups]
    ).all()
