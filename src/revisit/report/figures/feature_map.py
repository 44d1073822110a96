"""Frozen features of test scenes laid out in a plane by t-SNE, a panel an encoder, coloured by class."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError
from revisit.report import reading, words
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts, Run
from revisit.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 1500  # scenes shown at most, evenly from all
LEAST = 4  # scenes that can be laid out
PERPLEXITY = 30.0  # about the neighbours that count (van der Maaten & Hinton 2008); fewer of few scenes
COMPONENTS = 50  # principal ones that are laid out, as there
FLAT = 1e-6  # features that differ by less have no principal components
PANELS_A_ROW, LEGEND_COLUMNS = 4, 6
TITLE_LETTERS = 30


class Scenes(NamedTuple):
    """Of test scenes the features (scene, feature), of unit length, class and place (scene,).

    ``names``, ``colours``: of the classes.
    """

    features: NDArray[np.float32]
    classes: NDArray[np.int64]
    places: NDArray[np.int32]
    names: list[str]
    colours: list[str]


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """A panel for each method and modality of the experiment that a probe learnt from.

    ``paths``: features and predictions of each, in turn. Below each panel stands for how many scenes the
    nearest one of another place, by the cosine of the features, has the same class: the plane distorts
    distances. Raises RevisitError where files do not belong together, or there are fewer than four scenes.
    """
    runs = of_probes(facts)
    if len(paths) != 2 * len(runs):
        raise RevisitError(f"figure: {len(paths)} files for {len(runs)} encoders; rerun the workflow")
    shown = [_scenes(*paths[first : first + 2]) for first in range(0, len(paths), 2)]
    rows = -(-len(runs) // PANELS_A_ROW)
    columns = -(-len(runs) // rows)
    several = len({run.modality for run in runs}) > 1
    with style.figure(out, 2.7 * columns + 0.2, 3.6 * rows + 0.6) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for run, scenes, panel in zip(runs, shown, axes, strict=False):  # axes last: none is taken and left
            _panel(panel, scenes)
            title = f"{run.title}, {words.modality(run.modality)}" if several else run.title
            panel.set_title(textwrap.fill(title, TITLE_LETTERS))
            again, chance = words.share(found_again(scenes)), words.share(by_chance(scenes))
            panel.set_xlabel(f"nearest of the same class: {again}\n(by chance {chance})", fontsize=8)
        for unused in list(axes):
            unused.remove()
        there = np.unique(np.concatenate([scenes.classes for scenes in shown]))
        patches = [style.swatch(shown[0].colours[number], shown[0].names[number]) for number in there]
        figure.legend(handles=patches, loc="outside lower center", ncols=min(len(patches), LEGEND_COLUMNS))


def of_probes(facts: Facts) -> list[Run]:
    """The first run with frozen features of each method and modality."""
    found: dict[tuple[str, str], Run] = {}
    for run in facts.runs:
        if run.stage == "probe":
            found.setdefault((run.method, run.modality), run)
    return list(found.values())


def found_again(scenes: Scenes) -> float:
    """Share of scenes whose nearest scene of another place has their class."""
    alike = scenes.features @ scenes.features.T
    alike[scenes.places[:, None] == scenes.places] = -np.inf
    return float((scenes.classes[alike.argmax(1)] == scenes.classes).mean())


def by_chance(scenes: Scenes) -> float:
    """Share of pairs of scenes that have the same class."""
    shares = np.bincount(scenes.classes) / len(scenes.classes)
    return float(np.square(shares).sum())


def plane(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Positions (scene, 2) of features by t-SNE, the same at every call."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    scenes, dimensions = features.shape
    if min(scenes, dimensions) > COMPONENTS:
        features = PCA(COMPONENTS, svd_solver="full").fit_transform(features)
    layout = TSNE(
        perplexity=min(PERPLEXITY, (scenes - 1) / 3),
        init="pca" if np.max(np.ptp(features, axis=0)) > FLAT and dimensions > 1 else "random",
        random_state=0,
        n_jobs=1,
    )
    positions: NDArray[np.float32] = layout.fit_transform(features)
    return positions


def _scenes(features_path: Path, predictions_path: Path) -> Scenes:
    features = reading.read_arrays(features_path, ("features", "position"))
    scored = reading.read_arrays(predictions_path, ("target", "sample", "classes", "colours"))
    samples, targets = scored["sample"], scored["target"].argmax(1)
    if max(samples, default=-1) >= len(features["features"]):
        raise RevisitError(
            f"{predictions_path}: is not of the collection of {features_path}; rerun the evaluation"
        )
    if len(samples) < LEAST:
        raise RevisitError(
            f"{predictions_path}: {len(samples)} test scenes, {LEAST} or more can be drawn; use more regions"
        )
    rows = np.unique(np.linspace(0, len(samples) - 1, POINTS).round().astype(int))
    chosen = samples[rows]
    own = features["features"][chosen].astype(np.float32)
    length = np.linalg.norm(own, axis=1, keepdims=True)
    return Scenes(
        own / np.maximum(length, np.finfo(np.float32).tiny),
        targets[rows],
        features["position"][chosen],
        scored["classes"].astype(str).tolist(),
        scored["colours"].astype(str).tolist(),
    )


def _panel(axes: "Axes", scenes: Scenes) -> None:
    x, y = plane(scenes.features).T
    colours = np.array(scenes.colours)[scenes.classes]
    axes.scatter(x, y, s=12, c=colours, edgecolors=style.REFERENCE, linewidths=0.3)
    axes.set(xticks=[], yticks=[], box_aspect=1)
    axes.grid(False)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color("#cccccc")


FIGURE = Drawing(
    per="experiment",
    source="features",
    title="Features in the plane",
    section="results",
    caption="t-SNE of the frozen features of test scenes, coloured by class; the plane keeps neighbours, not "
    "distances. Below: how often the nearest scene of another place, by the features, is of the same class.",
    applies=lambda facts: (
        any(one.task == "single-label" for one in facts.experiments.values()) and bool(of_probes(facts))
    ),
    draw=draw,
)
