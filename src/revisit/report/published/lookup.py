"""Find the published number for a cell of ours.

Each source has one CSV here with its numbers as they are printed. Lines that a table of ours reproduces
say so in five more columns: ``our_experiment`` and ``our_row`` are the keys that a config names by
``published_as``, ``our_modality`` and ``our_metric`` are words of ours, and ``our_unit`` is what one of their
units is in ours (0.01 for per cent). Where two tables of a source report the same cell, the line that comes
first counts.
"""

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from revisit.report import words

WORKS = ("3dmae_stmim.csv", "caco.csv", "sscl.csv")


class Published(NamedTuple):
    """One reported number as a fraction; ``row`` is the key of its model, ``title`` its printed name."""

    row: str
    title: str
    modality: str
    metric: str
    class_: str
    value: float
    source: str


def lookup(
    experiment: str | None,
    row: str | None,
    modality: str,
    protocol: str,
    label_fraction: float,
    class_: str,
    metric: str,
) -> Published | None:
    """The published counterpart of a cell, or None where no source reports one.

    ``experiment`` and ``row`` are the keys of ``published_as``, None where the config names none. Protocols
    that train the same part of the network are the same to this question.
    """
    trained = words.training(protocol)
    return _cells().get((experiment, row, modality, trained, label_fraction, class_.casefold(), metric))


def listed(experiment: str | None) -> list[Published]:
    """Every reported number of an experiment, in the order in which the sources print them."""
    return [cell for key, cell in _cells().items() if key[0] == experiment]


def keys() -> dict[str, list[str]]:
    """What ``published_as`` may name: the experiments, and of each its rows."""
    found: dict[str, list[str]] = {}
    for key in _cells():
        rows = found.setdefault(str(key[0]), [])
        if key[1] not in rows:
            rows.append(str(key[1]))
    return found


@cache
def _cells() -> dict[tuple[str | float | None, ...], Published]:
    cells: dict[tuple[str | float | None, ...], Published] = {}
    for work in WORKS:
        text = files("revisit.report.published").joinpath(work).read_text(encoding="utf-8")
        for line in csv.DictReader(text.splitlines()):
            if not line["our_experiment"]:
                continue
            cell = Published(
                line["our_row"],
                line["method"],
                line["our_modality"],
                line["our_metric"],
                line["class"],
                round(float(line["value"]) * float(line["our_unit"]), 6),
                f"{line['source']}, {line['table']}",
            )
            trained = words.training(line["protocol"].partition("/")[0])
            key = (
                line["our_experiment"],
                cell.row,
                cell.modality,
                trained,
                float(line["label_fraction"]),
                cell.class_.casefold(),
                cell.metric,
            )
            cells.setdefault(key, cell)
    return cells
