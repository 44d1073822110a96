"""Where a row of a table comes from: the first file of each step back to a STAC item of imagery.

What is read for it lies behind all.csv, so it is there, and no newer, when the page is written.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from revisit import trace
from revisit.errors import RevisitError
from revisit.report import words
from revisit.report.facts import Facts
from revisit.report.layout import Table

Row = Mapping[str, Any]


class Step(NamedTuple):
    """A product on the way back, or at its end the item, or the sample of an imported set."""

    kind: str
    name: str  # its path, or the item's id
    made: str  # settings and code, as far as it says
    of: str  # how many there are of what comes next


class Origin(NamedTuple):
    """The chain behind a row, and the command that prints all of it."""

    title: str
    command: str
    steps: list[Step]


def origin(table: Table, rows: Sequence[Row], facts: Facts) -> Origin | None:
    """The chain behind the first network of a table's first block, by its first seed.

    None for a table of several experiments, and where the chain cannot be followed.
    """
    setting = table.blocks[0].setting if table.blocks else {}
    if not setting.get("protocol"):
        return None
    shared = {name: value for name, value in setting.items() if name != "protocol"}
    here = {
        (row["method"], row["modality"], row["protocol"]): row
        for row in rows
        if all(row[name] == value for name, value in shared.items())
        and words.training(row["protocol"]) == words.training(setting["protocol"])
    }
    for run in facts.of_experiment(setting["experiment"]).runs:
        row = here.get((run.method, run.modality, run.protocol))
        if row and (scores := sorted(Path(row["run"]).glob("seed*.json"))):
            title = f"{run.title}, {words.modality(run.modality)}, {words.training(run.protocol)}"
            try:
                steps = _steps(scores[0])
            except RevisitError:
                return None  # the numbers stand all the same; the command tells what is amiss
            return Origin(title, f"revisit trace {scores[0].as_posix()}", steps)
    return None


def _steps(score: Path) -> list[Step]:
    results, start = trace.started(score)
    steps = []
    for node in results.first_chain(start):
        inside = node.items or node.made_of
        steps.append(Step(node.ref.kind, node.ref.path.as_posix(), _made(node), _of(len(inside))))
        if node.items:
            return [*steps, Step("item", node.items[0].id, node.items[0].datetime, "")]
    return steps


def _made(node: trace.Node) -> str:
    made = (f"settings {node.settings}" if node.settings else "", f"code {node.code}" if node.code else "")
    return ", ".join(filter(None, (*made, node.note, "" if node.there else "not there any more")))


def _of(count: int) -> str:
    return f"made of {count}, the first of which is" if count > 1 else "made of" if count else ""
