"""A table as a picture: each model's score with its interval, and its published score."""

from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

from revisit import parts
from revisit.report import reading, table, words
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style
from revisit.report.layout import Block, Layout
from revisit.report.published.lookup import caveat

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """A panel for each column that this run has a score in, a line for each model.

    Ours is a dot with its 95 % interval, the published one a diamond.
    """
    ((name, experiment),) = facts.experiments.items()
    layout = _layouts(facts)[0]
    settings = table.Settings(
        experiment=name, layout=layout, runs=facts.runs, published_as=experiment.published_as
    )
    (path,) = paths
    floors = {run.title for run in facts.runs if run.protocol == words.FLOOR}
    blocks = table.lay_out(reading.read_table(path, table.COLUMNS), settings).blocks
    block = max(blocks, key=lambda block: _shows(block, floors))
    axis = parts.find("layout", layout).dots
    models = [label[0] for label, _ in block.rows]
    ours = [any(row[index].value is not None for _, row in block.rows) for index in range(len(block.columns))]
    columns = list(compress(block.columns, ours))
    cells = [list(compress(row, ours)) for _, row in block.rows]
    with style.figure(out, 2.6 * len(columns) + 1.4, 0.27 * len(models) + 1.3) as figure:
        axes = figure.subplots(1, len(columns), sharey=True, sharex=True, squeeze=False)[0]
        for index, (panel, column) in enumerate(zip(axes, columns, strict=True)):
            for line, (model, row) in enumerate(zip(models, cells, strict=True)):
                cell = row[index]
                colour = style.REFERENCE if model in floors else style.COLOURS[0]
                if cell.published is not None:
                    panel.plot(cell.published, line, "D", color=style.PUBLISHED, mfc="white", ms=5)
                if cell.value is not None:
                    panel.plot(cell.value, line, "s" if model in floors else "o", ms=5, color=colour)
                if cell.low is not None and cell.high is not None:
                    panel.plot([cell.low, cell.high], [line, line], color=colour)
            panel.set_title(column)
            panel.set_xlabel(axis)
        axes[0].set_yticks(range(len(models)), models)
        axes[0].set_ylim(len(models) - 0.5, -0.5)
        ends = [
            n for row in cells for c in row for n in (c.value, c.low, c.high, c.published) if n is not None
        ]
        axes[0].set_xlim(max(min(ends) - 3, 0), min(max(ends) + 3, 100))
        handles = _marks(axes[0], caveat(experiment.published_as))
        there = (True, bool(floors & set(models)), any(c.published is not None for row in cells for c in row))
        shown = [handle for handle, here in zip(handles, there, strict=True) if here]
        beside = len(shown) if len(columns) > 1 else 1  # of one panel the figure is narrow
        figure.legend(handles=shown, loc="outside lower center", ncols=beside)


def _shows(block: Block, floors: set[str]) -> tuple[int, int]:
    """How many networks of this run a part of the table has scores of, and how many published scores."""
    networks = sum(
        label[0] not in floors and any(cell.value is not None for cell in row) for label, row in block.rows
    )
    return networks, sum(cell.published is not None for _, row in block.rows for cell in row)


def _marks(axes: "Axes", published: str) -> "list[Line2D]":
    """Entries of the legend: a score of ours, a floor, a published score."""
    marks: list[Line2D] = []
    for form, colour, filled, label in (
        ("o-", style.COLOURS[0], style.COLOURS[0], "this run, 95 % interval"),
        ("s", style.REFERENCE, style.REFERENCE, "floor"),
        ("D", style.PUBLISHED, "white", published),
    ):
        marks += axes.plot([], [], form, ms=5, color=colour, mfc=filled, label=label)
    return marks


def _layouts(facts: Facts) -> list[str]:
    """The experiment's layouts that can be shown as dots."""
    names = [name for experiment in facts.experiments.values() for name in experiment.layouts]
    found: dict[str, Layout] = {name: parts.find("layout", name) for name in names}
    return [name for name, layout in found.items() if layout.dots]


FIGURE = Drawing(
    per="experiment",
    source="table",
    title="Scores",
    section="results",
    caption="The part of the table with most models of this run, and most published scores, as a picture. "
    "Published scores are of other data: not comparable.",
    applies=lambda facts: bool(_layouts(facts)),
    draw=draw,
)
