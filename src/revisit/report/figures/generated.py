"""What a generator makes: of some places the optical image, and each band it made beside the true one."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError
from revisit.report import reading, words
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style

PLACES = 6
PARTS = ("input", "masked", "reconstruction")
COLOUR, GREY = ("red", "green", "blue"), "nir"
INCHES, LINE_INCHES = 1.3, 0.17
TINY = 1e-12  # in the place of 0, so that it may divide


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """A row a place; columns: what the generator saw, and of each band the true and the generated image.

    Both are stretched as the true one. Below stands, by band, the ``agreement`` over all places of the file.
    Raises RevisitError where the arrays do not fit each other.
    """
    (path,) = paths
    content = reading.read_arrays(path, (*PARTS, "bands"))
    bands = [str(name) for name in content["bands"]]
    seen, masked, made = (np.asarray(content[part], np.float32) for part in PARTS)
    if not seen.shape == masked.shape == made.shape or seen.ndim != 4 or seen.shape[1] != len(bands):
        raise RevisitError(
            f"{path}: arrays of the shapes {seen.shape}, {masked.shape} and {made.shape} with {len(bands)} "
            "bands; rerun the pretraining"
        )
    hidden = [number for number in range(len(bands)) if not masked[:, number].any()]
    given = [band for number, band in enumerate(bands) if number not in hidden]
    colour = COLOUR if set(COLOUR) <= set(given) else (GREY if GREY in given else given[0],) * 3
    title = "optical" if colour == COLOUR else colour[0]
    rows, columns = min(PLACES, len(seen)), 1 + 2 * len(hidden)
    lines = [_line(bands[band], agreement(seen[:, band], made[:, band])) for band in hidden]
    foot = LINE_INCHES * len(lines) + 0.15
    with style.figure(out, INCHES * columns + 0.2, INCHES * rows + 0.4 + foot) as figure:
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[INCHES * rows + 0.4, foot])[:, 0]
        axes = above.subplots(rows, columns, squeeze=False)
        for place, row in enumerate(axes):
            style.show(row[0], seen[place][[bands.index(name) for name in colour]], title=_top(place, title))
            for pair, band in enumerate(hidden):
                true, name = seen[place][[band] * 3], bands[band].upper()
                style.show(row[1 + 2 * pair], true, title=_top(place, f"{name}, true"))
                image = made[place][[band] * 3]
                style.show(row[2 + 2 * pair], image, true, _top(place, f"{name}, generated"))
        below.text(0.01, 1, "\n".join(lines), va="top", fontsize=8)


def _top(place: int, title: str) -> str:
    return title if place == 0 else ""


class Agreement(NamedTuple):
    """How generated images of a band agree with the true ones.

    ``explained``: share of the true variance about the mean of the training data. ``correlation`` and
    ``variation``: with the mean of each image taken off, the correlation over all pixels, and the variance
    of the generated as a share of that of the true images.
    """

    explained: float
    correlation: float
    variation: float


def agreement(true: NDArray[np.floating], made: NDArray[np.floating]) -> Agreement:
    """Of standardised images (n, y, x)."""
    one, other = (images - images.mean((1, 2), keepdims=True) for images in (true, made))
    total, within, own = (max(float(np.square(images).sum()), TINY) for images in (true, one, other))
    return Agreement(
        1 - float(np.square(made - true).sum()) / total,
        float((one * other).sum()) / math.sqrt(within * own),
        own / within,
    )


def _line(band: str, of: Agreement) -> str:
    return (
        f"{band.upper()}: {words.share(of.explained)} of the variance explained. Within places, correlation "
        f"{of.correlation:.2f}, {words.share(of.variation)} of the true variance."
    )


FIGURE = Drawing(
    per="encoder",
    source="reconstruction",
    title="Generated images",
    section="pretraining",
    caption="Validation places: what the generator saw, and each band that it made beside the true one, "
    "stretched alike. Below: the share of the true variance that it explains, speckle included; and, with the"
    " mean of each image taken off, correlation and variance.",
    applies=lambda facts: facts.encoders[0].generates,
    draw=draw,
)
