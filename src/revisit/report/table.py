"""Lay out the scores of one experiment as one table: a row a model, the published numbers beside ours."""

from revisit import parts
from revisit.job import Job
from revisit.record import Record, read
from revisit.report import behind, cells, printing, reading
from revisit.report.facts import Run
from revisit.report.layout import Layout, Table


class Settings(Record):
    """Which table of which experiment."""

    experiment: str
    """Free name of the experiment."""
    layout: str
    """Name of the layout (revisit.report.layouts)."""
    title: str | None = None
    """How the experiment is printed, if not by its name."""
    runs: list[Run]
    """The experiment's runs, in the order that the table lists them."""
    published_as: str | None = None
    """Key of the published numbers to show beside."""


COLUMNS = (
    "experiment", "dataset", "method", "modality", "protocol", "label_fraction", "label_count", "class",
    "metric", "value", "ci_low", "ci_high", "deviation", "test_ci_low", "test_ci_high", *behind.OURS,
)  # fmt: skip


def lay_out(rows: list[reading.Row], settings: Settings) -> Table:
    """The table of these rows of all.csv; raises RevisitError where it would show no number of ours."""
    layout: Layout = parts.find("layout", settings.layout)
    scores = cells.of_experiment(rows, settings.experiment, settings.runs, settings.published_as)
    return layout.lay_out(scores, settings.layout, settings.title or settings.experiment)


def run(job: Job) -> None:
    settings = read(Settings, job.settings, "table")
    table = lay_out(reading.read_table(job.source("table"), COLUMNS), settings)
    printing.write(table, job.target("csv"), job.target("markdown"))
