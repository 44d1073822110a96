"""The queue drops the oldest keys first; a follower keeps its share of itself."""

import numpy as np
import pytest
import torch
from torch import nn

from revisit.methods.parts.momentum import follow, follower
from revisit.methods.parts.queue import Queue


def keys(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count).float()[:, None].expand(-1, 3)


def test_first_in_first_out() -> None:
    """After seven batches of 4 the queue of 12 holds the last three, the oldest next to go."""
    queue = Queue(12, 3)
    for number in range(7):
        queue.push(keys(4 * number, 4))
    assert sorted(queue.keys[:, 0].tolist()) == list(range(16, 28))
    assert queue.keys[int(queue.pointer), 0] == 16
    order = torch.arange(12).add(int(queue.pointer)) % 12
    assert queue.keys[order, 0].tolist() == list(range(16, 28))


def test_start_is_random_and_normalised() -> None:
    """Zeros at the start would make the first steps' negatives all alike."""
    torch.manual_seed(0)
    queue = Queue(50, 8)
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(50))
    assert len(queue.keys.unique(dim=0)) == 50


def test_state_holds_keys_and_pointer() -> None:
    queue, other = Queue(8, 3), Queue(8, 3)
    queue.push(keys(0, 3))
    other.load_state_dict(queue.state_dict())
    assert torch.equal(queue.keys, other.keys) and int(other.pointer) == 3


def test_follower_to_the_bit() -> None:
    """Against numbers one by one, each product and their sum rounded to float32, whatever the length."""
    for momentum in (0.9, 0.99, 0.996, 0.999):
        fast = nn.Linear(7, 5)
        slow = follower(fast)
        plain = [weight.flatten().numpy().copy() for weight in slow.parameters()]
        keeps, takes = np.float32(momentum), np.float32(1 - momentum)
        for seed in range(20):
            for weight in fast.parameters():
                weight.data.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed)))
            follow(slow, fast, momentum)
            for row, mine, theirs in zip(plain, slow.parameters(), fast.parameters(), strict=True):
                for at, new in enumerate(theirs.detach().flatten().numpy()):
                    row[at] = row[at] * keeps + new * takes
                assert mine.flatten().tolist() == row.tolist()


def test_follower_keeps_its_share() -> None:
    fast = nn.Linear(2, 2)
    slow = follower(fast)
    assert not any(parameter.requires_grad for parameter in slow.parameters())
    before = slow.weight.clone()
    fast.weight.data.add_(1.0)
    follow(slow, fast, 0.9)
    torch.testing.assert_close(slow.weight, 0.9 * before + 0.1 * fast.weight)
    assert slow.weight[0, 0].item() == pytest.approx(before[0, 0].item() + 0.1, abs=1e-6)
