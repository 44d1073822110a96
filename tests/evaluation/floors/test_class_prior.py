"""The class prior: frequencies of the labelled samples, and nothing else."""

from typing import Any

import numpy as np
import pytest

from revisit.errors import RevisitError
from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.floors.class_prior import FLOOR


def refuse(labels: np.ndarray, outputs: np.ndarray) -> float:
    raise AssertionError("there is nothing to choose")


def test_scenes_get_the_share_of_scenes_that_show_a_class(made: Any) -> None:
    """The same for every sample: a class's average precision on the test set is then its frequency there."""
    truth = np.array([[1, 0, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1], [0, 0, 1]], np.uint8)
    data = made(np.zeros((6, 1, 2, 2), np.uint8), truth, ("a", "b", "c"))
    predict, record = FLOOR.fit(data, np.arange(4), np.array([4]), refuse, 0)
    outputs = predict(np.array([4, 5, 0]))
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs, [[0.75, 0.25, 0.25]] * 3)
    assert record == {"frequencies": {"a": 0.75, "b": 0.25, "c": 0.25}}
    assert data.read == {0, 1, 2, 3}
    assert mean_average_precision(truth[3:], predict(np.arange(3, 6))).classes == [None, 1 / 3, 2 / 3]


def test_maps_get_the_most_frequent_class_of_the_labelled_pixels(made: Any) -> None:
    """Everywhere; pixels without a label do not count, and neither do samples outside the labelled ones."""
    truth = np.full((4, 3, 5), 255, np.uint8)
    truth[0, 0], truth[1, 0, :3], truth[2], truth[3] = 1, 0, 2, 0
    data = made(np.zeros((4, 1, 3, 5), np.uint8), truth, ("a", "b", "c"))
    predict, record = FLOOR.fit(data, np.arange(2), np.array([2]), refuse, 0)
    outputs = predict(np.array([2, 3]))
    assert outputs.shape == (2, 3, 3, 5) and outputs.dtype == np.float32
    assert (outputs.argmax(1) == 1).all()
    assert record["frequencies"] == pytest.approx({"a": 3 / 8, "b": 5 / 8, "c": 0})
    with pytest.raises(RevisitError, match="no label in 1 samples"):
        FLOOR.fit(
            made(data.images, np.full_like(truth, 255), data.classes), np.array([0]), np.array([1]), refuse, 0
        )
