"""Turns and flips."""

import numpy as np
import torch

from revisit.evaluation.protocols.augment import draw, turn


def test_the_eight_symmetries_are_all_different_and_lose_nothing() -> None:
    """A symmetry drawn twice or a pixel lost would be silent."""
    image = torch.arange(9.0).view(1, 1, 3, 3).repeat(8, 1, 1, 1)
    turned = turn(image, np.arange(8))
    assert torch.equal(turned[0], image[0])
    assert len({tuple(one.flatten().tolist()) for one in turned}) == 8
    assert all(sorted(one.flatten().tolist()) == list(range(9)) for one in turned)


def test_images_and_labels_stay_in_register() -> None:
    """Bands of all sensors and the label of a place turn together."""
    random = np.random.default_rng(0)
    labels = torch.from_numpy(random.integers(0, 200, (32, 6, 6)).astype(np.uint8))
    images = torch.stack([labels.float(), 2 * labels.float()], 1)
    symmetries = draw(random, 32)
    turned = turn(images, symmetries)
    assert torch.equal(turned[:, 0], turn(labels, symmetries).float())
    assert torch.equal(turned[:, 1], 2 * turned[:, 0])
    assert len(set(symmetries)) > 4
