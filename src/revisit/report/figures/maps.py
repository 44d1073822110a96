"""Maps of test places: image, or both of a change, label and the prediction of each method, with a legend."""

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError
from revisit.report import reading, words
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts, Run
from revisit.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SAMPLES = 5
SEEN = 0.02  # share of a place that a class must cover to count
LEGEND_COLUMNS = 6
TITLE_LETTERS = 18  # what stands above a map without reaching over the next
ARRAYS = ("image", "bands", "label", "prediction", "classes", "colours")


def draw(predictions: Sequence[Path], facts: Facts, out: Path) -> None:
    """A row a place, the ones with most classes first; columns: SAR, RGB, label, then the predictions.

    ``predictions`` are in the order of the facts' runs; the columns go by modality. Raises RevisitError where
    there are not as many, or two show other places or classes.
    """
    if len(predictions) != len(facts.runs):
        raise RevisitError(
            f"figure: {len(predictions)} files of predictions for {len(facts.runs)} runs; rerun the workflow"
        )
    pairs = sorted(
        zip(facts.runs, predictions, strict=True), key=lambda pair: words.modality_rank(pair[0].modality)
    )
    paths = [path for _, path in pairs]
    runs = [reading.read_arrays(path, ARRAYS) for path in paths]
    first = runs[0]
    for path, run in zip(paths, runs, strict=True):
        for name in ("label", "classes"):
            if not np.array_equal(run[name], first[name]):
                raise RevisitError(
                    f"{path}: its {name} differ from those of {paths[0]}; rerun the evaluation of one"
                )
    classes: dict[str, str] = dict(
        zip(*(first[key].astype(str).tolist() for key in ("classes", "colours")), strict=True)
    )
    label = first["label"]
    images: dict[str, NDArray[Any]] = {}  # what there is to show: SAR as VV, RGB
    for run in runs:
        bands = tuple(str(name) for name in run["bands"])
        for title, needed in (("SAR (VV)", ("vv", "vv", "vv")), ("RGB", ("red", "green", "blue"))):
            if set(needed) <= set(bands):
                for date, image in _by_date(run["image"]).items():
                    images.setdefault(title + date, image[:, [bands.index(name) for name in needed]])
    # The places with most classes say most, but for specks.
    least = SEEN * label[0].size
    variety = [int((np.bincount(one[one < len(classes)]) >= least).sum()) for one in label]
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
        titles = [*images, "label", *_titles([run for run, _ in pairs])]
        for panel, title in zip(axes[0], titles, strict=True):
            panel.set_title(title, fontsize=8)
        _legend(figure, classes, bool((label >= len(classes)).any()))


def _titles(runs: Sequence[Run]) -> list[str]:
    """What stands above each map; how it was learnt too, where that alone tells two apart."""
    names = Counter((run.title, run.modality) for run in runs)
    titles = []
    for run in runs:
        lines = [*textwrap.wrap(run.title, TITLE_LETTERS), words.sar_modality(run.modality)]
        if names[run.title, run.modality] > 1:
            lines += textwrap.wrap(words.training(run.protocol), TITLE_LETTERS)
        titles.append("\n".join(lines))
    return titles


def _by_date(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Images (sample, band, y, x) by what their title ends with; of change there are two dates."""
    if images.ndim == 4:
        return {"": images}
    return {", earlier": images[:, 0], ", later": images[:, 1]}


def _map(axes: "Axes", numbers: NDArray[Any], classes: Mapping[str, str]) -> None:
    from matplotlib.colors import ListedColormap

    shown = np.ma.masked_greater_equal(numbers, len(classes))
    colours = ListedColormap(list(classes.values())).with_extremes(bad=style.NO_LABEL)
    axes.imshow(shown, vmin=-0.5, vmax=len(classes) - 0.5, cmap=colours)
    style.bare(axes)


def _legend(figure: "Figure", classes: Mapping[str, str], unlabelled: bool) -> None:
    patches = [style.swatch(colour, name) for name, colour in classes.items()]
    if unlabelled:
        patches.append(style.swatch(style.NO_LABEL, "no label, not scored"))
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(patches), LEGEND_COLUMNS))


FIGURE = Drawing(
    per="experiment",
    source="predictions",
    title="Maps",
    section="results",
    caption="Test places with most classes: image, label and predictions, in the colours of the legend.",
    applies=lambda facts: any(
        experiment.task in ("segmentation", "change") for experiment in facts.experiments.values()
    ),
    draw=draw,
)
