"""How all figures look: fonts, colour-blind-safe colours, and files that are the same at every run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from revisit import files

# Okabe and Ito's palette, dark tones first; black stays for what is published.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#999933")
REFERENCE = "#777777"
PUBLISHED = "#000000"
# Near WorldCover's own colours, told apart by lightness too.
LAND_COVER = {"Build-up": "#e8262a", "Cropland": "#f096ff", "Water": "#0064c8", "Others": "#b9cf9a"}
NO_LABEL = "#ffffff"

SHEET = {
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
def figure(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of this size (inches) to draw on; written to ``path`` as PNG when the block succeeds."""
    with matplotlib.rc_context(SHEET):
        result = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(result)
        yield result
        with files.atomic(path) as aside:
            result.savefig(aside, format="png", metadata={"Software": None})


def colour_of(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def class_colours(classes: tuple[str, ...]) -> ListedColormap:
    """Colours of class numbers 0..n-1; a class without a set colour takes the next of the palette."""
    return ListedColormap([LAND_COVER.get(name, colour_of(i)) for i, name in enumerate(classes)], "classes")


def stretch(image: NDArray, reference: NDArray | None = None) -> NDArray[np.float64]:
    """Scale (band, y, x) to 0..1 between the 2nd and 98th percentile of each band of ``reference``."""
    reference = image if reference is None else reference
    low, high = np.nanpercentile(reference, (2, 98), axis=(-2, -1), keepdims=True)
    return np.clip((image - low) / np.maximum(high - low, 1e-6), 0, 1)


def picture(image: NDArray, bands: tuple[str, ...], reference: NDArray | None = None) -> NDArray[np.float64]:
    """(y, x, 3) to show of a standardised (band, y, x) image: red-green-blue where it has them, else VV grey."""
    wanted = ("red", "green", "blue")
    shown = [bands.index(name) for name in wanted] if set(wanted) <= set(bands) else [0, 0, 0]
    return np.moveaxis(stretch(image[shown], None if reference is None else reference[shown]), 0, -1)


def clean(axes: object, title: str = "") -> None:
    """An axes that holds an image: no ticks, no frame, no grid."""
    axes.set(xticks=[], yticks=[])  # type: ignore[attr-defined]
    axes.grid(False)  # type: ignore[attr-defined]
    for spine in axes.spines.values():  # type: ignore[attr-defined]
        spine.set_visible(False)
    if title:
        axes.set_title(title)  # type: ignore[attr-defined]
