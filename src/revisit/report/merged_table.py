"""Merge the score files of an experiment into one tidy table, a number a row, the published ones beside it.

Values are fractions (0 to 1), published ones too: means over the repeats of a run, with the interval of
``revisit.evaluation.intervals`` and, of headlines, the one over test places (``revisit.report.over_places``).
What they say against the same networks without pretraining, the best floor and fewer sensors is added
(``revisit.report.paired``), and how near to the test places pretraining came (``revisit.report.leaks``),
which has a table of its own. ``revisit.report.joined_tables`` makes one of all.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from revisit import files, stage
from revisit.errors import RevisitError
from revisit.evaluation.columns import COLUMNS
from revisit.evaluation.intervals import deviation, interval
from revisit.job import Job
from revisit.record import read
from revisit.report import leaks, over_places
from revisit.report.facts import Facts, Run
from revisit.report.paired import gains
from revisit.report.published.lookup import lookup
from revisit.report.score_files import Cell, gather

KEY = COLUMNS[: COLUMNS.index("value")]
RUN = ("experiment", "method", "modality", "protocol")  # what names a run of the study
# Of the table alone: the least metres between places of pretraining and of the test, and how many of the
# latter pretraining has seen. None where nothing was learnt, or nothing is known of where.
SEEN = ("test_distance_m", "test_places_seen")

Row = dict[str, Any]
RunKey = tuple[str, ...]


class Settings(Facts):
    """The facts of an experiment, and its rows that have encoders."""

    tested: list[leaks.Tested] = []
    """They, in the order of the config."""


def merge(paths: Sequence[Path], facts: Facts, seen: Mapping[RunKey, Row] | None = None) -> list[Row]:
    """All rows of the score files, sorted by ``KEY``; ``seen`` of each run, as ``seen_by_run`` gives it.

    Raises RevisitError for files that ``gather`` refuses, and for a score of no run of the study.
    """
    runs = {(run.experiment, run.method, run.modality, run.protocol): run for run in facts.runs}
    cells = gather(paths)
    headlines = {name: experiment.headline for name, experiment in facts.experiments.items()}
    over_places.read_resampled(cells, headlines)
    rows = []
    for cell in cells:
        run = runs.get(tuple(cell.about[name] for name in RUN))
        if run is None:
            raise RevisitError(
                f"{cell.about['run']}: is of no run of this study; remove it or rerun its evaluation"
            )
        rows.append(_row(cell, run, facts.experiments[run.experiment].published_as))
    rows += gains(cells, headlines, [run.method for run in facts.runs])
    for row in rows:
        row |= (seen or {}).get(tuple(row[name] for name in RUN), dict.fromkeys(SEEN))
    return sorted(rows, key=lambda row: tuple(row[column] for column in KEY))


def seen_by_run(rows: Sequence[Row]) -> dict[RunKey, Row]:
    """The columns ``SEEN`` of each run that has encoders, from rows of ``revisit.report.leaks``."""
    return {
        tuple(row[name] for name in RUN): dict(zip(SEEN, (row["distance_m"], row["overlapped"]), strict=True))
        for row in rows
    }


def _row(cell: Cell, run: Run, experiment: str | None) -> Row:
    """The row of a cell; ``experiment`` is the key of its published numbers."""
    mean, low, high = interval(cell.values, cell.clusters, 0, 1)
    own = {**cell.about, "value": mean, "ci_low": low, "ci_high": high, "seeds": len(cell.values)}
    own["deviation"] = deviation(cell.values.values())
    own |= over_places.columns(cell.resampled, cell.clusters, cell.places)
    where = (own[name] for name in ("modality", "protocol", "label_fraction", "class", "metric"))
    found = lookup(experiment, run.published_as, *where)
    own |= {"published": found and found.value, "published_source": found and found.source}
    return {name: own.get(name) for name in COLUMNS}


def write_table(rows: list[Row], path: Path) -> None:
    """Write rows as CSV: floats in full, truth values as true and false, what is absent as nothing."""
    text = io.StringIO()
    writer = csv.DictWriter(text, (*COLUMNS, *SEEN), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: str(value).lower() if isinstance(value, bool) else value for name, value in row.items()}
        )
    files.write_text(path, text.getvalue())


def run(job: Job) -> None:
    settings = read(Settings, job.settings, "scores")
    paths, out = job.sources("scores"), job.target("table")
    seen = leaks.checked(settings.tested)
    files.write_text(job.target("leaks"), leaks.to_csv(seen))
    rows = merge(paths, settings, seen_by_run(seen))
    write_table(rows, out)
    stage.log.info("%s: %d numbers of %d score files", out, len(rows), len(paths))
