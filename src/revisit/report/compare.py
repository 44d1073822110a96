"""Which of two rows is better: headline scores of one method less those of another, in all they share.

Rows share a setting where the experiment, the test images, the amount of labels and the way of learning are
the same. Floors learn in no way of these, so each network is held against them; two floors once a task.
"""

import glob
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.report import over_places, words
from revisit.report.paired import TASK, Row, difference, without_network
from revisit.report.score_files import Cell, gather
from revisit.trace import DEPTHS

NO_NETWORK = words.training(words.FLOOR)


class Comparison(NamedTuple):
    """``one`` less ``other`` where the network learns by ``learning``; ``row`` has the columns of all.csv."""

    learning: str
    one: Cell
    other: Cell
    row: Row

    def content(self) -> dict[str, Any]:
        """What JSON can hold of it: fractions of 1."""
        about = {name: self.one.about[name] for name in TASK if name != "class"}
        numbers = ("value", "ci_low", "ci_high", "seeds", "test_ci_low", "test_ci_high", "test_places")
        return {
            **about,
            "learning": self.learning,
            "method": self.one.about["method"],
            "protocol": self.one.about["protocol"],
            "minus": self.other.about["method"],
            "minus_protocol": self.other.about["protocol"],
            **{name: self.row[name] for name in numbers},
        }


def headline_cells(results: Path, experiment: str | None = None) -> list[Cell]:
    """The headline scores of a study, or of one experiment; raises RevisitError where there are none."""
    of_experiment = glob.escape(experiment) if experiment else "*"
    below = (of_experiment, *["*"] * (DEPTHS["scores"] - 3), "*.json")
    paths = sorted((results / "scores").glob("/".join(below)))
    if not paths:
        of = f" of the experiment {experiment}" if experiment else ""
        raise RevisitError(f"{results}/scores: has no score{of}; name the results of a study that has run")
    cells, headlines = gather(paths), dict[str, str]()
    for cell in cells:
        name, path = cell.about["experiment"], next(iter(cell.files.values()))
        if name not in headlines:
            if "headline" not in (content := read_json(path)):
                raise RevisitError(
                    f"{path}: no score file of this version (lacks headline); rerun its evaluation"
                )
            headlines[name] = content["headline"]
    over_places.read_resampled(cells, headlines)
    return [
        cell
        for cell in cells
        if cell.about["class"] == "all" and cell.about["metric"] == headlines[cell.about["experiment"]]
    ]


def compare(cells: Sequence[Cell], methods: Sequence[str]) -> list[Comparison]:
    """The first of ``methods`` less each of the others; of one method less all; of none the best less all.

    The best is that of the highest mean in a setting. Raises RevisitError for a method that has no score, and
    where nothing can be compared.
    """
    known = list(dict.fromkeys(cell.about["method"] for cell in cells))
    if unknown := [name for name in methods if name not in known]:
        raise RevisitError(f"no score of {unknown[0]}; there are scores of {', '.join(known)}")
    first, rest = (methods[0] if methods else None), set(methods[1:])
    floors_alone = all(without_network(cell) for cell in cells)
    found = []
    for learning, setting in _settings(cells):
        if first is None and learning == NO_NETWORK and not floors_alone:
            continue  # the best floor is in every other setting
        for one in setting[:1] if first is None else [c for c in setting if c.about["method"] == first]:
            for other in setting:
                name = other.about["method"]
                floors = without_network(one) and without_network(other)
                if (
                    name == one.about["method"]
                    or (rest and name not in rest)
                    or (floors and learning != NO_NETWORK)
                ):
                    continue
                row = difference(one, other)
                found += [Comparison(learning, one, other, row)] if row else []
    if not found:
        said = " and ".join(methods) or "any two rows"
        raise RevisitError(f"{said}: share no experiment, images, labels and way of learning")
    return found


def _settings(cells: Iterable[Cell]) -> Iterator[tuple[str, list[Cell]]]:
    """The ways of learning of each task, and the cells that are of it, the highest mean first."""
    tasks: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        tasks[tuple(cell.about[name] for name in TASK)].append(cell)
    for of_task in tasks.values():
        by_learning: dict[str, list[Cell]] = defaultdict(list)
        for cell in of_task:
            by_learning[words.training(cell.about["protocol"])].append(cell)
        floors = by_learning.setdefault(NO_NETWORK, [])
        for learning, those in by_learning.items():
            networks = [] if learning == NO_NETWORK else those
            yield learning, sorted([*networks, *floors], key=lambda cell: -cell.mean)
