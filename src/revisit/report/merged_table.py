"""Merge the score files of all jobs into one tidy table, a number a row, with the published number beside it.

Values are fractions (0 to 1), published ones too. The rows come as the evaluation wrote them, and are
checked against the values of the single seeds that lie in the same file; what these say of pretrained
networks against those without (revisit.report.paired) is added.
"""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from revisit import files, stage
from revisit.errors import RevisitError
from revisit.evaluation.columns import COLUMNS
from revisit.job import Job
from revisit.record import read
from revisit.report.facts import Facts, Run
from revisit.report.paired import gains
from revisit.report.published.lookup import lookup

KEY = COLUMNS[: COLUMNS.index("value")]
VALUE_KEYS = ("label_fraction", "class", "metric", "seed", "value")
FILLED_HERE = ("published", "published_source")
RUN = ("experiment", "method", "modality", "protocol")  # what names a run of the study
AVERAGES = ("macro avg", "weighted avg", "all")

Row = dict[str, Any]
Seeds = dict[int, float]  # single values by seed


def merge(paths: Sequence[Path], facts: Facts) -> list[Row]:
    """All rows of the score files, sorted by ``KEY``, with ``published`` and ``published_source`` filled.

    Raises RevisitError for a file of another layout, a score of no run of the study, a mean that its seeds do
    not give, or a cell that two files give.
    """
    owner: dict[tuple[Any, ...], Path] = {}
    rows: list[tuple[Row, Seeds]] = []
    runs = {(run.experiment, run.method, run.modality, run.protocol): run for run in facts.runs}
    for path in sorted(paths):
        for row, seeds in read_scores(path):
            run = runs.get(tuple(row[name] for name in RUN))
            if run is None:
                raise RevisitError(f"{path}: is of no run of this study; remove it or rerun its evaluation")
            row |= _published(row, run, facts.experiments[run.experiment].published_as)
            key = tuple(row[column] for column in KEY)
            if key in owner:
                cell = ", ".join(f"{name} {value}" for name, value in zip(KEY, key, strict=True))
                raise RevisitError(
                    f"{path}: gives the cell ({cell}) that {owner[key]} gives too; "
                    "keep one of the two and rerun the other's evaluation"
                )
            owner[key] = path
            rows.append((row, seeds))
    headlines = {name: experiment.headline for name, experiment in facts.experiments.items()}
    every = [row for row, _ in rows] + gains(rows, headlines, [run.method for run in facts.runs])
    return sorted(every, key=lambda row: tuple(row[column] for column in KEY))


def read_scores(path: Path) -> list[tuple[Row, Seeds]]:
    """The checked rows of one score file, columns in the order of ``COLUMNS``, with their single values."""
    content = files.read_json(path)
    if not isinstance(content, dict) or not {"rows", "values"} <= content.keys():
        raise RevisitError(f"{path}: no score file of this version (needs rows and values); rerun it")
    rows = [_checked(path, number, row) for number, row in enumerate(content["rows"])]
    return list(zip(rows, _single_values(path, rows, content["values"]), strict=True))


def _checked(path: Path, number: int, row: Row) -> Row:
    where = f"{path}: row {number}"
    if unknown := sorted(row.keys() - set(COLUMNS)):
        raise RevisitError(f"{where} has the unknown column {unknown[0]!r}; rerun its evaluation")
    if missing := [name for name in COLUMNS if name not in row and name not in FILLED_HERE]:
        raise RevisitError(f"{where} lacks the column {missing[0]!r}; rerun its evaluation")
    if not isinstance(row["value"], float | int):
        raise RevisitError(f"{where}: value is {row['value']!r}, not a number; rerun its evaluation")
    for name in KEY:
        if row[name] is None or isinstance(row[name], str) != (name != "label_fraction"):
            raise RevisitError(f"{where}: {name} is {row[name]!r}; rerun its evaluation")
    return {name: row.get(name) for name in COLUMNS}


def _published(row: Row, run: Run, experiment: str | None) -> Row:
    """The columns that hold the published number of a row, ``experiment`` being the key of its experiment."""
    where = (row[name] for name in ("modality", "protocol", "label_fraction", "class", "metric"))
    found = lookup(experiment, run.published_as, *where)
    return {"published": found and found.value, "published_source": found and found.source}


def _single_values(path: Path, rows: list[Row], values: list[Row]) -> list[Seeds]:
    """The values of each row's seeds: a row must be their mean, a seed's macro average its classes'."""
    by_cell: dict[tuple[Any, ...], Seeds] = defaultdict(dict)
    by_seed: dict[tuple[Any, ...], dict[str, float]] = defaultdict(dict)
    for number, entry in enumerate(values):
        if missing := [name for name in VALUE_KEYS if name not in entry]:
            raise RevisitError(f"{path}: value {number} lacks {missing[0]!r}; rerun its evaluation")
        fraction, class_, metric, seed, value = (entry[name] for name in VALUE_KEYS)
        by_cell[fraction, class_, metric][seed] = value
        by_seed[fraction, metric, seed][class_] = value
    for row in rows:
        seeds = by_cell[row["label_fraction"], row["class"], row["metric"]]
        if not seeds:
            raise RevisitError(
                f"{path}: no single values for {row['class']} {row['metric']}; rerun its evaluation"
            )
        _compare(path, f"{row['class']} {row['metric']}", row["value"], list(seeds.values()), "seeds")
    for (_, metric, seed), classes in by_seed.items():
        single = [value for name, value in classes.items() if name not in AVERAGES]
        if "macro avg" in classes and single:
            _compare(path, f"macro avg {metric} of seed {seed}", classes["macro avg"], single, "classes")
    return [by_cell[row["label_fraction"], row["class"], row["metric"]] for row in rows]


def _compare(path: Path, what: str, mean: float, single: list[float], over: str) -> None:
    expected = sum(single) / len(single)
    if not math.isclose(mean, expected, abs_tol=1e-6):
        raise RevisitError(
            f"{path}: {what} is {mean}, but its {over} give {expected:.6f}; rerun its evaluation"
        )


def write_table(rows: list[Row], path: Path) -> None:
    """Write rows as CSV: floats in full, truth values as true and false, what is absent as nothing."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: str(value).lower() if isinstance(value, bool) else value for name, value in row.items()}
        )
    files.write_text(path, text.getvalue())


def run(job: Job) -> None:
    facts = read(Facts, job.settings, "tables")
    paths, out = job.sources("scores"), job.target("table")
    rows = merge(paths, facts)
    write_table(rows, out)
    stage.log.info("%s: %d numbers of %d score files", out, len(rows), len(paths))
