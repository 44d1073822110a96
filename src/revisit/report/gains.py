"""Lay out what pretraining gained, over all experiments: headline scores less those without pretraining."""

from collections.abc import Sequence
from dataclasses import replace

from revisit.job import Job
from revisit.record import read
from revisit.report import cells, printing, reading, words
from revisit.report.cells import Line, Scores
from revisit.report.facts import Facts
from revisit.report.layout import COLLAPSED, Block, Table
from revisit.report.table import COLUMNS

PAIRED = (
    "Score less that of the same network without pretraining, run by run: both had the same labels and seed. "
    "In brackets: 95 % interval of the mean of these differences; none where one run was made. "
    "An interval that holds 0 decides nothing. "
    "With one pretraining seed, how lucky that seed was is in no interval."
)


def lay_out(rows: Sequence[reading.Row], facts: Facts) -> Table:
    """The gains among the rows of all.csv; no block where no pretrained network has a counterpart."""
    blocks: list[Block] = []
    for name in facts.names():
        here = [row for row in rows if row["experiment"] == name and row["metric"].endswith(words.GAIN)]
        if not here:
            continue
        (metric,) = {row["metric"] for row in here}
        gained = {(row["method"], row["modality"], row["protocol"]) for row in here}
        runs = [
            run
            for run in facts.of_experiment(name).runs
            if (run.method, run.modality, run.protocol) in gained
        ]
        scores = Scores(here, name, runs, published_as=None)
        lines = [Line((model.title,), model, {}) for model in scores.models]
        columns = {
            words.modality(modality): {"modality": modality, "class": "all", "metric": metric}
            for modality in cells.modalities(scores.models)
        }
        score = words.metric(metric.removesuffix(words.GAIN))
        heading = f"gain in {score}, percentage points"
        for setting in scores.settings:
            block = scores.block(heading, setting, ("model",), lines, columns, unit=100.0, form="+z.1f")
            blocks.append(replace(block, heading=f"{facts.title(name)}, {block.heading}"))
    subtitle = "All experiments" if blocks else "No pretrained network has a counterpart without pretraining"
    return Table("What pretraining gained", subtitle, (PAIRED, COLLAPSED), blocks)


def run(job: Job) -> None:
    facts = read(Facts, job.settings, "gains")
    table = lay_out(reading.read_table(job.source("table"), COLUMNS), facts)
    printing.write(table, job.target("csv"), job.target("markdown"))
