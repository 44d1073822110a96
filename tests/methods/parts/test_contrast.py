"""Losses between views, against sums written out by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from revisit.methods.parts.contrast import distillation, info_nce, negative_cosine, nt_xent

GENERATOR = torch.Generator().manual_seed(0)


def test_info_nce_by_hand() -> None:
    """-log of the positive's share among positive and queue, mean over queries."""
    torch.manual_seed(0)
    query, positive, negatives = (
        torch.nn.functional.normalize(torch.randn(count, 5), dim=1) for count in (3, 3, 7)
    )
    losses = []
    for row in range(3):
        mine = math.exp(sum(float(query[row, d] * positive[row, d]) for d in range(5)) / 0.2)
        others = [math.exp(float(query[row] @ negatives[k]) / 0.2) for k in range(7)]
        losses.append(-math.log(mine / (mine + sum(others))))
    assert info_nce(query, positive, negatives, 0.2).item() == pytest.approx(sum(losses) / 3, rel=1e-5)


def test_nt_xent_by_hand() -> None:
    """Both views of a sample look for each other among all views but themselves."""
    first, second = (F.normalize(torch.randn(3, 5, generator=GENERATOR), dim=1) for _ in range(2))
    views, losses = np.concatenate([first.numpy(), second.numpy()]).astype(float), []
    for row, partner in enumerate([3, 4, 5, 0, 1, 2]):
        alike = {other: np.exp(views[row] @ views[other] / 0.2) for other in range(6) if other != row}
        losses.append(-np.log(alike[partner] / sum(alike.values())))
    assert nt_xent(first, second, 0.2).item() == pytest.approx(np.mean(losses), rel=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert nt_xent(first, second, 0.2).item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_nt_xent_teaches_both_views() -> None:
    """The gradient reaches either view as a query and as a candidate: that of finite differences."""
    first, second = (F.normalize(torch.randn(3, 4, generator=GENERATOR), dim=1) for _ in range(2))
    first.requires_grad_(), second.requires_grad_()
    nt_xent(first, second, 0.5).backward()
    for view in (first, second):
        step = torch.zeros_like(view)
        step[1, 2] = 1e-2
        with torch.no_grad():
            ends = [
                nt_xent(first + sign * step, second, 0.5)
                if view is first
                else nt_xent(first, second + sign * step, 0.5)
                for sign in (1, -1)
            ]
        assert view.grad is not None
        assert view.grad[1, 2].item() == pytest.approx((ends[0] - ends[1]).item() / 2e-2, rel=1e-3)


def test_negative_cosine_stops_the_gradient() -> None:
    """No gradient reaches the target: without that SimSiam collapses."""
    prediction, target = torch.randn(4, 6, requires_grad=True), torch.randn(4, 6, requires_grad=True)
    loss = negative_cosine(prediction, target)
    loss.backward()
    assert prediction.grad is not None and target.grad is None
    a, b = prediction.detach(), target.detach()
    expected = -sum(float(a[i] @ b[i] / (a[i].norm() * b[i].norm())) for i in range(4)) / 4
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_distillation_by_hand() -> None:
    """Two teacher crops, three student crops: four pairs, none of a crop with itself."""
    torch.manual_seed(0)
    teacher, student = [torch.randn(2, 4) for _ in range(2)], [torch.randn(2, 4) for _ in range(3)]

    def softmax(logits: list[float], temperature: float) -> list[float]:
        powers = [math.exp(value / temperature) for value in logits]
        return [power / sum(powers) for power in powers]

    terms = []
    for t in range(2):
        for s in range(3):
            if s != t:
                for row in range(2):
                    wanted = softmax(teacher[t][row].tolist(), 0.5)
                    found = softmax(student[s][row].tolist(), 0.8)
                    terms.append(-sum(p * math.log(q) for p, q in zip(wanted, found, strict=True)))
    assert len(terms) == 8
    assert distillation(student, teacher, 0.8, 0.5).item() == pytest.approx(sum(terms) / 8, rel=1e-5)
