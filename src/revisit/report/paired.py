"""What pretraining gained: a score less that of the same network without pretraining, paired by seed.

Runs with the same seed have the same labels and draws. How much these matter is most of the spread of a
score over seeds, and it cancels in the difference: a gain may be sure where the intervals of the two scores
overlap.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from revisit.evaluation.columns import COLUMNS
from revisit.evaluation.statistics import mean_interval
from revisit.report import words

# What a network and the network it is held against must share, beside the way of training.
SHARED = ("experiment", "task", "dataset", "encoder", "modality", "label_fraction", "class", "metric")
# What a gain has from the row of the pretrained network.
KEPT = (*COLUMNS[: COLUMNS.index("value")], "collapsed", "config_hash", "code_version", "run")

Row = dict[str, Any]


def gains(
    rows: Iterable[tuple[Row, dict[int, float]]], headlines: Mapping[str, str], methods: Iterable[str]
) -> list[Row]:
    """A row of ``<metric>_gain`` for each headline score of a pretrained network that has a counterpart.

    ``rows``: rows of score files, each with its single values by seed. ``headlines``: the metric of each
    experiment that counts. The counterpart is trained the same way on the same data but has no
    ``pretrain_data``; of several the one that comes first in ``methods``.
    """
    rank = {name: number for number, name in enumerate(dict.fromkeys(methods))}
    headline = [(row, seeds) for row, seeds in rows if row["metric"] == headlines[row["experiment"]]]
    without = {
        _key(row): seeds
        for row, seeds in sorted(headline, key=lambda pair: -rank[pair[0]["method"]])
        if row["pretrain_data"] == "none"
    }
    found = []
    for row, seeds in headline:
        other = without.get(_key(row), {})
        if row["pretrain_data"] == "none" or not (both := sorted(seeds.keys() & other.keys())):
            continue
        mean, low, high = mean_interval([seeds[seed] - other[seed] for seed in both], lowest=-1)
        kept = {name: row[name] for name in KEPT} | {"metric": row["metric"] + words.GAIN}
        own = {"value": mean, "ci_low": low, "ci_high": high, "seeds": len(both)}
        found.append({name: {**kept, **own}.get(name) for name in COLUMNS})
    return found


def _key(row: Row) -> tuple[Any, ...]:
    return (words.training(row["protocol"]), *(row[name] for name in SHARED))
