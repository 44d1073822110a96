"""Lay out what was gained: headline scores less those of a twin without pretraining, of the best floor, of
the same on fewer sensors, or of the best row."""

from collections.abc import Sequence

from revisit.job import Job
from revisit.record import read
from revisit.report import cells, printing, reading, words
from revisit.report.cells import SETTING, Line, Scores
from revisit.report.facts import Facts
from revisit.report.layout import Block, Cell, Table, with_marks
from revisit.report.table import COLUMNS

PAIRED = (
    "Differences are taken run by run: both had the same labels and seed. In brackets: 95 % interval of the "
    "mean of these differences over all luck of pretraining and evaluation, on these test places; none where "
    "one run was made. An interval that holds 0 decides nothing."
)
OVER_PLACES = (
    "In braces: 95 % interval of the same mean, of these runs as they are, over which places are in the test "
    "split: both rows on the same places, drawn anew with replacement. Neighbouring places are alike, so "
    "that it is rather too narrow. A gain that is to hold for other runs and other places needs both above 0."
)
LUCK = "The best of several rows owes part of its lead to chance, so the lead is overstated (selection bias)."
OVER = {
    words.GAIN: "over the same network without pretraining",
    words.OVER_FLOOR: "over the best floor",
    words.OVER_FEWER: "over the same on fewer sensors, the better of them",
    words.UNDER_BEST: "minus that of the best row, floors included (+0.0: the best itself)",
}


def lay_out(rows: Sequence[reading.Row], facts: Facts) -> Table:
    """The gains among the rows of all.csv; no block where no network has anything to be held against."""
    blocks: list[Block] = []
    for name in facts.names():
        for suffix, over in OVER.items():
            here = [row for row in rows if row["experiment"] == name and row["metric"].endswith(suffix)]
            blocks += [_block(here, facts, name, suffix, over)] if here else []
    subtitle = "All experiments" if blocks else "No network has a counterpart"
    notes = with_marks((PAIRED, OVER_PLACES, *([LUCK] if blocks else [])), blocks)
    return Table("What was gained", subtitle, notes, blocks)


def _block(here: list[reading.Row], facts: Facts, name: str, suffix: str, over: str) -> Block:
    """A row a model, way of learning and amount of labels."""
    (metric,) = {row["metric"] for row in here}
    gained = {(row["method"], row["modality"], row["protocol"]) for row in here}
    runs = [
        run for run in facts.of_experiment(name).runs if (run.method, run.modality, run.protocol) in gained
    ]
    scores = Scores(here, name, runs, published_as=None)
    lines = [Line((model.title,), model, {}) for model in scores.models]
    columns = {
        words.modality(modality): {"modality": modality, "class": "all", "metric": metric}
        for modality in cells.modalities(scores.models)
    }
    floors = {run.title for run in runs if run.protocol == words.FLOOR}
    rows: dict[tuple[str, ...], list[Cell]] = {}  # a floor is in every setting, and a row once
    for setting in scores.settings:
        labels = words.labels(setting, of_all="")
        block = scores.block(
            "", setting, ("model",), lines, columns, words.PERCENT, words.POINTS, test_places=True
        )
        for label, row in block.rows:
            if any(cell.value is not None for cell in row):
                shown = dict(zip(block.columns, row, strict=True))
                learning = words.training(words.FLOOR if label[0] in floors else setting["protocol"])
                rows[*label, learning, labels] = [shown.get(column, Cell()) for column in columns]
    heading = f"{facts.title(name)}: {words.metric(metric.removesuffix(suffix))} {over}"
    every = dict.fromkeys(SETTING, "") | {"experiment": name, "dataset": here[0]["dataset"]}
    labelled = ("model", "learning", "labels")
    return Block(heading, every, labelled, tuple(columns), [*rows.items()], words.POINTS)


def run(job: Job) -> None:
    facts = read(Facts, job.settings, "gains")
    table = lay_out(reading.read_table(job.source("table"), COLUMNS), facts)
    printing.write(table, job.target("csv"), job.target("markdown"))
