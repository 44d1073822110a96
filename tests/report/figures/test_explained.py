"""The variance that a reconstruction explains, against numbers by hand and a trivial prediction."""

import numpy as np
import pytest

from revisit.report.figures.explained import explained


def restored(share: float, level: float = 0.0) -> tuple[np.ndarray, ...]:
    """Images, half their rows hidden and half shown, restored by ``share`` of what is true, ``level`` off."""
    truth = np.random.default_rng(0).standard_normal((3, 2, 8, 8)) + 1.5
    hidden = np.zeros(truth.shape, bool)
    hidden[..., 4:, :] = True
    mean = np.mean(truth[..., 4:, :], (-2, -1), keepdims=True)
    return truth, hidden, ~hidden, np.where(hidden, mean + level + share * (truth - mean), truth)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_explained_variance(share: float) -> None:
    """Predictions part of the way from the best flat colour explain 1 - (1 - share)² within an image."""
    found = explained(*restored(share))
    assert found.within == pytest.approx(1 - (1 - share) ** 2)
    assert found.variation == pytest.approx(share**2)
    assert found.trivial_within < 0 < found.trivial_all < 1
    assert ("Nearly flat" in " ".join(found.lines(given=False))) == (share == 0)


def test_explained_variance_of_a_wrong_level() -> None:
    """A flat colour that is off explains less than nothing; only hidden pixels count."""
    truth, hidden, shown, restoration = restored(0.0, level=1.0)
    found = explained(truth, hidden, shown, restoration)
    assert found.within < 0
    assert explained(truth, hidden, shown, np.where(hidden, restoration, 99)) == found


def test_what_holds_no_data_is_no_part_of_it() -> None:
    """Neither of what was hidden nor of what the trivial prediction is made of."""
    truth, hidden, shown, restoration = restored(0.5)
    found = explained(truth[..., :4], hidden[..., :4], shown[..., :4], restoration[..., :4])
    for part in (hidden, shown):
        part[..., 4:] = False
    truth[..., 4:] = 3.0
    assert explained(truth, hidden, shown, restoration) == pytest.approx(found)


def test_trivial_prediction_of_a_band_of_which_nothing_was_shown() -> None:
    """The mean of the image's other bands stands in; with given moments, the true mean of each cell."""
    truth, hidden, shown, restoration = restored(0.5)
    hidden[:, 0], shown[:, 0] = True, False
    other = truth[:, 1:, :4].mean((-3, -2, -1), keepdims=True)
    guess = np.where(np.arange(2)[:, None, None] == 0, other, truth[:, :, :4].mean((-2, -1), keepdims=True))
    error, total = (np.square(x)[hidden].sum() for x in (np.broadcast_to(guess, truth.shape) - truth, truth))
    assert explained(truth, hidden, shown, restoration).trivial_all == pytest.approx(1 - error / total)
    cells = truth.reshape(3, 2, 2, 4, 2, 4).mean((3, 5)).repeat(4, -2).repeat(4, -1)
    error = np.square(cells - truth)[hidden].sum()
    given = explained(truth, hidden, shown, restoration, cell=4)
    assert given.trivial_all == pytest.approx(1 - error / total)
    assert any("true mean" in line for line in given.lines(given=True))
