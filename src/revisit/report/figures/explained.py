"""How much of what was hidden a model restored, in numbers: the share of variance that it explains."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from revisit.report import words

FLAT = 0.1  # predictions that vary by less than this share of the true variance look like one colour

Images = NDArray[np.floating]
_PLACE, _BAND = (-3, -2, -1), (-2, -1)  # axes of one image, and of one of its bands


class Explained(NamedTuple):
    """Shares of variance of the hidden pixels, 1 for a perfect restoration; all samples together.

    ``all`` and ``trivial_all``: of their variance about the mean of the training data. ``within`` and
    ``trivial_within``: about the mean of the hidden pixels of the same image and band, of which one flat
    colour explains at most 0. ``variation``: variance of the predictions as a share of the true one, level
    aside. The trivial prediction is the mean of what the model was shown of the band (of the image, where it
    saw nothing of the band), or the mean of the cell where the model was given that.
    """

    all: float
    trivial_all: float
    within: float
    trivial_within: float
    variation: float

    def lines(self, given: bool) -> tuple[str, ...]:
        """What to print below; ``given``: predictions got the true mean and deviation of their cell."""
        trivial = "the true mean of each cell" if given else "the mean of what it was shown"
        lines = [
            f"Variance of the hidden pixels explained: {words.share(self.all)} "
            f"(by {trivial}: {words.share(self.trivial_all)}).",
            f"Level aside, within an image and band: {words.share(self.within)} "
            f"(by {trivial}: {words.share(self.trivial_within)}; by the best flat colour: 0 %).",
        ]
        if given:
            lines.append("Predictions are shown with the true mean and deviation of each cell.")
        if self.variation < FLAT:
            lines.append(
                f"Nearly flat: predictions have {words.share(self.variation)} of the true variance, level "
                "aside. The model restores levels, not structure, as models do early in training."
            )
        return tuple(lines)


def explained(
    truth: Images, hidden: NDArray[np.bool_], shown: NDArray[np.bool_], restored: Images, cell: int = 0
) -> Explained:
    """Measure a restoration (..., band, y, x), standardised, where it was ``hidden``.

    ``shown``: the others that hold data. ``cell``: side in pixels of the cells whose true mean and deviation
    predictions were given, 0 for none.
    """
    if cell:
        trivial = _cell_means(truth, cell)
    else:
        trivial = _mean(truth, shown, _BAND, _mean(truth, shown, _PLACE, np.zeros(1)))
    level = _mean(truth, hidden, _BAND, np.zeros(1))
    total, within = _sum(truth, hidden), _sum(truth - level, hidden)
    own = _sum(restored - _mean(restored, hidden, _BAND, np.zeros(1)), hidden)
    error, trivial_error = _sum(restored - truth, hidden), _sum(trivial - truth, hidden)
    return Explained(
        1 - error / total,
        1 - trivial_error / total,
        1 - error / within,
        1 - trivial_error / within,
        own / within,
    )


def _mean(images: Images, chosen: NDArray[np.bool_], axes: tuple[int, ...], otherwise: Images) -> Images:
    """Mean of the chosen pixels over these axes, which are kept; ``otherwise`` where none is chosen."""
    counts = chosen.sum(axes, keepdims=True)
    means: Images = (images * chosen).sum(axes, keepdims=True) / np.maximum(counts, 1)
    return np.where(counts > 0, means, otherwise)


def _sum(errors: Images, chosen: NDArray[np.bool_]) -> float:
    """Sum of squares, never 0 so that it may divide."""
    return float((np.square(errors, dtype=float) * chosen).sum()) or 1e-12


def _cell_means(images: Images, cell: int) -> Images:
    *front, height, width = images.shape
    cells = images.reshape(*front, height // cell, cell, width // cell, cell)
    return np.broadcast_to(cells.mean((-3, -1), keepdims=True), cells.shape).reshape(images.shape)
