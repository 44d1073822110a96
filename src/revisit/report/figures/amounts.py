"""What pretraining gained against how long it was and how much imagery it saw, for one recipe at a time."""

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from revisit.report import reading, words
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts, Run
from revisit.report.figures import style

COLUMNS = (
    "experiment", "method", "pretrain_samples", "pretrain_steps", "modality", "protocol", "label_fraction",
    "label_count", "metric", "value", "ci_low", "ci_high",
)  # fmt: skip


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """A row of panels a recipe and protocol, a column an amount of labels, a curve an amount of imagery.

    Where no network has a counterpart the figure says so.
    """
    (path,) = paths
    ((name, experiment),) = facts.experiments.items()
    gained = [
        row
        for row in reading.read_table(path, COLUMNS)
        if (row["experiment"], row["metric"]) == (name, experiment.headline + words.GAIN)
    ]
    shown = [(title, rows) for title, runs in _groups(facts) if (rows := _rows(gained, runs))]
    labels = {words.amount(row): words.labels(row) for _, rows in shown for row in rows} or {1.0: ""}
    labels = dict(sorted(labels.items()))
    amounts = sorted({row["pretrain_samples"] for _, rows in shown for row in rows})
    titles = [title for title, _ in shown] or [""]
    value = f"{words.metric(experiment.headline)} gained, points"
    with style.panels(out, titles, list(labels.values()), value) as (figure, axes):
        handles = {}
        for line, (_, rows) in zip(axes, shown, strict=False):
            for panel, labelled in zip(line, labels, strict=True):
                panel.axhline(0, color=style.REFERENCE, lw=0.9)
                for index, amount in enumerate(amounts):
                    here = [
                        row
                        for row in rows
                        if (words.amount(row), row["pretrain_samples"]) == (labelled, amount)
                    ]
                    look, aside = _look(index, amount), index - (len(amounts) - 1) / 2
                    if here:
                        handles[amount] = style.curve(panel, here, look, aside, itemgetter("pretrain_steps"))
        if shown:
            steps = sorted({row["pretrain_steps"] for _, rows in shown for row in rows})
            style.scale(axes.ravel(), steps, [f"{count:,.0f}" for count in steps], "steps of pretraining")
            figure.legend(handles=list(handles.values()), loc="outside right upper")
        else:
            style.bare(axes[0, 0], "No pretrained network has a counterpart without pretraining.")


def _groups(facts: Facts) -> list[tuple[str, list[Run]]]:
    """Runs that differ in imagery and steps alone, with what they share in words; several entries each."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in facts.with_twins():
        groups.setdefault((run.recipe, run.modality, run.protocol), []).append(run)
    return [
        (f"{runs[0].title}, {words.modality(modality)}\n{words.training(protocol)}", runs)
        for (_, modality, protocol), runs in groups.items()
        if len({run.method for run in runs}) > 1
    ]


def _rows(gained: Sequence[dict[str, Any]], runs: Sequence[Run]) -> list[dict[str, Any]]:
    of = {(run.method, run.modality, run.protocol) for run in runs}
    return [row for row in gained if (row["method"], row["modality"], row["protocol"]) in of]


def _look(index: int, amount: int) -> dict[str, str]:
    return {
        "color": style.colour_of(index),
        "ls": "-",
        "marker": style.MARKERS[index % len(style.MARKERS)],
        "label": f"{amount:,.0f} images",
    }


FIGURE = Drawing(
    per="experiment",
    source="table",
    title="Gain by length and imagery",
    section="results",
    caption="Score less that of the same network without pretraining, in points, against the steps "
    "of pretraining; a colour is how many different images it saw. Bars are 95 % intervals.",
    applies=lambda facts: bool(_groups(facts)),
    draw=draw,
)
