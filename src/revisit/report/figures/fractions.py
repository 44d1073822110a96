"""Score against the amount of labels used: pretrained encoders against training from scratch, and floors."""

from collections.abc import Sequence
from pathlib import Path

from revisit.errors import RevisitError
from revisit.report import reading, words
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style

COLUMNS = (
    "experiment", "method", "modality", "protocol", "label_fraction", "label_count", "class", "metric",
    "value", "ci_low", "ci_high",
)  # fmt: skip


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """A row of panels a protocol, a column a modality; bars are 95 % intervals.

    A floor is of no network, so it is in the panels of all protocols. Raises RevisitError where the table has
    no headline score of the experiment.
    """
    (path,) = paths
    ((name, experiment),) = facts.experiments.items()
    rows = [
        {**row, "training": words.training(row["protocol"])}
        for row in reading.read_table(path, COLUMNS)
        if (row["experiment"], row["class"], row["metric"]) == (name, "all", experiment.headline)
    ]
    if not rows:
        raise RevisitError(
            f"{path}: has no {experiment.headline} of the experiment {name!r}; rerun its scores"
        )
    networks = [row for row in rows if row["protocol"] != words.FLOOR] or rows
    trainings = sorted({row["training"] for row in networks}, reverse=True)
    modalities = sorted({row["modality"] for row in rows}, key=words.modality_rank)
    looks = _looks(facts)
    columns = [words.modality(modality) for modality in modalities]
    value = f"{words.metric(experiment.headline)} in %"
    with style.panels(out, trainings, columns, value) as (figure, axes):
        handles = {}
        for line, training in zip(axes, trainings, strict=True):
            here = [row for row in rows if row["training"] == training or row["protocol"] == words.FLOOR]
            for panel, modality in zip(line, modalities, strict=True):
                for index, (method, look) in enumerate(looks.items()):
                    curve = [row for row in here if (row["modality"], row["method"]) == (modality, method)]
                    if curve:
                        handles[method] = style.curve(panel, curve, look, index - (len(looks) - 1) / 2)
        style.labels_used(axes.ravel(), rows)
        ends = [row[end] for row in rows for end in ("value", "ci_low", "ci_high") if row[end] is not None]
        axes[0, 0].set_ylim(max(100 * min(ends) - 3, 0), min(100 * max(ends) + 3, 100))
        figure.legend(handles=[handles[name] for name in looks if name in handles], loc="outside right upper")


def _looks(facts: Facts) -> dict[str, dict[str, str]]:
    """How each method's curve looks: pretrained in colour, others grey and dotted, floors grey and dashed."""
    pretrained = [run for run in facts.runs if run.pretrained]
    looks = style.looks(pretrained)
    for run in facts.runs:
        if run.method not in looks:
            floor = run.protocol == words.FLOOR
            looks[run.method] = {
                "color": style.REFERENCE,
                "ls": "--" if floor else ":",
                "marker": style.MARKERS[(1 + len(looks)) % len(style.MARKERS)],
                "label": style.legend_text(f"{run.title} (floor)" if floor else run.title),
            }
    return looks


FIGURE = Drawing(
    per="experiment",
    source="table",
    title="Labels used",
    section="results",
    caption="Score against the amount of labels used; bars: 95 % intervals. Grey: floors, and networks "
    "without pretraining, which are as they were drawn where the encoder is frozen.",
    applies=lambda facts: any(
        len(one.label_counts or one.label_fractions) > 1 for one in facts.experiments.values()
    ),
    draw=draw,
)
