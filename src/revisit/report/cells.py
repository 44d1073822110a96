"""The scores of one experiment, found by what names a cell, with the models that a table of them lists."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from revisit.errors import RevisitError
from revisit.report import words
from revisit.report.facts import Run
from revisit.report.layout import Block, Cell, Setting
from revisit.report.published.lookup import listed, lookup

Row = dict[str, Any]
SETTING = ("dataset", "protocol", "label_fraction", "label_count")
UNTRAINED = "untrained"
CELL = (*SETTING, "method", "modality", "class", "metric")


@dataclass(frozen=True)
class Model:
    """A row that a table may list. ``method`` is its name in all.csv, None where it is only published."""

    title: str
    method: str | None
    published_as: str | None
    modalities: tuple[str, ...]


class Line(NamedTuple):
    """A row of a block: the words that name it, its model, and the columns of all.csv that find its cells."""

    label: tuple[str, ...]
    model: Model
    where: dict[str, str]


class Scores:
    """The rows of one experiment.

    ``settings``: what its blocks are of, the whole network trained on all labels first. ``models``: what its
    tables may list, first what is only published (in its order), then ours in the order of the config.
    """

    def __init__(
        self, rows: Iterable[Row], experiment: str, runs: Sequence[Run], published_as: str | None
    ) -> None:
        self.experiment = experiment
        self.published_as = published_as
        self.rows: dict[tuple[Any, ...], Row] = {}
        rows = list(rows)
        self.untrained = {  # method and protocol of encoders that are probed as they were drawn
            (row["method"], row["protocol"])
            for row in rows
            if words.is_floor(row) and row["protocol"] != words.FLOOR
        }
        for row in _floors_everywhere(rows):
            key = tuple({**row, "protocol": _merged(row["protocol"])}[name] for name in CELL)
            if key in self.rows:
                raise RevisitError(
                    f"all.csv: experiment {experiment!r} gives {key} for two encoders or pretraining "
                    "sets, which one table cannot show; give them two experiment names"
                )
            self.rows[key] = row
        found = {key[: len(SETTING)] for key in self.rows}
        named: list[Setting] = [dict(zip(SETTING, values, strict=True)) for values in found]
        self.settings = [{"experiment": experiment, **one} for one in sorted(named, key=_setting_order)]
        self.models = _models(runs, published_as)
        self.classes = list(dict.fromkeys(key[CELL.index("class")] for key in self.rows))

    def block(
        self,
        heading: str,
        setting: Setting,
        labels: tuple[str, ...],
        lines: Sequence[Line],
        columns: dict[str, dict[str, str]],
        unit: float,
        form: str,
        deviations: bool = False,
        test_places: bool = False,
    ) -> Block:
        """A block whose cell is found by the setting, the line and the column together.

        A line of which nothing was run here nor published is left out, and so is a column without a number.
        ``deviations``, ``test_places``: whether its cells have those over runs, and the interval over places.
        """
        cells = [
            (
                self._label(line, setting),
                [
                    self._cell({**setting, **line.where, **one}, line.model, unit, deviations, test_places)
                    for one in columns.values()
                ],
            )
            for line in lines
        ]
        kept = [(label, row) for label, row in cells if any(cell.filled for cell in row)]
        filled = [number for number in range(len(columns)) if any(row[number].filled for _, row in kept)]
        shown = tuple(name for number, name in enumerate(columns) if number in filled)
        rows = [(label, [row[number] for number in filled]) for label, row in kept]
        return Block(f"{_heading(setting)}; {heading}", setting, labels, shown, rows, form)

    def _label(self, line: Line, setting: Setting) -> tuple[str, ...]:
        if (line.model.method, setting["protocol"]) in self.untrained:
            return (*line.label[:-1], f"{line.label[-1]}, {UNTRAINED}")
        return line.label

    def _cell(
        self, where: dict[str, Any], model: Model, unit: float, deviations: bool, test_places: bool
    ) -> Cell:
        row = self.rows.get(tuple({**where, "method": model.method}[name] for name in CELL), {})
        theirs = lookup(
            self.published_as,
            model.published_as,
            where["modality"],
            where["protocol"],
            where["label_fraction"],
            where["class"],
            where["metric"],
        )
        value, low, high, test_low, test_high = (
            None if row.get(name) is None else row[name] * unit
            for name in ("value", "ci_low", "ci_high", "test_ci_low", "test_ci_high")
        )
        spread = row.get("deviation"), theirs and theirs.deviation
        return Cell(
            *(value, low, high, theirs and theirs.value * unit),
            collapsed=row.get("collapsed") is True,
            cut=row.get("converged") is False,
            leaked=bool(row.get("test_places_seen")),
            test_low=test_low if test_places else None,
            test_high=test_high if test_places else None,
            row=row or None,
            line=theirs,
            **{
                name: None if one is None or not deviations else one * unit
                for name, one in zip(("deviation", "published_deviation"), spread, strict=True)
            },
        )


def of_experiment(
    table: Iterable[Row], experiment: str, runs: Sequence[Run], published_as: str | None
) -> Scores:
    """The scores of an experiment; raises RevisitError where they are not those of its runs."""
    ours = [run for run in runs if run.experiment == experiment]
    rows = [
        row
        for row in table
        if row["experiment"] == experiment and not row["metric"].endswith(words.DIFFERENCES)
    ]
    planned = {(run.method, run.modality, run.protocol) for run in ours}
    scored = {(row["method"], row["modality"], row["protocol"]) for row in rows}
    if not rows:
        raise RevisitError(f"all.csv: has no number of the experiment {experiment!r}; rerun its scores")
    for some, others, words_ in (
        (planned, scored, "lacks a run"),
        (scored, planned, "has a run the config does not name"),
    ):
        if stray := sorted(some - others):
            raise RevisitError(
                f"all.csv: experiment {experiment!r} {words_}: {' '.join(stray[0])}; rerun its scores"
            )
    return Scores(rows, experiment, ours, published_as)


def _models(runs: Sequence[Run], published_as: str | None) -> list[Model]:
    ours: dict[str, Model] = {}
    for run in runs:
        before = ours[run.method].modalities if run.method in ours else ()
        modalities = tuple(dict.fromkeys((*before, run.modality)))
        ours[run.method] = Model(run.title, run.method, run.published_as, modalities)
    reproduced = {model.published_as for model in ours.values()}
    theirs: dict[str, Model] = {}
    for cell in listed(published_as):
        if cell.row not in reproduced:
            before = theirs[cell.row].modalities if cell.row in theirs else ()
            modalities = tuple(dict.fromkeys((*before, cell.modality)))
            theirs[cell.row] = Model(cell.title, None, cell.row, modalities)
    return [*theirs.values(), *ours.values()]


def modalities(models: Iterable[Model]) -> list[str]:
    """All modalities of these models, in the order that tables print them."""
    return sorted({name for model in models for name in model.modalities}, key=words.modality_rank)


def _floors_everywhere(rows: list[Row]) -> list[Row]:
    """The rows, those of floors once for each protocol of the same data set and amount of labels."""
    protocols: dict[tuple[Any, ...], dict[str, None]] = {}
    for row in rows:
        if row["protocol"] != words.FLOOR:
            protocols.setdefault((row["dataset"], words.amount(row)), {})[_merged(row["protocol"])] = None
    return [
        {**row, "protocol": protocol}
        for row in rows
        for protocol in (
            protocols.get((row["dataset"], words.amount(row)), {words.FLOOR: None})
            if row["protocol"] == words.FLOOR
            else (row["protocol"],)
        )
    ]


def _merged(protocol: str) -> str:
    """Networks trained as a whole stand in one table, whether pretrained or not."""
    return words.WHOLE if words.training(protocol) == words.training(words.WHOLE) else protocol


def _setting_order(setting: Setting) -> tuple[Any, ...]:
    main = setting["protocol"] == words.WHOLE and setting["label_fraction"] == 1.0
    return not main, setting["dataset"], setting["protocol"], -words.amount(setting)


def _heading(setting: Setting) -> str:
    training = words.training(setting["protocol"])
    return f"{setting['dataset']}: {training}, {words.labels(setting)}"
