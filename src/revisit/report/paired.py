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


def gains(cells: Sequence[Cell], headlines: Mapping[str, str], methods: Iterable[str]) -> list[Row]:
    """Rows of ``<metric>_gain`` and ``<metric>_over_floor`` of the headline scores of networks.

    A gain is over the twin: trained the same way on the same data, without ``pretrain_data``; of several the
    one that comes first in ``methods``. The best floor is that of the highest mean.
    """
    rank = {name: number for number, name in enumerate(dict.fromkeys(methods))}
    headline = [cell for cell in cells if cell.about["metric"] == headlines[cell.about["experiment"]]]
    floors: dict[tuple[Any, ...], Cell] = {}
    twins: dict[tuple[Any, ...], Cell] = {}
    for cell in sorted(headline, key=lambda cell: rank[cell.about["method"]]):
        if words.is_floor(cell.about):
            key = tuple(cell.about[name] for name in TASK)
            if key not in floors or _mean(cell) > _mean(floors[key]):
                floors[key] = cell
        if cell.about["protocol"] != words.FLOOR and cell.about["pretrain_data"] == "none":
            twins.setdefault(_twin(cell), cell)
    found = []
    for cell in headline:
        if not words.is_floor(cell.about):
            floor = floors.get(tuple(cell.about[name] for name in TASK))
            found += [_difference(cell, floor, words.OVER_FLOOR)] if floor else []
        if cell.about["pretrain_data"] != "none":
            twin = twins.get(_twin(cell))
            found += [_difference(cell, twin, words.GAIN)] if twin else []
    return [row for row in found if row]


def _twin(cell: Cell) -> tuple[Any, ...]:
    return (words.training(cell.about["protocol"]), *(cell.about[name] for name in TWIN))


def _mean(cell: Cell) -> float:
    return sum(cell.values.values()) / len(cell.values)


def _difference(cell: Cell, other: Cell, suffix: str) -> Row | None:
    """The row of a difference; None where no run of the two has the same seed.

    What draws nothing but labels has one run where all are kept: it stands for all seeds.
    """
    values = other.values
    if len(values) == 1 and cell.about["label_fraction"] == 1 and words.is_floor(other.about):
        values = dict.fromkeys(cell.values, *values.values())
    differences = {seed: value - values[seed] for seed, value in cell.values.items() if seed in values}
    if not differences:
        return None
    mean, low, high = interval(differences, cell.clusters, -1, 1)
    kept = {name: cell.about.get(name) for name in KEPT} | {"metric": cell.about["metric"] + suffix}
    own = {"value": mean, "ci_low": low, "ci_high": high, "seeds": len(differences)}
    own["deviation"] = deviation(differences.values())
    return {name: {**kept, **own}.get(name) for name in COLUMNS}
