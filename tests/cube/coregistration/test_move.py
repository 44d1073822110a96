"""Moving an image is one cubic interpolation, and what it cannot know stays unknown."""

import numpy as np
import pytest
from scipy import ndimage

from revisit.cube.coregistration.move import move, move_classes, move_mask

MOVES = [(0.3, -0.7), (-2.6, 1.9), (1.2, 0.0), (0.0, 0.0), (3.0, -3.0)]


@pytest.mark.parametrize(("x", "y"), MOVES)
def test_same_as_scipy(x: float, y: float) -> None:
    """The quick way gives the values of scipy's cubic shift wherever it gives any."""
    image = np.random.default_rng(0).random((2, 60, 70), dtype=np.float32)
    expected = np.stack([ndimage.shift(band, (y, x), order=3, mode="mirror") for band in image])
    moved = move(image, x, y)
    known = ~np.isnan(moved)
    assert known.mean() > 0.85
    np.testing.assert_allclose(moved[known], expected[known], atol=1e-5)


@pytest.mark.parametrize(("x", "y"), MOVES)
def test_edges_and_gaps(x: float, y: float) -> None:
    """Nothing that came from outside, or from a missing pixel, counts as known; all else does."""
    image = np.ones((1, 40, 40), np.float32)
    image[0, 10:15, 20:22] = np.nan
    moved = move(image, x, y)
    assert np.isnan(moved[0]).sum() >= 10
    np.testing.assert_allclose(moved[~np.isnan(moved)], 1, atol=1e-5)
    inner = move_mask(~np.isnan(image[0]), x, y)
    np.testing.assert_array_equal(inner, ~np.isnan(moved[0]))
    rows, columns = np.nonzero(~inner[5:35, 5:35])
    assert (rows.min() + 5, columns.min() + 5) == (10 + int(np.floor(y)), 20 + int(np.floor(x)))
    assert (rows.max() + 5, columns.max() + 5) == (14 + int(np.ceil(y)), 21 + int(np.ceil(x)))


def test_nothing_known() -> None:
    """A date that saw nothing is moved without a fault."""
    assert np.isnan(move(np.full((2, 20, 20), np.nan, np.float32), 0.4, 0.2)).all()


def test_classes() -> None:
    """Classes are moved to the nearest pixel, never mixed; 0 comes in."""
    classes = np.arange(1, 26, dtype=np.uint8).reshape(5, 5)
    moved = move_classes(classes, 0.8, -1.3)
    np.testing.assert_array_equal(moved[:-1, 1:], classes[1:, :-1])
    assert not moved[-1].any()
    assert not moved[:, 0].any()
