"""Join the tables of a study's experiments: one of all numbers, one of what pretraining has seen."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from revisit import files, stage
from revisit.errors import RevisitError
from revisit.job import Job
from revisit.report import leaks, reading


def run(job: Job) -> None:
    """Make ``table`` and ``leaks`` (CSV, and ``markdown`` to read) of those of experiments."""
    # By experiment, as the rows of each are sorted already.
    files.write_text(job.target("table"), joined(sorted(job.sources("tables"))))
    files.write_text(job.target("leaks"), joined(job.sources("leaks")))
    rows = reading.read_table(job.target("leaks"), leaks.COLUMNS)
    files.write_text(job.target("markdown"), leaks.to_markdown(rows))
    stage.log.info(leaks.said(rows))


def joined(paths: Sequence[Path]) -> str:
    """The rows of CSV files one after the other; raises RevisitError where their columns differ."""
    text = io.StringIO()
    columns: list[str] = []
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        if columns and head != columns:
            raise RevisitError(f"{path}: has other columns than {paths[0]}; rerun its scores")
        columns = head
        csv.writer(text, lineterminator="\n").writerows(rows if text.tell() else [head, *rows])
    return text.getvalue()
