"""The segmentation loss, also where there is nothing to learn from."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from revisit.evaluation.metrics import IGNORE
from revisit.evaluation.tasks.losses import segmentation_loss


def test_loss_by_hand() -> None:
    """Two pixels, two classes, all shares one half: CE = ln 2, Dice = 1 - 2·0.5 / (0.5 + 1) in both."""
    logits, labels = torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])
    assert segmentation_loss(logits, labels).item() == pytest.approx(
        0.4 * math.log(2) + 0.6 * (1 - 1 / 1.5), abs=1e-4
    )


def test_a_right_map_costs_nothing_and_a_wrong_one_much() -> None:
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (2, 4, 4)))
    logits = 50 * F.one_hot(labels, 3).movedim(-1, 1).float()
    assert segmentation_loss(logits, labels).item() < 1e-3
    assert segmentation_loss(-logits, labels).item() > 5


def test_pixels_without_label_change_nothing() -> None:
    """Neither their logits nor their number enter CE or Dice."""
    torch.manual_seed(0)
    logits, labels = torch.randn(1, 3, 2, 4), torch.randint(0, 3, (1, 2, 4))
    labels[..., 2:] = IGNORE
    alone = segmentation_loss(logits[..., :2], labels[..., :2])
    assert segmentation_loss(logits, labels).item() == pytest.approx(alone.item(), abs=1e-6)


def test_a_tile_without_any_label_gives_no_nan() -> None:
    """0 / 0 there would end the training of every other tile."""
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 4, 4), IGNORE))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros_like(logits))
