"""What a masked method restores: input, what the encoder was shown, the restored image and its error."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError
from revisit.report import reading
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style
from revisit.report.figures.explained import explained

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from matplotlib.image import AxesImage

PARTS = ("input", "masked", "reconstruction")
SHOWN = ("input", "shown", "restored", "error")
SAMPLES = 4  # places shown of single dates
SERIES = 2  # places shown of year series, four rows each
MOST_BESIDE = 8  # images of all of them in a row; more stand below each other
WHOLE = 0.999  # share of pixels with data, from which on the legend does not tell of those without
LINE_INCHES, KEYS_INCHES = 0.17, 0.85  # of the small print below
LETTERS_AN_INCH = 15
WORST = 2.0  # standard deviations, the end of the scale of errors
COLOUR = ("red", "green", "blue")
RADAR = ("vv", "vh")
GREY = ("nir", *COLOUR)  # the first of these stands for optical bands that are hidden one by one


class View(NamedTuple):
    """Bands to show as colours, or one of them three times as grey."""

    title: str
    bands: list[int]


class Restoration(NamedTuple):
    """Standardised images, (n, band, y, x) or (n, time, band, y, x), where they hold data, and where it was
    hidden."""

    truth: NDArray[Any]
    restored: NDArray[Any]
    data: NDArray[np.bool_]
    hidden: NDArray[np.bool_]


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """Single dates (n, band, y, x): a row a place. Series (n, time, band, y, x): a column a year.

    Below stand the shares of variance explained (revisit.report.figures.explained), over all samples of the
    file. Raises RevisitError where the arrays do not fit each other.
    """
    (path,) = paths
    content = reading.read_arrays(path, (*PARTS, "data", "bands"))
    bands, data = tuple(str(name) for name in content["bands"]), np.asarray(content["data"], bool)
    images = {part: np.asarray(content[part], np.float32) for part in PARTS}
    shape = images["input"].shape
    for part, array in (images | {"data": data}).items():
        if array.shape != shape or array.ndim not in (4, 5) or array.shape[-3] != len(bands):
            raise RevisitError(
                f"{path}: {part} has the shape {array.shape}, input {shape} with {len(bands)} bands; "
                "rerun the pretraining"
            )
    hidden = (images["masked"] == 0) & (images["input"] != 0) & data
    of = Restoration(images["input"], images["reconstruction"], data, hidden)
    cell = int(content.get("moments_given", 0))
    lines = explained(of.truth, hidden, data & ~hidden, of.restored, cell).lines(given=bool(cell))
    if len(shape) == 5:
        times = [str(time) for time in content.get("times", np.arange(1, shape[1] + 1))]
        _series(of, bands, times, lines, out)
    else:
        _single(of, bands, lines, out)


def _views(of: Restoration, bands: tuple[str, ...]) -> list[View]:
    """One view per sensor; in colour where the three bands are hidden together."""
    views = []
    if set(COLOUR) <= set(bands):
        three = [bands.index(name) for name in COLOUR]
        together = of.hidden[..., three, :, :]
        if (together == together[..., :1, :, :]).all():
            views.append(View("red, green, blue", three))
    optical = [name for name in bands if name not in RADAR]
    if optical and not views:
        band = next((name for name in GREY if name in optical), optical[0])
        views.append(View(band, [bands.index(band)] * 3))
    if radar := [name for name in RADAR if name in bands]:
        views.append(View(radar[0].upper(), [bands.index(radar[0])] * 3))
    return views


def _single(of: Restoration, bands: tuple[str, ...], lines: Sequence[str], out: Path) -> None:
    views, count = _views(of, bands), min(SAMPLES, len(of.truth))
    colour = set(COLOUR) <= set(bands) and views[0].title != "red, green, blue"
    widths = [1.0] * colour + [len(SHOWN)] * len(views)
    width, height = 1.25 * sum(widths) + 0.5, 1.32 * count + 0.5
    lines = _wrapped(lines, width)
    below = LINE_INCHES * len(lines) + KEYS_INCHES
    with style.figure(out, width, height + below) as figure:
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, below])[:, 0]
        panels = list(upper.subfigures(1, len(widths), squeeze=False, width_ratios=widths)[0])
        if colour:
            first = panels.pop(0)
            first.suptitle("in colour", fontsize=9)
            for sample, axes in enumerate(first.subplots(count, 1, squeeze=False)[:, 0]):
                three = [bands.index(name) for name in COLOUR]
                missing = ~of.data[sample][three].any(axis=0)
                style.show(axes, of.truth[sample][three], title="" if sample else "input", missing=missing)
        for panel, view in zip(panels, views, strict=True):
            panel.suptitle(view.title, fontsize=9)
            axes = panel.subplots(count, len(SHOWN), squeeze=False)
            for sample in range(count):
                titles = ("",) * len(SHOWN) if sample else SHOWN
                one = Restoration(*(part[sample][view.bands] for part in of))
                errors = _four(axes[sample], one, one.truth, titles)
        _foot(lower, errors, lines, whole=bool(of.data.mean() > WHOLE))


def _series(
    of: Restoration, bands: tuple[str, ...], times: list[str], lines: Sequence[str], out: Path
) -> None:
    view, count, four = _views(of, bands)[0], min(SERIES, len(of.truth)), len(SHOWN)
    beside = count * len(times) <= MOST_BESIDE
    rows, columns = (four, count * len(times)) if beside else (four * count, len(times))
    width, height = 1.2 * columns + 0.5, 1.2 * rows + 0.6
    lines = _wrapped(lines, width)
    below = LINE_INCHES * len(lines) + KEYS_INCHES
    with style.figure(out, width, height + below) as figure:
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, below])[:, 0]
        upper.suptitle(view.title, fontsize=9)
        axes = upper.subplots(rows, columns, squeeze=False)
        for sample, time in np.ndindex(count, len(times)):
            top, left = (0, len(times) * sample) if beside else (four * sample, 0)
            column = axes[top : top + four, left + time]
            every_year = np.concatenate([*of.truth[sample][:, view.bands]], axis=-1)
            one = Restoration(*(part[sample, time][view.bands] for part in of))
            errors = _four(column, one, every_year, (times[time], "", "", ""))
            if left + time == 0:
                for panel, name in zip(column, SHOWN, strict=True):
                    panel.set_ylabel(name, fontsize=8)
        _foot(lower, errors, lines, whole=bool(of.data.mean() > WHOLE))


def _four(
    axes: "Sequence[Axes]", of: Restoration, reference: NDArray[Any], titles: Sequence[str]
) -> "AxesImage":
    """Input, what was shown of it, the restored image and the error of an image (3, y, x)."""
    hidden, missing = of.hidden.any(axis=0), ~of.data.any(axis=0)
    style.show(axes[0], of.truth, reference, titles[0], missing=missing)
    style.show(axes[1], of.truth, reference, titles[1], hidden, missing)
    style.show(axes[2], of.restored, reference, titles[2], missing=missing)
    _outline(axes[2], hidden)
    error = np.abs(of.restored - of.truth).mean(axis=0)
    image = axes[3].imshow(np.ma.masked_where(~hidden, error), vmin=0, vmax=WORST, cmap="magma_r")
    style.bare(axes[3], titles[3])
    _outline(axes[3], hidden)
    return image


def _outline(axes: "Axes", hidden: NDArray[np.bool_]) -> None:
    """A line around what was shown, along the edges of pixels."""
    from matplotlib.collections import LineCollection

    down = [[(x - 0.5, y + 0.5), (x + 0.5, y + 0.5)] for y, x in np.argwhere(np.diff(hidden, axis=0))]
    right = [[(x + 0.5, y - 0.5), (x + 0.5, y + 0.5)] for y, x in np.argwhere(np.diff(hidden, axis=1))]
    axes.add_collection(LineCollection([*down, *right], colors=style.OUTLINE, linewidths=0.7))


def _foot(figure: "SubFigure", errors: "AxesImage", lines: Sequence[str], whole: bool) -> None:
    """The numbers, and below them legend and scale of errors; ``whole``: hardly any data are missing."""
    heights = [LINE_INCHES * len(lines), KEYS_INCHES]
    text, keys = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    text.text(0.01, 1, "\n".join(lines), va="top", fontsize=8)
    legend, scale = keys.subplots(1, 2, width_ratios=[1, 1])
    legend.set_axis_off()
    handles = [style.swatch(style.HIDDEN, "hidden from the encoder")]
    if not whole:
        handles.append(style.swatch(style.NO_DATA, "no data"))
    legend.legend(handles=handles, loc="center left")
    scale.set_axis_off()
    bar = keys.colorbar(
        errors, cax=scale.inset_axes((0, 0.7, 0.6, 0.2)), orientation="horizontal", extend="max"
    )
    bar.set_label("error, standard\ndeviations", fontsize=8)


def _wrapped(lines: Sequence[str], inches: float) -> list[str]:
    """The lines, broken where a figure of this width ends, but for numbers and their units."""
    kept = [line.replace(" %", "\N{NO-BREAK SPACE}%") for line in lines]
    return [part for line in kept for part in textwrap.wrap(line, int(LETTERS_AN_INCH * inches))]


FIGURE = Drawing(
    per="encoder",
    source="reconstruction",
    title="Reconstruction",
    section="pretraining",
    caption="Input, what the encoder was shown, what the decoder restored (outlined: shown, not restored), "
    "and how far it is off. Below: the share of variance it explains, against a trivial prediction.",
    applies=lambda facts: facts.encoders[0].reconstructs and not facts.encoders[0].generates,
    draw=draw,
)
