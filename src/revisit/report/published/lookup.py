"""Find the published number for a cell of ours.

Each source has one CSV here, with its numbers and its words as they are printed; ``[sic]`` stands where
these are odd, "as labelled in the source" where a label may mean something else than usual. Lines that a
table of ours reproduces say so in six more columns: ``our_experiment`` and ``our_row`` are the keys that a
config names by ``published_as``, ``our_modality``, ``our_protocol`` and ``our_metric`` are words of ours, and
``our_unit`` is what one of their units is in ours (0.01 for per cent). A source that gives no share of the
labels is set beside rows of a number of labels, whichever it is. Where two tables of a source report
the same cell, the line that comes first counts; they must be of the same data set and encoder. Sizes and
budgets of pretraining are in ``budgets.csv`` by ``our_row``, as far as the sources or their code say them.
Rows of which a source says something without a number are in ``unprinted.csv``: only claims look there.

No published number is comparable with one of ours: it was measured on other places.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import product
from typing import NamedTuple

from revisit.errors import RevisitError
from revisit.report import words

WORKS = ("3dmae_stmim.csv", "caco.csv", "sscl.csv")
BUDGETS = "budgets.csv"
UNPRINTED = "unprinted.csv"  # rows that a source shows or tells of without a number
UNSTATED = "not stated"
# What the code of SeCo, and CACo's after it, does where the papers print the plain word: a frozen encoder
# whose batch norms adapt, mAP averaged over batches.
AS_RELEASED: Mapping[str, tuple[str, ...]] = {
    "frozen-adapting": ("frozen", "linear"),
    "batch_map": ("micro_map",),
}


class Published(NamedTuple):
    """One reported number as a fraction; ``row`` is the key of its model, ``title`` its printed name.

    ``deviation`` over runs, where it is reported.

    ``dataset`` it was measured on, ``encoder``, ``pretrain_data``, ``protocol`` and ``table``, with the
    metric, in the words of the source; ``pretrain_size`` and ``pretrain_budget``, "" without pretraining.
    """

    row: str
    title: str
    modality: str
    metric: str
    class_: str
    value: float
    deviation: float | None
    dataset: str
    encoder: str
    pretrain_data: str
    pretrain_size: str
    pretrain_budget: str
    protocol: str
    table: str

    @property
    def source(self) -> str:
        """Where it is printed and what it is of, in one line."""
        return f"{self.table}; {self.dataset}; {self.made}; {words.NOT_COMPARABLE}"

    @property
    def made(self) -> str:
        """Encoder, pretraining and protocol, in one line."""
        size = f" (size {self.pretrain_size}, budget {self.pretrain_budget})" if self.pretrain_size else ""
        return f"{self.encoder}, pretraining: {self.pretrain_data}{size}, {self.protocol}"


class Key(NamedTuple):
    """What names a cell of a source. A row of ours is of one data set and one encoder (see ``_cells``)."""

    experiment: str | None
    row: str | None
    modality: str
    trained: str  # words for what of the network learns
    label_fraction: float | None
    class_: str
    metric: str


def lookup(
    experiment: str | None,
    row: str | None,
    modality: str,
    protocol: str,
    label_fraction: float | None,
    class_: str,
    metric: str,
) -> Published | None:
    """The published counterpart of a cell, or None where no source reports one.

    ``experiment`` and ``row`` are the keys of ``published_as``, None where the config names none. Protocols
    that train the same part of the network are the same to this question, and so are the clean way and the
    one of released code (``AS_RELEASED``). ``label_fraction`` is None where ours is of a number of labels.
    """
    ways = product(*((one, *AS_RELEASED.get(one, ())) for one in (protocol, metric)))
    keys = (
        Key(experiment, row, modality, words.training(way), label_fraction, class_.casefold(), measure)
        for way, measure in ways
    )
    return next((_cells()[key] for key in keys if key in _cells()), None)


def listed(experiment: str | None) -> list[Published]:
    """Every reported number of an experiment, in the order in which the sources print them."""
    return [cell for key, cell in _cells().items() if key.experiment == experiment]


def keys() -> dict[str, list[str]]:
    """What ``published_as`` may name: the experiments, and of each its rows."""
    text = files("revisit.report.published").joinpath(UNPRINTED).read_text(encoding="utf-8")
    unprinted = [(line["our_experiment"], line["our_row"]) for line in csv.DictReader(text.splitlines())]
    found: dict[str, list[str]] = {}
    for experiment, row in (*((str(key.experiment), str(key.row)) for key in _cells()), *unprinted):
        rows = found.setdefault(experiment, [])
        if row not in rows:
            rows.append(row)
    return found


def caveat(experiment: str | None) -> str:
    """What stands beside the published numbers of an experiment, wherever they are shown; "" without any."""
    datasets = dict.fromkeys(cell.dataset for cell in listed(experiment))
    return f"published: {' and '.join(datasets)}, {words.NOT_COMPARABLE}" if datasets else ""


@cache
def _budgets() -> dict[str, tuple[str, str]]:
    """Size and budget of pretraining by ``our_row``."""
    text = files("revisit.report.published").joinpath(BUDGETS).read_text(encoding="utf-8")
    return {
        line["our_row"]: (line["pretrain_size"], line["pretrain_budget"])
        for line in csv.DictReader(text.splitlines())
    }


@cache
def _cells() -> dict[Key, Published]:
    cells: dict[Key, Published] = {}
    of_row: dict[tuple[str, str], tuple[str, str]] = {}
    for work in WORKS:
        text = files("revisit.report.published").joinpath(work).read_text(encoding="utf-8")
        for line in csv.DictReader(text.splitlines()):
            if not line["our_experiment"]:
                continue
            row, of = (line["our_experiment"], line["our_row"]), (line["dataset"], line["encoder"])
            if of_row.setdefault(row, of) != of:
                raise RevisitError(
                    f"{work}: {'/'.join(row)} is of {' by '.join(of_row[row])} and of {' by '.join(of)}; "
                    "give each data set an our_experiment and each encoder an our_row of its own"
                )
            key, cell = _read(line)
            cells.setdefault(key, cell)
    return cells


def _read(line: dict[str, str]) -> tuple[Key, Published]:
    unit = float(line["our_unit"])
    size, budget = "", ""
    if not line["pretrain_data"].startswith("none"):
        size, budget = _budgets().get(line["our_row"], (UNSTATED, UNSTATED))
    cell = Published(
        row=line["our_row"],
        title=line["method"],
        modality=line["our_modality"],
        metric=line["our_metric"],
        class_=line["class"],
        value=round(float(line["value"]) * unit, 6),
        deviation=round(float(line["std"]) * unit, 6) if line["std"] else None,
        dataset=line["dataset"],
        encoder=line["encoder"],
        pretrain_data=line["pretrain_data"],
        pretrain_size=size,
        pretrain_budget=budget,
        protocol=line["protocol"],
        table=f"{line['source']}, {line['table']}, {line['metric']}",
    )
    trained = words.training(line["our_protocol"])
    told = line["label_fraction"]
    fraction = None if told.startswith("not stated") else float(told)
    experiment = line["our_experiment"]
    return (
        Key(experiment, cell.row, cell.modality, trained, fraction, cell.class_.casefold(), cell.metric),
        cell,
    )
