"""Score against the share of labels used: pretrained encoders against training from scratch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from revisit.errors import RevisitError
from revisit.report import reading, words
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer

MARKERS = "os^Dv<>P"
COLUMNS = (
    "experiment", "dataset", "method", "modality", "protocol", "label_fraction", "class", "metric", "value",
    "ci_low", "ci_high",
)  # fmt: skip


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """A row of panels a data set and protocol, a column a modality; bars are 95 % intervals over seeds.

    Raises RevisitError where the table has no headline score of the experiment.
    """
    from matplotlib.ticker import NullLocator

    (path,) = paths
    ((name, experiment),) = facts.experiments.items()
    rows = [
        {**row, "training": f"{words.training(row['protocol'])}, {row['dataset']}"}
        for row in reading.read_table(path, COLUMNS)
        if (row["experiment"], row["class"], row["metric"]) == (name, "all", experiment.headline)
    ]
    if not rows:
        raise RevisitError(
            f"{path}: has no {experiment.headline} of the experiment {name!r}; rerun its scores"
        )
    trainings = sorted({row["training"] for row in rows}, reverse=True)
    modalities = sorted({row["modality"] for row in rows}, key=words.modality_rank)
    looks = _looks(facts)
    with style.figure(out, 2.9 * len(modalities) + 1.4, 2.6 * len(trainings) + 0.3) as figure:
        axes = figure.subplots(len(trainings), len(modalities), squeeze=False, sharex=True, sharey=True)
        handles = {}
        for line, training in zip(axes, trainings, strict=True):
            for panel, modality in zip(line, modalities, strict=True):
                for index, (method, look) in enumerate(looks.items()):
                    here = [
                        row
                        for row in rows
                        if (row["training"], row["modality"], row["method"]) == (training, modality, method)
                    ]
                    if here:
                        handles[method] = _curve(panel, here, look, index - (len(looks) - 1) / 2)
                panel.set_title(words.modality(modality))
            line[0].set_ylabel(f"{training}\n{words.metric(experiment.headline)} in %")
        fractions = sorted({row["label_fraction"] for row in rows})
        for panel in axes[-1]:
            panel.set_xscale("log")
            panel.set_xticks(fractions, [f"{100 * fraction:.4g}" for fraction in fractions])
            panel.xaxis.set_minor_locator(NullLocator())
            panel.set_xlabel("labels used in %")
        ends = [row[end] for row in rows for end in ("value", "ci_low", "ci_high") if row[end] is not None]
        axes[0, 0].set_ylim(max(100 * min(ends) - 3, 0), min(100 * max(ends) + 3, 100))
        figure.legend(handles=[handles[name] for name in looks if name in handles], loc="outside right upper")


def _looks(facts: Facts) -> dict[str, dict[str, str]]:
    """How each method's curve looks: pretrained in colour, others grey and dotted."""
    looks: dict[str, dict[str, str]] = {}
    count = {True: 0, False: 0}
    for run in facts.runs:
        if run.method in looks:
            continue
        number = count[run.pretrained]
        count[run.pretrained] += 1
        if run.pretrained:
            marker = MARKERS[number // len(style.COLOURS) % len(MARKERS)]
            looks[run.method] = {"color": style.colour_of(number), "ls": "-", "marker": marker}
        else:
            looks[run.method] = {"color": style.REFERENCE, "ls": ":", "marker": MARKERS[1 + number % 7]}
        looks[run.method]["label"] = run.title
    return looks


def _curve(
    axes: "Axes", rows: Sequence[reading.Row], look: dict[str, str], aside: float
) -> "ErrorbarContainer":
    """One method's scores; ``aside`` moves them so that the bars of several stay legible."""
    rows = sorted(rows, key=lambda row: row["label_fraction"])
    bars = [
        [0.0 if row[end] is None else 100 * abs(row[end] - row["value"]) for row in rows]
        for end in ("ci_low", "ci_high")
    ]
    return axes.errorbar(
        [row["label_fraction"] * 1.03**aside for row in rows],
        [100 * row["value"] for row in rows],
        yerr=bars,
        ms=4,
        elinewidth=0.9,
        **look,  # type: ignore[arg-type]
    )


FIGURE = Drawing(
    per="experiment",
    source="table",
    title="Share of labels",
    section="results",
    caption="Score against the share of labels used; bars are 95 % intervals over seeds.",
    applies=lambda facts: any(len(one.label_fractions) > 1 for one in facts.experiments.values()),
    draw=draw,
)
