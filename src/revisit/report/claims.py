"""Hold what the sources claim in words against the scores of a study: does it hold here?

A claim says that one row scores higher than another. Rows of ours are found as published numbers find theirs
(``revisit.report.published``), the difference is taken run by run as gains are (``revisit.report.paired``):
an interval above 0 says that the claim holds here, one below 0 that it does not, any other decides nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revisit import files, stage
from revisit.errors import RevisitError
from revisit.evaluation.intervals import interval, runs_to_tell
from revisit.job import Job
from revisit.record import read
from revisit.report import leaks, reading, words
from revisit.report.claim_rows import (
    COLUMNS,
    MADE,
    NOT_RUN,
    SIDES,
    UNDECIDED,
    Row,
    counted,
    to_csv,
    to_markdown,
    verdict,
)
from revisit.report.facts import Facts, Run
from revisit.report.paired import Counterparts, run_by_run, shared_luck
from revisit.report.published.claims import Claim, Line, claims
from revisit.report.published.lookup import AS_RELEASED
from revisit.report.score_files import Cell, gather

RUN = ("experiment", "method", "modality", "protocol")  # what names a run of the study
COMPARED = ("task", "dataset")  # what both sides share
SAME_EVALUATION = (
    "dataset", "method", "encoder", "pretrain_data", "pretrain_steps", "modality", "protocol",
    "label_fraction", "label_count", "class", "metric", "config_hash",
)  # fmt: skip
ROLES = {"twin": "the same network without pretraining", "floor": "the best of what needs no network"}

Key = tuple[str | None, ...]


@dataclass(frozen=True)
class Pair:
    """Two cells that a claim compares. The differences are of ``one`` less ``other``, or the reverse."""

    one: Cell
    other: Cell
    reverse: bool = False

    @property
    def better(self) -> Cell:
        return self.other if self.reverse else self.one

    @property
    def than(self) -> Cell:
        return self.one if self.reverse else self.other


class Scored:
    """The cells of the study's runs, found by the keys of ``published_as`` and what else names a cell."""

    def __init__(self, cells: Sequence[Cell], facts: Facts) -> None:
        self.facts = facts
        self._runs: dict[tuple[str, ...], Run] = {
            (run.experiment, run.method, run.modality, run.protocol): run for run in facts.runs
        }
        self._alike: dict[Key, list[Cell]] = defaultdict(list)  # of an experiment, class and metric
        self._lines: dict[Key, list[Cell]] = defaultdict(list)
        order = {key: number for number, key in enumerate(self._runs)}  # of the config, as names say nothing
        for cell in sorted(cells, key=lambda cell: (order.get(_key(cell), 0), *_rank(cell))):
            run, of = self.run(cell), (cell.about["class"].casefold(), cell.about["metric"])
            self._alike[run.experiment, *of].append(cell)
            stands_for = _stands_for(cell.about["metric"], facts.experiments[run.experiment].headline)
            if run.published_as and stands_for:
                experiment = facts.experiments[run.experiment].published_as
                ways = {words.training(way) for way in (run.protocol, *AS_RELEASED.get(run.protocol, ()))}
                for way in ways:
                    row = experiment, run.published_as, run.modality, way
                    self._lines[*row, of[0], stands_for].append(cell)

    def run(self, cell: Cell) -> Run:
        """The run of the study that the cell is of."""
        key = _key(cell)
        if key not in self._runs:
            raise RevisitError(f"{cell.about['run']}: is of no run of this study; rerun its evaluation")
        return self._runs[key]

    def of(self, line: Line) -> list[Cell]:
        """The cells that stand for a line of a source, at whatever amount of labels."""
        how = line.modality, words.training(line.protocol)
        return self._lines.get((line.experiment, line.row, *how, line.class_.casefold(), line.metric), [])

    def counterpart(self, cell: Cell, role: str) -> Cell | None:
        """The twin of a cell, or the best of what needs no network, by the cell's own metric and class.

        Of gains networks frozen as they were drawn are floors too; of a claim they are deep networks.
        """
        about = cell.about
        alike = self._alike[about["experiment"], about["class"].casefold(), about["metric"]]
        if role == "floor":
            alike = [one for one in alike if one.about["protocol"] == words.FLOOR]
        found = Counterparts(alike, [run.method for run in self.facts.runs])
        return found.twin(cell) if role == "twin" else found.floor(cell)


def judge(cells: Sequence[Cell], facts: Facts, seen: Mapping[Key, int] | None = None) -> list[Row]:
    """A row for every claim and pair of cells that it is about; a claim without any has one that says why.

    ``seen``: how many test places the pretraining of a run has seen, by ``RUN``. ``published``, ``points``,
    ``low`` and ``high`` are in percentage points.
    """
    scored = Scored(cells, facts)
    rows: list[Row] = []
    for claim in claims():
        # Two experiments may hold the same evaluations: they are one piece of evidence.
        evidence: dict[Any, Pair] = {}
        for pair in pairs(claim, scored):
            evidence.setdefault((_evidence(pair.one), _evidence(pair.other)), pair)
        held = [_held(claim, pair, scored, seen or {}) for pair in evidence.values()]
        rows += held or [_not_run(claim, scored)]
    return rows


def pairs(claim: Claim, scored: Scored) -> list[Pair]:
    """All pairs of cells of the study that a claim compares and that have a seed in common."""
    if claim.unscored:
        return []
    better, than = claim.side("better"), claim.side("than")
    if isinstance(better, str) or isinstance(than, str):
        reverse = isinstance(better, str)
        line, role = (than, better) if reverse else (better, than)
        assert isinstance(line, Line) and isinstance(role, str)
        anchors = [cell for cell in scored.of(line) if _amount_fits(claim, line, cell)]
        opposed = [(cell, scored.counterpart(cell, role)) for cell in anchors]
        found = [Pair(cell, other, reverse) for cell, other in opposed if other]
    else:
        found = [
            Pair(one, other)
            for one in scored.of(better)
            for other in scored.of(than)
            if _belong(better, one, than, other) and _amounts_fit(claim, better, one, than, other)
        ]
    return [
        pair
        for pair in found
        if run_by_run(pair.one, pair.other)
        and not (claim.other_places and pair.one.about["pretrain_data"] == pair.other.about["pretrain_data"])
    ]


def _stands_for(metric: str, headline: str) -> str | None:
    """The metric that a source prints a number of ours as; None for one that it measures otherwise.

    What is measured as released code does it (``AS_RELEASED``) stands for the plain word of the paper.
    """
    plain = AS_RELEASED.get(headline, ())
    return None if metric in plain else plain[0] if plain and metric == headline else metric


def _evidence(cell: Cell) -> tuple[Any, ...]:
    """What two cells share that are of the same evaluations, whichever experiments ask for these."""
    shared = (cell.about.get(name) for name in SAME_EVALUATION)
    return *shared, *sorted(cell.clusters.items()), *sorted(cell.values.items())


def _key(cell: Cell) -> tuple[str, ...]:
    return tuple(cell.about[name] for name in RUN)


def _rank(cell: Cell) -> tuple[float, float]:
    """Sort key: the fewest labels first."""
    fraction, count = _amount(cell)
    return fraction or 0, count or 0


def _belong(better: Line, one: Cell, than: Line, other: Cell) -> bool:
    """Whether two cells may be compared: of one experiment where the source's numbers are of one table, and
    learnt in one way where the source's did."""
    shared = [*COMPARED]
    shared += ["experiment"] if better.experiment == than.experiment else []
    shared += ["protocol"] if better.protocol == than.protocol else []
    return all(one.about[name] == other.about[name] for name in shared)


def _amount(cell: Cell) -> tuple[float | None, int | None]:
    """How many labels a cell is of: a share of them, or their number where that was given."""
    return cell.about["label_fraction"], cell.about.get("label_count")


def _amount_fits(claim: Claim, line: Line, cell: Cell) -> bool:
    asked = claim.labels if isinstance(claim.labels, float) else line.label_fraction
    return asked is None or cell.about["label_fraction"] == asked


def _amounts_fit(claim: Claim, better: Line, one: Cell, than: Line, other: Cell) -> bool:
    if claim.labels == "fewer":
        few, all_ = one.about["label_fraction"], other.about["label_fraction"]
        return all_ == than.label_fraction and few is not None and few < all_
    fit = _amount_fits(claim, better, one) and _amount_fits(claim, than, other)
    return fit and _amount(one) == _amount(other)


def _held(claim: Claim, pair: Pair, scored: Scored, seen: Mapping[Key, int]) -> Row:
    differences = run_by_run(pair.one, pair.other)
    clusters = shared_luck(pair.one, pair.other, differences)
    mean, low, high = interval(differences, clusters, -1, 1)
    if pair.reverse:
        mean, low, high = -mean, None if high is None else -high, None if low is None else -low
    both = [pair.one.about, pair.other.about]
    converged = [about["converged"] for about in both if about["converged"] is not None]
    found = verdict(low, high)
    return {
        **_claimed(claim),
        "verdict": found,
        "points": _points(mean),
        "low": _points(low),
        "high": _points(high),
        "seeds": len(differences),
        "seeds_to_tell": runs_to_tell(differences, clusters) if found == UNDECIDED else None,
        "dataset": pair.one.about["dataset"],
        "better": _described(claim.better, pair.better, scored),
        "than": _described(claim.than, pair.than, scored),
        **{
            f"{side}_{name}": cell.about.get(name)
            for side, cell in zip(SIDES, (pair.better, pair.than), strict=True)
            for name in MADE
        },
        "collapsed": any(about["collapsed"] for about in both),
        "converged": all(converged) if converged else None,
        "leaked": any(seen.get(_key(cell)) for cell in (pair.one, pair.other)),
        "why": "",
    }


def _not_run(claim: Claim, scored: Scored) -> Row:
    row = dict.fromkeys(COLUMNS) | _claimed(claim) | {"verdict": NOT_RUN}
    if claim.unscored:
        return row | {"why": claim.unscored}
    lines = [side for side in (claim.side("better"), claim.side("than")) if isinstance(side, Line)]
    if not all(line.row for line in lines):
        return row | {"why": "no row can be published as it: the source's table is not reproduced"}
    missing = [line for line in lines if not scored.of(line)]
    if missing:
        rows = " and ".join(f"{line.row} on {line.modality} by {line.protocol}" for line in missing)
        return row | {"why": f"no experiment published as {lines[0].experiment} has {rows}"}
    if claim.other_places:
        return row | {"why": "no two such rows differ in the collection that they were pretrained on"}
    return row | {
        "why": "its rows, or what they are held against, are not of one amount of labels, data set and seed"
    }


def _claimed(claim: Claim) -> Row:
    published = _points(claim.published())
    return {"source": claim.source, "claim": claim.claim, "published": published, "caveat": claim.caveat}


def _described(side: Any, cell: Cell, scored: Scored) -> str:
    """A side of a claim, and the row of ours that stands for it, in the words of tables."""
    about, run = cell.about, scored.run(cell)
    fraction, count = _amount(cell)
    amount = f"{count} labels" if fraction is None else f"{words.PERCENT * fraction:.4g} % of the labels"
    experiment = scored.facts.title(about["experiment"])
    how = f"{words.modality(about['modality'])}, {words.training(about['protocol'])}, {amount}"
    role = f"{ROLES[side]}: " if isinstance(side, str) else ""
    return f"{role}{run.title}, {how} ({experiment})"


def _points(difference: float | None) -> float | None:
    return None if difference is None else round(words.PERCENT * difference, 4)


def _seen(path: Path) -> dict[Key, int]:
    """How many test places each run's pretraining has seen, of leaks.csv."""
    rows = reading.read_table(path, leaks.COLUMNS)
    return {tuple(row[name] for name in RUN): row["overlapped"] or 0 for row in rows}


def run(job: Job) -> None:
    facts = read(Facts, job.settings, "claims")
    rows = judge(gather(job.sources("scores")), facts, _seen(job.source("leaks")))
    files.write_text(job.target("csv"), to_csv(rows))
    files.write_text(job.target("markdown"), to_markdown(rows))
    stage.log.info("%s: %s", job.target("csv"), counted(rows))
