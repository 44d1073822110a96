"""A table as a picture: each model's score with its interval, and its published score."""

from collections.abc import Sequence
from pathlib import Path

from revisit import parts
from revisit.report import reading, table
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style
from revisit.report.layout import Layout


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """One panel a column, one line a model: ours a dot with its 95 % interval, the published a diamond."""
    ((name, experiment),) = facts.experiments.items()
    layout = _layouts(facts)[0]
    settings = table.Settings(
        experiment=name, layout=layout, runs=facts.runs, published_as=experiment.published_as
    )
    (path,) = paths
    block = table.lay_out(reading.read_table(path, table.COLUMNS), settings).blocks[0]
    axis = parts.find("layout", layout).dots
    models = [label[0] for label, _ in block.rows]
    cells = [row for _, row in block.rows]
    with style.figure(out, 2.6 * len(block.columns) + 1.4, 0.27 * len(models) + 1.2) as figure:
        axes = figure.subplots(1, len(block.columns), sharey=True, sharex=True, squeeze=False)[0]
        for index, (panel, column) in enumerate(zip(axes, block.columns, strict=True)):
            for line, row in enumerate(cells):
                cell = row[index]
                if cell.published is not None:
                    panel.plot(cell.published, line, "D", color=style.PUBLISHED, mfc="white", ms=5)
                if cell.value is not None:
                    panel.plot(cell.value, line, "o", color=style.COLOURS[0], ms=5)
                if cell.low is not None and cell.high is not None:
                    panel.plot([cell.low, cell.high], [line, line], color=style.COLOURS[0])
            panel.set_title(column)
            panel.set_xlabel(axis)
        axes[0].set_yticks(range(len(models)), models)
        axes[0].invert_yaxis()
        ends = [n for row in cells for c in row for n in (c.value, c.low, c.published) if n is not None]
        axes[0].set_xlim(max(min(ends) - 3, 0), 100)
        (ours,) = axes[0].plot([], [], "o-", color=style.COLOURS[0], label="this run, 95 % interval")
        (theirs,) = axes[0].plot(
            [], [], "D", color=style.PUBLISHED, mfc="white", label="published, of other data"
        )
        shown = [ours, theirs] if any(c.published is not None for row in cells for c in row) else [ours]
        figure.legend(handles=shown, loc="outside lower center", ncols=2)


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
    caption="The first part of the table as a picture.",
    applies=lambda facts: bool(_layouts(facts)),
    draw=draw,
)
