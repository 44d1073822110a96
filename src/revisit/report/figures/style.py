"""How all figures look: fonts, colour-blind-safe colours, and files that are the same at every run.

Planning imports the figures to ask which of them apply, so matplotlib is imported only while one is drawn.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from revisit import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, dark tones first; black stays for what is published.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#999933")
REFERENCE = "#777777"
PUBLISHED = "#000000"
# Near WorldCover's own colours, told apart by lightness too.
HIDDEN_GREY = 0.85
LAND_COVER = {"Build-up": "#e8262a", "Cropland": "#f096ff", "Water": "#0064c8", "Others": "#b9cf9a"}
NO_LABEL = "#ffffff"

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


def colour_of(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def class_colours(classes: tuple[str, ...]) -> list[str]:
    """Colours of class numbers 0..n-1; a class without a set colour takes the next of the palette."""
    return [LAND_COVER.get(name, colour_of(number)) for number, name in enumerate(classes)]


def stretch(image: NDArray[Any], reference: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Scale (band, y, x) to 0..1 between the 2nd and 98th percentile of each band of ``reference``."""
    reference = image if reference is None else reference
    low, high = np.nanpercentile(reference, (2, 98), axis=(-2, -1), keepdims=True)
    scaled: NDArray[np.float64] = np.clip((image - low) / np.maximum(high - low, 1e-6), 0, 1)
    return scaled


def composite(bands: tuple[str, ...]) -> tuple[str, list[int]]:
    """Name and band numbers to show of an image: red-green-blue, else VV or its first band in grey."""
    if {"red", "green", "blue"} <= set(bands):
        return "red, green, blue", [bands.index(name) for name in ("red", "green", "blue")]
    shown = "vv" if "vv" in bands else bands[0]
    return shown.upper(), [bands.index(shown)] * 3


def show(
    axes: "Axes",
    image: NDArray[Any],
    reference: NDArray[Any] | None = None,
    title: str = "",
    hidden: NDArray[np.bool_] | None = None,
) -> None:
    """Show three bands (3, y, x) as colours, stretched like ``reference``; no ticks, no frame.

    Where all bands are ``hidden`` (3, y, x) the picture is light grey, a band hidden alone adds nothing.
    """
    picture = stretch(image, reference)
    if hidden is not None:
        picture = np.where(hidden, 0, picture)
        picture[:, hidden.all(axis=0)] = HIDDEN_GREY
    axes.imshow(np.moveaxis(picture, 0, -1), vmin=0, vmax=1)
    bare(axes, title)


def bare(axes: "Axes", title: str = "") -> None:
    """An axes that holds an image: no ticks, frame or grid."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    if title:
        axes.set_title(title, fontweight="normal", fontsize=8)
