"""The table of claims: its columns and verdicts, read and written, and as pages and Markdown show it."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from revisit.evaluation.columns import HOURS
from revisit.report import layout, reading, words

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "undecided", "not run"
MIXED = "differ by row"
SIDES = ("better", "than")
MADE = ("run", "code_version", *HOURS)  # of each side
COLUMNS = (
    "source", "claim", "verdict", "published", "points", "low", "high", "seeds", "seeds_to_tell", "dataset",
    "better", "than", "caveat",
    *(f"{side}_{name}" for side in SIDES for name in MADE), "collapsed", "converged", "leaked", "why",
)  # fmt: skip
POINTS = ("published", "points", "low", "high")
NOTES = (
    "A claim holds where the 95 % interval of the difference lies above 0, and does not hold where it lies "
    "below 0. An interval that holds 0, or a difference without one, leaves it undecided.",
    "Differences are in percentage points, taken run by run: both rows had the same seed. The published ones "
    "are of other data, and not comparable.",
    "Seeds to tell: with how many independent seeds (of pretraining, where there is one) the interval of an "
    "undecided difference would leave out 0, if its mean and scatter stayed as they are. Estimated from few "
    "seeds, it is a rough guide; none is given where a thousand would not do.",
    "Of twenty comparisons in which there is no difference, one interval is expected to leave out 0.",
    layout.COLLAPSED,
    layout.CUT,
    layout.LEAKED,
)

Row = dict[str, Any]


def verdict(low: float | None, high: float | None) -> str:
    """What the interval of a difference says of a claim."""
    if low is None or high is None:
        return UNDECIDED
    return HOLDS if low > 0 else FAILS if high < 0 else UNDECIDED


def counted(rows: Iterable[Row]) -> str:
    """How many claims have each verdict, in words; the pairs of rows that one rests on may differ."""
    verdicts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        verdicts[row["source"], row["claim"]].add(row["verdict"])
    counts = Counter(found.pop() if len(found) == 1 else MIXED for found in verdicts.values())
    told = (f"{counts[one]} {one}" for one in (HOLDS, FAILS, UNDECIDED, MIXED, NOT_RUN) if counts[one])
    return f"{len(verdicts)} claims: {', '.join(told)}"


def to_csv(rows: Iterable[Row]) -> str:
    """A claim and pair of rows a line; what is absent is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: str(value).lower() if isinstance(value, bool) else value for name, value in row.items()}
        )
    return text.getvalue()


def read_claims(path: Path) -> list[Row]:
    """The rows of claims.csv: ``POINTS`` as float, truth values as bool, empty cells as None."""
    truths = {"true": True, "false": False}
    return [
        {
            name: reading.number(path, text) if name in POINTS and text else truths.get(text, text or None)
            for name, text in row.items()
        }
        for row in reading.read_rows(path, COLUMNS)
    ]


def printed(row: Row) -> dict[str, str]:
    """A row as pages and Markdown show it."""
    cell = layout.Cell(
        row["points"],
        row["low"],
        row["high"],
        collapsed=row["collapsed"] is True,
        cut=row["converged"] is False,
        leaked=row["leaked"] is True,
    )
    published = layout.NOT_RUN if row["published"] is None else f"{row['published']:{words.POINTS}}"
    return {
        "claim": f"{row['claim']} ({row['caveat']})" if row["caveat"] else row["claim"],
        "source": row["source"],
        "published": published,
        "this run": cell.ours(words.POINTS),
        "verdict": row["verdict"],
        "seeds to tell": str(row["seeds_to_tell"] or ""),
        "rests on": row["why"] or f"{row['better']} – {row['than']}",
    }


class Shown(NamedTuple):
    """The claims on the page: how many of each verdict there are, those that were tried and the others."""

    counted: str
    tried: list[dict[str, str]]
    others: list[dict[str, str]]
    notes: tuple[str, ...] = NOTES

    @classmethod
    def of(cls, paths: Iterable[Path]) -> "Shown | None":
        """What these files, one or none, hold; None where they hold no claim."""
        rows = [row for path in paths for row in read_claims(path)]
        if not rows:
            return None
        parts: tuple[list[dict[str, str]], list[dict[str, str]]] = ([], [])
        for row in rows:
            parts[row["verdict"] == NOT_RUN].append(printed(row))
        return cls(counted(rows), *parts)


def to_markdown(rows: Sequence[Row]) -> str:
    """The same to read."""
    shown = [printed(row) for row in rows]
    head = list(shown[0])
    lines = [
        "# Claims of the sources",
        "",
        f"{counted(rows)}.",
        "",
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(row.values())} |" for row in shown),
        "",
        *(f"- {note}" for note in NOTES),
        "",
    ]
    return "\n".join(lines)
