"""Difference statistics: what differs is learnt, by how much and how evenly, and nothing else."""

from typing import Any

import numpy as np

from revisit.evaluation.floors.difference_statistics import FLOOR, difference
from revisit.evaluation.floors.pixel_statistics import pixel_statistics
from revisit.evaluation.tasks.change import TASK

SIDE = 16


def test_features_are_statistics_of_the_absolute_difference() -> None:
    """Numbers of 8 bit must not wrap around, and the order of the dates does not matter."""
    images = np.array([[3, 250], [251, 1], [7, 7]], np.uint8).reshape(3, 2, 1, 1, 1)
    assert difference(images).ravel().tolist() == [247, 250, 0]
    images = np.random.default_rng(0).integers(0, 256, (2, 2, 3, 9, 9)).astype(np.uint8)
    apart = np.abs(images[:, 0].astype(int) - images[:, 1]).astype(np.uint8)
    np.testing.assert_array_equal(FLOOR.features(images), pixel_statistics(apart))
    np.testing.assert_array_equal(FLOOR.features(images[:, ::-1]), pixel_statistics(apart))


def test_it_learns_change_from_what_differs(made: Any) -> None:
    """The level of the ground says nothing; a corner without a label counts nowhere."""
    random = np.random.default_rng(0)
    truth = np.zeros((18, SIDE, SIDE), np.uint8)
    truth[:, 4:9, 5:12] = 1
    ground = random.integers(60, 150, (18, 1, SIDE, SIDE))
    images = np.stack([ground, ground + 50 * truth[:, None]], axis=1)
    images = (images + random.normal(0, 8, images.shape)).clip(0, 255).astype(np.uint8)
    truth[:, :3, :3] = 255
    train, val, test = np.split(np.arange(18), [10, 14])
    data = made(images, truth, ("No change", "Change"))
    predict, record = FLOOR.fit(data, train, val, TASK.agreement, seed=0)
    assert data.read == {*train, *val}
    outputs = predict(test)
    assert outputs.shape == (4, 2, SIDE, SIDE)
    assert TASK.agreement(truth[test], outputs) > 0.9
    assert record["pixels"] == 10 * (SIDE**2 - 9)
