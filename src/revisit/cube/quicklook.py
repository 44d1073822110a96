"""Pictures of what has no dates: a map of labels with its legend, one of elevation in metres."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from revisit.cube.composites import PANEL_PIXELS, heading, scale_bar, step_of
from revisit.cube.labels.legend import NO_LABEL, Legend
from revisit.files import atomic


def label_map(cube: xr.Dataset, path: str | Path) -> None:
    """Draw the land cover of a label cube with a legend of the classes in it, as a PNG."""
    step = step_of(cube, 2 * PANEL_PIXELS)
    codes = cube["land_cover"][::step, ::step].values
    classes = Legend.of_cube(cube)
    present, counts = np.unique(codes, return_counts=True)
    figure = Figure(figsize=(8.5, 0.5 + 5.6 * codes.shape[0] / codes.shape[1]), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.imshow(classes.painted(codes), interpolation="nearest")
    legend = [
        Patch(
            facecolor=classes.colours.get(code, NO_LABEL),
            edgecolor="0.4",
            label=f"{classes.names.get(code, 'none')}, {share:.1%}",
        )
        for code, share in zip(present.tolist(), counts / codes.size, strict=True)
    ]
    figure.legend(handles=legend, loc="outside right upper", frameon=False, fontsize=9)
    _scale_bar(axes, cube, step)
    axes.set_title(heading(cube, "land cover"), fontsize=10)
    save(figure, path)


def elevation_map(cube: xr.Dataset, path: str | Path) -> None:
    """Draw the elevation of a cube with a bar of its metres, as a PNG."""
    step = step_of(cube, 2 * PANEL_PIXELS)
    metres = cube["elevation"][::step, ::step].values
    figure = Figure(figsize=(7.5, 0.5 + 5.6 * metres.shape[0] / metres.shape[1]), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    image = axes.imshow(metres, cmap="cividis", interpolation="nearest")
    figure.colorbar(image, ax=axes, shrink=0.8, label="m")
    _scale_bar(axes, cube, step)
    axes.set_title(heading(cube, "elevation"), fontsize=10)
    save(figure, path)


def save(figure: Figure, path: str | Path) -> None:
    """Save a figure so that the same picture has the same bytes."""
    with atomic(path) as aside:
        figure.savefig(aside, format="png", dpi=110, metadata={"Software": None})


def _scale_bar(axes: Axes, cube: xr.Dataset, step: int) -> None:
    """A bar of a round length with its length in kilometres."""
    length, label = scale_bar(cube, step)
    width, height = cube.sizes["x"] / step, cube.sizes["y"] / step
    box = (0.03 * width, 0.93 * height)
    axes.add_patch(Rectangle(box, length, 0.025 * height, facecolor="white", edgecolor="black", lw=0.6))
    text = axes.text(box[0], box[1] - 0.02 * height, label, color="white", fontsize=8)
    text.set_path_effects([withStroke(linewidth=2, foreground="black")])
