"""The command ``revisit compare``: whether one method is better than another, by paired differences."""

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from revisit.errors import RevisitError
from revisit.report import printing, words
from revisit.report.compare import Comparison, compare, headline_cells
from revisit.report.gains import LUCK, OVER_PLACES, PAIRED
from revisit.report.layout import Block, Cell, with_marks

NAMES = ("learning", "labels", "images", "method", "minus", "runs")


def told(found: Sequence[Comparison], best: bool) -> str:
    """Differences in percentage points, a table an experiment."""
    by_experiment = itertools.groupby(found, key=lambda one: (one.row["experiment"], one.row["metric"]))
    blocks = [
        Block(
            heading=f"{experiment}: {words.metric(metric)}",
            setting={},
            labels=NAMES,
            columns=("points",),
            rows=[(_names(one), [_cell(one)]) for one in group],
            form=words.POINTS,
        )
        for (experiment, metric), group in by_experiment
    ]
    lines = []
    for block in blocks:
        head = (*block.labels, *block.columns)
        lines += [f"## {block.heading}", "", printing.line(head), printing.line(["---"] * len(head))]
        lines += [printing.line([*names, cell.ours(block.form)]) for names, (cell,) in block.rows]
        lines += [""]
    notes = with_marks((PAIRED, OVER_PLACES, *([LUCK] if best else [])), blocks)
    return "\n".join([*lines, *(f"- {note}" for note in notes), ""])


def _names(one: Comparison) -> tuple[str, ...]:
    row = one.row
    labels, images = words.labels(row, of_all=""), words.modality(row["modality"])
    return one.learning, labels, images, one.one.about["method"], one.other.about["method"], str(row["seeds"])


def _cell(one: Comparison) -> Cell:
    """The difference in points; marked where a run behind either side is not to be trusted."""
    ends = (one.row[name] for name in ("value", "ci_low", "ci_high", "test_ci_low", "test_ci_high"))
    value, low, high, test_low, test_high = (None if end is None else words.PERCENT * end for end in ends)
    sides = one.one.about, one.other.about
    return Cell(
        *(value, low, high),
        collapsed=any(about["collapsed"] for about in sides),
        cut=any(about["converged"] is False for about in sides),
        test_low=test_low,
        test_high=test_high,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``revisit compare``."""
    parser = argparse.ArgumentParser(
        description="Print how much better one method of a study is than another: its headline scores minus "
        "the other's, run by run, with an interval over runs and one over test places. Methods are named as "
        "in tables/all.csv."
    )
    parser.add_argument(
        "methods",
        nargs="*",
        metavar="METHOD",
        help="the first is compared with the others, or with all if it is the only one; if none is named, "
        "the best row of each setting is compared with all others",
    )
    parser.add_argument("--experiment", help="only this experiment")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="of the study (results, or results/STUDY)"
    )
    parser.add_argument("--json", action="store_true", help="for programs: fractions of 1, not points")
    arguments = parser.parse_args(argv)
    try:
        found = compare(headline_cells(arguments.results, arguments.experiment), arguments.methods)
    except RevisitError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps([one.content() for one in found], indent=1))
    else:
        sys.stdout.write(told(found, best=not arguments.methods))
    return 0
