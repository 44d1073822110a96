"""What was gained: a score less that of no pretraining, a floor, the best row, fewer sensors or other cubes.

Differences are taken run by run: runs of the same seed have the same labels and draws. How much these
matter is most of the spread of a score over seeds, and it cancels in the difference: a gain may be sure where
the intervals of the two scores overlap. So it is with test places: the difference is taken on each resampled
test set, and how hard its places are for both cancels.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.evaluation.columns import COLUMNS, COSTS
from revisit.evaluation.intervals import deviation, interval
from revisit.report import over_places, words
from revisit.report.score_files import Cell

# What a network and its floors must share.
TASK = ("experiment", "task", "dataset", "modality", "label_fraction", "label_count", "class", "metric")
# What a network and its twin without pretraining must share, beside the way of training.
TWIN = (*TASK, "encoder")
# What a row and the first that learns from another collection must share, beside the way of training.
ELSEWHERE = tuple(name for name in TWIN if name != "dataset")
# What a row and the same on fewer sensors must share.
SAME = (*(name for name in TASK if name != "modality"), "method", "protocol")
# What a gain has from the row of the network.
KEPT = (
    *COLUMNS[: COLUMNS.index("value")], "collapsed", "converged", *COSTS, "config_hash", "code_version",
    "run",
)  # fmt: skip

ENDS = ("ci_low", "ci_high", "test_ci_low", "test_ci_high")

Row = dict[str, Any]


class Counterparts:
    """What networks among some cells are held against.

    The twin is trained the same way on the same data, without ``pretrain_data``; of several the one that
    comes first in ``methods``. The best floor is that of the highest mean, and so is the best row, and the
    best of the same method on part of the sensors, such as Sentinel-2 alone of both. The first row is that
    of ``methods``.
    """

    def __init__(self, cells: Iterable[Cell], methods: Iterable[str]) -> None:
        rank = {name: number for number, name in enumerate(dict.fromkeys(methods))}
        self._floors: dict[tuple[Any, ...], Cell] = {}
        self._twins: dict[tuple[Any, ...], Cell] = {}
        self._firsts: dict[tuple[Any, ...], Cell] = {}
        self._same: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
        self._rivals: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
        for cell in sorted(cells, key=lambda cell: rank[cell.about["method"]]):
            self._same[_same(cell)].append(cell)
            self._rivals[_rivals(cell)].append(cell)
            self._firsts.setdefault(_elsewhere(cell), cell)
            if words.is_floor(cell.about):
                key = tuple(cell.about[name] for name in TASK)
                if key not in self._floors or cell.mean > self._floors[key].mean:
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

    def first(self, cell: Cell) -> Cell | None:
        """The first cell of the same network, where that learns from another collection.

        None where it does not, or was tested on other places.
        """
        found = self._firsts[_elsewhere(cell)]
        elsewhere = found.about["dataset"] != cell.about["dataset"]
        return found if elsewhere and cell.places and found.places == cell.places else None

    def fewer(self, cell: Cell) -> Cell | None:
        """The best cell of the same method on part of the sensors; None where there is none."""
        found = [other for other in self._same[_same(cell)] if _sensors(other) < _sensors(cell)]
        return max(found, key=lambda one: one.mean, default=None)

    def best(self, cell: Cell) -> Cell | None:
        """The best of all that learn in this way from these labels, and of the floors.

        None where nothing else does, or the cell is a floor.
        """
        networks, floors = (self._rivals[_rivals(cell, learning)] for learning in (None, words.FLOOR))
        rivals = [] if without_network(cell) else [*networks, *floors]
        return max(rivals, key=lambda one: one.mean) if len(rivals) > 1 else None


def gains(cells: Sequence[Cell], headlines: Mapping[str, str], methods: Iterable[str]) -> list[Row]:
    """Rows of the headline scores: ``<metric>_gain`` and ``_over_...`` or ``_under_...`` of each counterpart.

    Those over the twin, the best floor and under the best are of networks, the others of floors too. The best
    itself is 0 under the best, without an interval.
    """
    headline = [cell for cell in cells if cell.about["metric"] == headlines[cell.about["experiment"]]]
    against = Counterparts(headline, methods)
    found = []
    for cell in headline:
        if floor := against.floor(cell):
            found.append(difference(cell, floor, words.OVER_FLOOR))
        if twin := against.twin(cell):
            found.append(difference(cell, twin, words.GAIN))
        if (fewer := against.fewer(cell)) and fewer.values != cell.values:  # the class prior sees none
            found.append(difference(cell, fewer, words.OVER_FEWER))
        if first := against.first(cell):
            found.append(difference(cell, first, words.OVER_FIRST))
        if best := against.best(cell):
            row = difference(cell, best, words.UNDER_BEST)
            found.append(row | dict.fromkeys(ENDS) if row and best is cell else row)
    return [row for row in found if row]


def _twin(cell: Cell) -> tuple[Any, ...]:
    return (words.training(cell.about["protocol"]), *(cell.about[name] for name in TWIN))


def _elsewhere(cell: Cell) -> tuple[Any, ...]:
    return (words.training(cell.about["protocol"]), *(cell.about[name] for name in ELSEWHERE))


def _rivals(cell: Cell, protocol: str | None = None) -> tuple[Any, ...]:
    return (words.training(protocol or cell.about["protocol"]), *(cell.about[name] for name in TASK))


def _same(cell: Cell) -> tuple[Any, ...]:
    return tuple(cell.about[name] for name in SAME)


def _sensors(cell: Cell) -> frozenset[str]:
    return frozenset(cell.about["modality"].split("+"))


def run_by_run(cell: Cell, other: Cell) -> dict[int, float]:
    """The differences of runs of the same seed; none where no two are of one.

    What draws nothing but labels has one run where all are kept: it stands for all seeds.
    """
    return {seed: cell.values[seed] - other.values[its] for seed, its in _partners(cell, other).items()}


def _partners(cell: Cell, other: Cell) -> dict[int, int]:
    """The seed of the other's run that each run is held against."""
    if len(other.values) == 1 and cell.about["label_fraction"] == 1 and words.is_floor(other.about):
        return dict.fromkeys(cell.values, *other.values)
    return {seed: seed for seed in cell.values if seed in other.values}


def _on_resampled(cell: Cell, other: Cell) -> dict[int, NDArray[np.float64]]:
    """The same on each resampled test set; none where the two were tested on different places."""
    if cell.places != other.places or not cell.resampled:
        return {}
    partners = _partners(cell, other)
    return {seed: cell.resampled[seed] - other.resampled[its] for seed, its in partners.items()}


def difference(cell: Cell, other: Cell, suffix: str = "") -> Row | None:
    """The row of a difference, its metric with ``suffix``; None where no two runs have the same seed."""
    # The runs of a network, or the more of a floor, are held against those of a floor.
    turned = without_network(cell) and (not without_network(other) or len(cell.values) < len(other.values))
    first, second, sign = (other, cell, -1) if turned else (cell, other, 1)
    differences = {seed: sign * value for seed, value in run_by_run(first, second).items()}
    if not differences:
        return None
    clusters = shared_luck(first, second, differences)
    mean, low, high = interval(differences, clusters, -1, 1)
    kept = {name: cell.about.get(name) for name in KEPT} | {"metric": cell.about["metric"] + suffix}
    own = {"value": mean, "ci_low": low, "ci_high": high, "seeds": len(differences)}
    own["deviation"] = deviation(differences.values())
    resampled = {seed: sign * values for seed, values in _on_resampled(first, second).items()}
    own |= over_places.columns(resampled, clusters, first.places)
    return {name: {**kept, **own}.get(name) for name in COLUMNS}


def shared_luck(one: Cell, other: Cell, seeds: Iterable[int]) -> dict[int, Any]:
    """Which differences share luck: those of one encoder, of whichever side has fewer of them."""
    known = [cell.clusters for cell in (one, other) if all(seed in cell.clusters for seed in seeds)]
    return min(known, key=lambda clusters: len(set(clusters.values())))


def without_network(cell: Cell) -> bool:
    """Whether no network made it; a network frozen as it was drawn is one, though a floor too."""
    found: bool = cell.about["protocol"] == words.FLOOR
    return found
