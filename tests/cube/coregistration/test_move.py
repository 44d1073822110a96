"""Moving an image is one cubic interpolation, and what it cannot know stays unknown."""

import numpy as np
import pytest
from scipy import ndimage

from revisit.cube.coregistration.move import Move, move, move_classes, move_mask

MOVES = [(0.3, -0.7), (-2.6, 1.9), (1.2, 0.0), (0.0, 0.0), (3.0, -3.0)]


def move_date(
    values: np.ndarray, valid: np.ndarray, x: float, y: float, decibels: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Values (band, y, x) and ``valid`` (y, x) of a date, moved as ``Move`` says."""
    one = Move(~np.isnan(values).any(axis=0), valid, x, y)
    return np.stack([one.image(image, decibels) for image in values]), one.seen


def move_decibels(values: np.ndarray, x: float, y: float) -> np.ndarray:
    """``move`` float32 backscatter in dB (band, y, x), by its linear power; NaN as there."""
    known = ~np.isnan(values).any(axis=0)
    one = Move(known, known, x, y)
    return np.stack([one.image(image, decibels=True) for image in values])


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


def test_backscatter_keeps_its_power() -> None:
    """Half a pixel aside, speckle of 4.4 looks: in dB the mean power would fall by 0.2 dB.

    The deviation in dB falls by a fifth; moved in dB it falls by a quarter.
    """
    power = 0.05 * np.random.default_rng(0).gamma(4.4, 1 / 4.4, (2, 300, 300))
    decibels = (10 * np.log10(power)).astype(np.float32)
    inner = (slice(None), slice(10, -10), slice(10, -10))

    def loss(moved: np.ndarray) -> tuple[float, float]:
        mean = 10 * np.log10((10 ** (moved[inner] / 10)).mean() / power[inner].mean())
        return mean, 1 - moved[inner].std() / decibels[inner].std()

    mean, spread = loss(move_decibels(decibels, 0.5, 0.5))
    assert abs(mean) < 0.01
    assert 0.18 < spread < 0.22
    mean, spread = loss(move(decibels, 0.5, 0.5))
    assert -0.25 < mean < -0.15
    assert 0.22 < spread < 0.27


def test_backscatter_beside_a_bright_target() -> None:
    """No swing of the interpolation makes a power that has no decibel, nor one far below what was seen."""
    image = np.full((1, 40, 40), -20, np.float32)
    image[0, 20, 20] = 15
    moved = move_decibels(image, 0.4, -0.3)
    known = moved[~np.isnan(moved)]
    assert known.min() == pytest.approx(-20 + 10 * np.log10(0.5), abs=0.01)
    assert 8 < known.max() < 15


@pytest.mark.parametrize(("x", "y"), MOVES)
def test_backscatter_with_gaps(x: float, y: float) -> None:
    """Missing pixels are those of a plain move, even ground stays, no power at all spoils no other pixel."""
    image = np.full((1, 40, 40), -14, np.float32)
    image[0, 10:15, 20:22] = np.nan
    moved = move_decibels(image, x, y)
    np.testing.assert_array_equal(np.isnan(moved), np.isnan(move(image, x, y)))
    np.testing.assert_allclose(moved[~np.isnan(moved)], -14, atol=1e-4)
    image[0, 30, 30] = -np.inf
    assert np.isfinite(move_decibels(image, x, y)[0, 16:26, 4:16]).all()


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


def test_what_stands_in_for_a_gap_does_not_show_beside_it() -> None:
    """Splines reach over the gap: its nearest values leave no trace there, the image's mean would."""
    ramp = np.broadcast_to(np.linspace(0, 1000, 101, dtype=np.float32), (1, 60, 101)).copy()
    image = ramp.copy()
    image[:, 20:40, 80:90] = np.nan
    moved = move(image, 0.5, 0.0)
    truth = ramp - 5  # half a column east
    known = ~np.isnan(moved)
    known[..., :6] = known[..., -6:] = False  # the image's own edges
    assert np.abs(moved - truth)[known].max() < 8


@pytest.mark.parametrize(("x", "y"), [(0.5, 0.0), (0.0, -0.5), (1.4, -0.7), (-2.0, 0.3)])
@pytest.mark.parametrize("decibels", [False, True])
def test_a_masked_cloud_lends_nothing_to_the_ground_beside_it(x: float, y: float, decibels: bool) -> None:
    """Even ground stays as it is to its last valid pixel; a cloud keeps its values, a gap stays a gap."""
    ground, cloud = (-14.0, 3.0) if decibels else (0.08, 0.70)
    image, valid = np.full((2, 50, 60), ground, np.float32), np.ones((50, 60), bool)
    image[:, 15:30, 20:40], valid[15:30, 20:40] = cloud, False
    image[:, 31:35, 22:27], valid[31:35, 22:27] = np.nan, False
    moved, seen = move_date(image, valid, x, y, decibels)
    np.testing.assert_array_equal(seen, move_mask(valid, x, y))
    np.testing.assert_allclose(moved[:, seen], ground, rtol=1e-4)
    np.testing.assert_allclose(moved[:, 19:27, 24:36], cloud, rtol=1e-5)
    inside = move_mask(np.ones_like(valid), x, y)
    np.testing.assert_array_equal(np.isnan(moved[0])[inside], ~move_mask(~np.isnan(image[0]), x, y)[inside])


def test_without_a_mask_a_date_is_moved_as_a_whole() -> None:
    """Nothing but missing pixels hidden: values are those of the cubic move."""
    image = np.random.default_rng(0).random((2, 40, 40), dtype=np.float32)
    image[:, 10:15, 20:22] = np.nan
    for decibels, values in ((False, move(image, 0.3, -0.7)), (True, move_decibels(image, 0.3, -0.7))):
        moved, seen = move_date(image, np.ones((40, 40), bool), 0.3, -0.7, decibels)
        np.testing.assert_array_equal(moved, values)
        np.testing.assert_array_equal(seen, ~np.isnan(values[0]))
