"""Pretraining curves: loss and its parts by step, and below the effective rank, which falls in a collapse."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError
from revisit.report import reading, words
from revisit.report.drawing import Drawing
from revisit.report.facts import Encoder, Facts
from revisit.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEEDED = ("step", "loss", "effective_rank")
NOT_PARTS = (
    "step", "epoch", "loss", "learning_rate", "feature_std", "effective_rank", "cosine_between",
    "cosine_within", "found_again", "share_kept",
)  # fmt: skip
PANELS_A_ROW = 4
TITLE_LETTERS = 30
LEGEND_LINE = 0.17  # of the height of the lines: what a line of the legend above them takes

Log = dict[str, NDArray[np.float64]]  # columns of a log, (row,) each, nan where nothing was logged


def draw(logs: Sequence[Path], facts: Facts, out: Path) -> None:
    """One pair of panels for each entry and modality, one line a seed; ``logs``: of all that train."""
    encoders = _trained(facts)
    if len(logs) != len(encoders):
        raise RevisitError(
            f"figure: {len(logs)} logs for {len(encoders)} encoders that train; rerun the workflow"
        )
    groups: dict[tuple[str, str, str], list[Log]] = {}
    titles: dict[tuple[str, str, str], str] = {}
    for path, encoder in zip(logs, encoders, strict=True):
        log = _read(path)
        if len(log["step"]):  # a method that takes no step has no curve
            key = (encoder.collection, encoder.entry, encoder.modality)
            groups.setdefault(key, []).append(log)
            titles[key] = f"{encoder.title}, {words.modality(encoder.modality)}"
    if not groups:
        raise RevisitError(f"{logs[0]}: no step logged, nor in the other logs; there is no curve to draw")
    rows = -(-len(groups) // PANELS_A_ROW)
    columns = -(-len(groups) // rows)
    with style.figure(out, 0.6 + 2.7 * columns, 3.4 * rows) as figure:
        axes = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[2.4, 1] * rows)
        for index, (key, seeds) in enumerate(groups.items()):
            row, column = divmod(index, columns)
            loss, rank = axes[2 * row, column], axes[2 * row + 1, column]
            _panel(loss, rank, seeds)
            loss.set_title(textwrap.fill(titles[key], TITLE_LETTERS))
            if column == 0:
                loss.set_ylabel("loss")
                rank.set_ylabel("effective\nrank")
        for unused in axes[2 * rows - 2 :, len(groups) - (rows - 1) * columns :].flat:
            unused.remove()


def _read(path: Path) -> Log:
    rows = reading.read_rows(path, NEEDED)
    names = rows[0] if rows else NEEDED
    return {name: np.array([reading.number(path, row[name]) for row in rows]) for name in names}


def _panel(loss: "Axes", rank: "Axes", seeds: Sequence[Log]) -> None:
    parts = [name for name in seeds[0] if name not in NOT_PARTS]
    for number, log in enumerate(seeds):
        strength = 1 - 0.5 * number / max(len(seeds) - 1, 1)
        for index, part in enumerate(["loss", *(parts if len(parts) > 1 else [])]):
            label = None if number else part.replace("_", " ")
            width = 1.6 if part == "loss" else 1.0
            step, value = _known(log, part)
            loss.plot(step, value, color=style.colour_of(index), lw=width, alpha=strength, label=label)
        rank.plot(*_known(log, "effective_rank"), "o-", ms=3, color=style.REFERENCE, alpha=strength)
    if len(parts) > 1:
        low, high = loss.get_ylim()
        room = LEGEND_LINE * -(-(len(parts) + 1) // 2)
        loss.set_ylim(low, high + room * (high - low))
        loss.legend(loc="upper right", ncols=2, columnspacing=1, handlelength=1.2)
    highest = max((max(_known(log, "effective_rank")[1], default=0) for log in seeds), default=0)
    rank.set(xlim=loss.get_xlim(), ylim=(0, 1.15 * highest or None))
    rank.set_xlabel("step")


def _known(log: Log, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and values of a column where it was logged."""
    logged = ~np.isnan(log[name])
    return log["step"][logged], log[name][logged]


def _trained(facts: Facts) -> list[Encoder]:
    return [encoder for encoder in facts.encoders if not encoder.baseline]


FIGURE = Drawing(
    per="study",
    source="histories",
    title="Training curves",
    section="pretraining",
    caption="Loss and its parts over the steps; below, the effective rank of the features.",
    applies=lambda facts: bool(_trained(facts)),
    draw=draw,
)
