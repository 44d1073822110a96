"""What a network gained: its score less that of the same network without pretraining, or less the best floor.

Differences are taken run by run: runs of the same seed have the same labels and draws. How much these
matter is most of the spread of a score over seeds, and it cancels in the difference: a gain may be sure where
the intervals of the two scores overlap.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from revisit.evaluation.columns import COLUMNS
from revisit.evaluation.intervals import deviation, interval
from revisit.report import words
from revisit.report.score_files import Cell

# What a network and its floors must share.
TASK = ("experiment", "task", "dataset", "modality", "label_fraction", "label_count", "class", "metric")
# What a network and its twin without pretraining must share, beside the way of training.
TWIN = (*TASK, "encoder")
# What a gain has from the row of the network.
KEPT = (
    *COLUMNS[: COLUMNS.index("value")], "collapsed", "converged", "config_hash", "code_version", "run",
)  # fmt: skip

Row = dict[str, Any]


class Counterparts:
    """What networks among some cells are held against.

    The twin is trained the same way on the same data, without ``pretrain_data``; of several the one that
    comes first in ``methods``. The best floor is that of the highest mean.
    """

    def __init__(self, cells: Iterable[Cell], methods: Iterable[str]) -> None:
        rank = {name: number for number, name in enumerate(dict.fromkeys(methods))}
        self._floors: dict[tuple[Any, ...], Cell] = {}
        self._twins: dict[tuple[Any, ...], Cell] = {}
        for cell in sorted(cells, key=lambda cell: rank[cell.about["method"]]):
            if words.is_floor(cell.about):
                key = tuple(cell.about[name] for name in TASK)
                if key not in self._floors or _mean(cell) > _mean(self._floors[key]):
                    self._floors[key] = cell
            if cell.about["protocol"] != words.FLOOR and cell.about["pretrain_data"] == "none":
                self._twins.setdefault(_twin(cell), cell)

    def floor(self, cell: Cell) -> Cell | None:
        """The best floor of what the cell scores; None where there is none, or the cell is one."""
        if words.is_floor(cell.about):
            return None
        return self._floors.get(tuple(cell.about[name] for name in TASK))

    def twin(self, cell: Cell) -> Cell | None:
        """The cell of the same network without pretraining; None where there is none, or it had none."""
        return None if cell.about["pretrain_data"] == "none" else self._twins.get(_twin(cell))


def gains(cells: Sequence[Cell], headlines: Mapping[str, str], methods: Iterable[str]) -> list[Row]:
    """Rows of ``<metric>_gain`` and ``<metric>_over_floor`` of the headline scores of networks."""
    headline = [cell for cell in cells if cell.about["metric"] == headlines[cell.about["experiment"]]]
    against = Counterparts(headline, methods)
    found = []
    for cell in headline:
        if floor := against.floor(cell):
            found.append(_difference(cell, floor, words.OVER_FLOOR))
        if twin := against.twin(cell):
            found.append(_difference(cell, twin, words.GAIN))
    return [row for row in found if row]


def _twin(cell: Cell) -> tuple[Any, ...]:
    return (words.training(cell.about["protocol"]), *(cell.about[name] for name in TWIN))


def _mean(cell: Cell) -> float:
    return sum(cell.values.values()) / len(cell.values)


def run_by_run(cell: Cell, other: Cell) -> dict[int, float]:
    """The differences of runs of the same seed; none where no two are of one.

    What draws nothing but labels has one run where all are kept: it stands for all seeds.
    """
    values = other.values
    if len(values) == 1 and cell.about["label_fraction"] == 1 and words.is_floor(other.about):
        values = dict.fromkeys(cell.values, *values.values())
    return {seed: value - values[seed] for seed, value in cell.values.items() if seed in values}


def _difference(cell: Cell, other: Cell, suffix: str) -> Row | None:
    """The row of a difference; None where no run of the two has the same seed."""
    differences = run_by_run(cell, other)
    if not differences:
        return None
    mean, low, high = interval(differences, cell.clusters, -1, 1)
    kept = {name: cell.about.get(name) for name in KEPT} | {"metric": cell.about["metric"] + suffix}
    own = {"value": mean, "ci_low": low, "ci_high": high, "seeds": len(differences)}
    own["deviation"] = deviation(differences.values())
    return {name: {**kept, **own}.get(name) for name in COLUMNS}
