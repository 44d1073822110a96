"""What pretraining gained over the same network without it, against the amount of labels used."""

from collections.abc import Sequence
from pathlib import Path

from revisit.report import reading, words
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style

COLUMNS = (
    "experiment", "method", "modality", "protocol", "label_fraction", "label_count", "metric", "value",
    "ci_low", "ci_high",
)  # fmt: skip


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """A row of panels a protocol, a column a modality, a curve a method; bars: 95 % intervals.

    Where no pretrained network has a counterpart the figure says so.
    """
    (path,) = paths
    ((name, experiment),) = facts.experiments.items()
    rows = [
        {**row, "training": words.training(row["protocol"])}
        for row in reading.read_table(path, COLUMNS)
        if (row["experiment"], row["metric"]) == (name, experiment.headline + words.GAIN)
    ]
    trainings = sorted({row["training"] for row in rows}, reverse=True) or [""]
    modalities = sorted({row["modality"] for row in rows}, key=words.modality_rank) or [""]
    gained = {row["method"] for row in rows}
    looks = {
        method: look
        for method, look in style.looks(run for run in facts.runs if run.pretrained).items()
        if method in gained
    }
    columns = [words.modality(modality) for modality in modalities]
    value = f"{words.metric(experiment.headline)} gained, points"
    with style.panels(out, trainings, columns, value) as (figure, axes):
        handles = {}
        for line, training in zip(axes, trainings, strict=True):
            for panel, modality in zip(line, modalities, strict=True):
                panel.axhline(0, color=style.REFERENCE, lw=0.9)
                for index, (method, look) in enumerate(looks.items()):
                    of = (training, modality, method)
                    here = [row for row in rows if (row["training"], row["modality"], row["method"]) == of]
                    if here:
                        handles[method] = style.curve(panel, here, look, index - (len(looks) - 1) / 2)
        if rows:
            style.labels_used(axes.ravel(), rows)
            figure.legend(
                handles=[handles[name] for name in looks if name in handles], loc="outside right upper"
            )
        else:
            style.bare(axes[0, 0], "No pretrained network has a counterpart without pretraining.")


FIGURE = Drawing(
    per="experiment",
    source="table",
    title="Gain by pretraining",
    section="results",
    caption="Score less that of the same network without pretraining, in percentage points, run by run; bars "
    "are 95 % intervals. A bar that crosses 0 decides nothing.",
    applies=lambda facts: bool(facts.with_twins()),
    draw=draw,
)
