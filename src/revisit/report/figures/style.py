"""How all figures look: fonts, colour-blind-safe colours, and files that are the same at every run.

Planning imports the figures to ask which of them apply, so matplotlib is imported only while one is drawn.
"""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from revisit import files
from revisit.report import words
from revisit.report.facts import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

# Okabe and Ito's palette, dark tones first; black stays for what is published.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#999933")
MARKERS = "os^Dv<>P"
REFERENCE = "#777777"
PUBLISHED = "#000000"
HIDDEN = "#c9bdec"  # what a model was not shown; neither imagery nor a class of the legend looks like it
OUTLINE = "#5b3fb0"  # around what it was shown
NO_DATA = "#c8c8c8"  # of an image, as on contact sheets
NO_LABEL = "#ffffff"
LEGEND_LETTERS, LEGEND_INCHES = 26, 2.2  # a line of a legend beside panels, and the room it takes

SHEET: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "figure.dpi": 130,
    "image.interpolation": "nearest",
}


@contextmanager
def figure(path: str | Path, width: float, height: float) -> Iterator["Figure"]:
    """A figure of this size (inches) to draw on; written to ``path`` as PNG when the block succeeds."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SHEET):
        result = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(result)
        yield result
        with files.atomic(path) as aside:
            result.savefig(aside, format="png", metadata={"Software": None})


@contextmanager
def panels(
    path: str | Path, rows: Sequence[str], columns: Sequence[str], value: str
) -> Iterator[tuple["Figure", NDArray[Any]]]:
    """A figure of panels (row, column) that share their axes, each titled by its row and column.

    ``value``: what the vertical axes show. A single column of panels lies side by side.
    """
    across = len(columns) == 1
    high, wide = (1, len(rows)) if across else (len(rows), len(columns))
    with figure(path, 2.9 * wide + LEGEND_INCHES, 2.6 * high + 0.4) as drawn:
        axes = drawn.subplots(high, wide, squeeze=False, sharex=True, sharey=True)
        axes = axes.T if across else axes
        for row, line in zip(rows, axes, strict=True):
            for column, panel in zip(columns, line, strict=True):
                panel.set_title("\n".join(filter(None, (row, column))))
        drawn.supylabel(value, fontsize="medium")
        yield drawn, axes


def colour_of(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def legend_text(title: str) -> str:
    """A name in lines short enough to stand beside the panels."""
    return textwrap.fill(title, LEGEND_LETTERS)


def looks(runs: Iterable[Run]) -> dict[str, dict[str, str]]:
    """How the curve of each method looks, in the order of the runs: a colour and a mark of its own."""
    titles = {run.method: run.title for run in reversed(list(runs))}
    return {
        method: {
            "color": colour_of(number),
            "ls": "-",
            "marker": MARKERS[number // len(COLOURS) % len(MARKERS)],
            "label": legend_text(titles[method]),
        }
        for number, method in enumerate(reversed(titles))
    }


def curve(
    axes: "Axes",
    rows: Sequence[dict[str, Any]],
    look: dict[str, str],
    aside: float,
    along: Callable[[Mapping[str, Any]], float] = words.amount,
) -> "ErrorbarContainer":
    """Values of all.csv in per cent, against what ``along`` says of a row; ``aside`` keeps bars legible."""
    rows = sorted(rows, key=along)
    bars = [
        [0.0 if row[end] is None else words.PERCENT * abs(row[end] - row["value"]) for row in rows]
        for end in ("ci_low", "ci_high")
    ]
    return axes.errorbar(
        [along(row) * 1.03**aside for row in rows],
        [words.PERCENT * row["value"] for row in rows],
        yerr=bars,
        ms=4,
        elinewidth=0.9,
        **look,  # type: ignore[arg-type]
    )


def labels_used(panels: Iterable["Axes"], rows: Sequence[Mapping[str, Any]]) -> None:
    """The axis of the amount of labels used, of these panels of an experiment's rows."""
    amounts = sorted({words.amount(row) for row in rows})
    if rows[0]["label_count"] is None:
        scale(panels, amounts, [f"{words.PERCENT * share:.4g}" for share in amounts], "labels used in %")
    else:
        scale(panels, amounts, [f"{count:,.0f}" for count in amounts], "labelled samples")


def scale(panels: Iterable["Axes"], values: Sequence[float], names: Sequence[str], label: str) -> None:
    """A logarithmic axis with these values alone, named below the lowest of these panels."""
    from matplotlib.ticker import NullLocator

    for panel in panels:
        panel.set_xscale("log")
        panel.set_xticks(values, names)
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlim(min(values) / 1.5, max(values) * 1.5)
        if (place := panel.get_subplotspec()) is None or place.is_last_row():
            panel.set_xlabel(label)


def stretch(image: NDArray[Any], reference: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Scale (band, y, x) to 0..1 between the 2nd and 98th percentile of each band of ``reference``."""
    reference = image if reference is None else reference
    low, high = np.nanpercentile(reference, (2, 98), axis=(-2, -1), keepdims=True)
    scaled: NDArray[np.float64] = np.clip((image - low) / np.maximum(high - low, 1e-6), 0, 1)
    return scaled


def show(
    axes: "Axes",
    image: NDArray[Any],
    reference: NDArray[Any] | None = None,
    title: str = "",
    hidden: NDArray[np.bool_] | None = None,
    missing: NDArray[np.bool_] | None = None,
) -> None:
    """Show three bands (3, y, x) as colours, stretched like ``reference``; no ticks, no frame.

    Where it is ``hidden`` (y, x) the picture has the colour of what a model was not shown, where data are
    ``missing`` it is grey.
    """
    picture = np.moveaxis(stretch(image, reference), 0, -1)
    for part, colour in ((hidden, HIDDEN), (missing, NO_DATA)):
        if part is not None:
            picture[part] = np.array(list(bytes.fromhex(colour[1:]))) / 255
    axes.imshow(picture, vmin=0, vmax=1)
    bare(axes, title)


def bare(axes: "Axes", title: str = "") -> None:
    """An axes that holds an image: no ticks, frame or grid."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    if title:
        axes.set_title(title, fontweight="normal", fontsize=8)


def swatch(colour: str, label: str) -> "Patch":
    """An entry of a legend: a framed patch of this colour."""
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, edgecolor=REFERENCE, linewidth=0.6, label=label)
