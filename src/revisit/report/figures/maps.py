"""Land-cover maps of test places: image, label and the prediction of each method, with a legend."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from revisit import stage
from revisit.errors import RevisitError
from revisit.report import names, reading
from revisit.report.figures import style

SAMPLES = 5
ARRAYS = ("image", "bands", "label", "prediction", "classes")


def draw(predictions: Sequence[Path], out: Path) -> None:
    """A row a place, the ones with most classes first; columns: SAR, RGB, label, then the predictions.

    Raises RevisitError where two files show other places or classes.
    """
    paths = sorted(predictions, key=_order)
    runs = [reading.read_arrays(path, ARRAYS) for path in paths]
    first = runs[0]
    for path, run in zip(paths, runs, strict=True):
        for name in ("label", "classes"):
            if not np.array_equal(run[name], first[name]):
                raise RevisitError(
                    f"{path}: its {name} differ from those of {paths[0]}; rerun the evaluation of one"
                )
    classes = tuple(str(name) for name in first["classes"])
    label = first["label"]
    images: dict[str, NDArray] = {}  # what there is to show: SAR as VV, RGB
    for run in runs:
        bands = tuple(str(name) for name in run["bands"])
        for title, needed in (("SAR (VV)", ("vv", "vv", "vv")), ("RGB", ("red", "green", "blue"))):
            if set(needed) <= set(bands):
                images.setdefault(title, run["image"][:, [bands.index(name) for name in needed]])
    # The places with most classes say most.
    variety = [len(np.unique(one[one < len(classes)])) for one in label]
    samples = sorted(range(len(label)), key=lambda number: (-variety[number], number))[:SAMPLES]

    columns = len(images) + 1 + len(runs)
    with style.figure(out, 1.35 * columns, 1.35 * len(samples) + 0.8) as figure:
        axes = figure.subplots(len(samples), columns, squeeze=False)
        for row, sample in zip(axes, samples, strict=True):
            for panel, image in zip(row, images.values(), strict=False):
                style.show(panel, image[sample])
            _map(row[len(images)], label[sample], classes)
            for panel, run in zip(row[len(images) + 1 :], runs, strict=True):
                _map(panel, run["prediction"][sample], classes)
        titles = [*images, "label", *map(_title, paths)]
        for panel, title in zip(axes[0], titles, strict=True):
            panel.set_title(title, fontsize=8)
        _legend(figure, classes, bool((label >= len(classes)).any()))


def _run(path: Path) -> tuple[str, str]:
    """Method and modality, from the place scores/{experiment}/{method}/{modality}/{protocol}.npz."""
    if len(path.parts) < 3 or path.parts[-2] not in names.SAR_MODALITIES:
        raise RevisitError(f"{path}: not in a folder {{method}}/{{modality}} of the scores")
    return path.parts[-3], path.parts[-2]


def _order(path: Path) -> tuple[int, tuple[int, str]]:
    method, modality = _run(path)
    return list(names.SAR_MODALITIES).index(modality), names.rank(method)


def _title(path: Path) -> str:
    method, modality = _run(path)
    return f"{names.method(method)}\n{names.SAR_MODALITIES[modality]}"


def _map(axes: Axes, numbers: NDArray, classes: tuple[str, ...]) -> None:
    shown = np.ma.masked_greater_equal(numbers, len(classes))
    colours = ListedColormap(style.class_colours(classes)).with_extremes(bad=style.NO_LABEL)
    axes.imshow(shown, vmin=-0.5, vmax=len(classes) - 0.5, cmap=colours)
    style.bare(axes)


def _legend(figure: Figure, classes: tuple[str, ...], unlabelled: bool) -> None:
    colours = style.class_colours(classes)
    patches = [Patch(facecolor=colour, label=name) for name, colour in zip(classes, colours, strict=True)]
    if unlabelled:
        patches.append(Patch(facecolor=style.NO_LABEL, edgecolor=style.REFERENCE, label="no label"))
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches))


def build_from_arguments(arguments: argparse.Namespace) -> None:
    draw(arguments.predictions, arguments.out)


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="predictions (.npz)")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    return stage.main(build_from_arguments, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
