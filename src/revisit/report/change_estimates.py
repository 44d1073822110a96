"""How well estimates of change tell which places have changed: the area under their ROC curves.

An estimate of a place is the mean of its two eras'. Intervals are 95 %: of one encoder over places, by
bootstrap (places that changed and places that did not are drawn anew, each among themselves); of several,
over pretraining seeds, as in all tables. Neighbouring places change together, which no interval knows of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit import files
from revisit.cube.labels.change import CHANGED_SHARE
from revisit.job import Job
from revisit.record import read
from revisit.report import printing, reading, words
from revisit.report.facts import Encoder, Facts
from revisit.report.layout import Block, Cell, Table
from revisit.report.words import PERCENT

COLUMNS = ("used", "distance", "ratio", "smoothed_ratio", "changed")
NAMES = {"distance": "distance", "ratio": "ratio", "smoothed_ratio": "smoothed ratio"}
ALIGNED = {name: f"aligned {title}" for name, title in NAMES.items()}  # of images of like season
NUMBERS = ("auc", "ci_low", "ci_high")
WRITTEN = ("method", "modality", "estimate", "used", "seed", *NUMBERS, "places", "changed")
RESAMPLES, BATCH = 1000, 100
SEEDS, PLACES = "seeds", "places"  # what an interval is over
ALL = "all"  # in the column of seeds
TITLE = "Estimates of change"
ESTIMATE = "An estimate of a place is the mean of its two eras'; places are those of the training split."
TRUTH = (
    f"A place has changed where {PERCENT * CHANGED_SHARE:g} % or more of its labelled pixels are of another "
    "class in the first labelled year of its later era than in the last of its earlier one."
)
CHANCE = "An estimate that tells nothing has 50."
OVER = {
    SEEDS: "In brackets: 95 % interval of the mean over pretraining seeds; which places there are is not in "
    "it.",
    PLACES: "In brackets: 95 % interval over places, by bootstrap; other pretraining seeds are not in it, "
    "nor that neighbours change together.",
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """The places of one encoder that have both: by estimate its values (n,), and which have changed (n,)."""

    encoder: Encoder
    used: str
    estimates: dict[str, NDArray[np.float64]]
    changed: NDArray[np.bool_]

    @property
    def decided(self) -> bool:
        """Whether some places have changed and some have not, as it takes for a ROC curve."""
        return bool(self.changed.any() and not self.changed.all())


def told(paths: Iterable[Path], facts: Facts) -> list[Told]:
    """What ``revisit.evaluation.true_change`` wrote of each encoder, in the order of the facts."""
    encoders = [one for one in facts.encoders if one.estimates_change and one.change_known]
    return [_told(path, encoder) for path, encoder in zip(paths, encoders, strict=True)]


def _told(path: Path, encoder: Encoder) -> Told:
    rows = reading.read_rows(path, COLUMNS)
    known = [row for row in rows if row["distance"] and row["changed"]]
    used = rows[0]["used"].replace("-", " ") if rows else ""
    names = ALIGNED if used.startswith("aligned") else NAMES
    return Told(
        encoder,
        used,
        {
            title: np.array([reading.number(path, row[name]) for row in known])
            for name, title in names.items()
        },
        np.array([row["changed"] == "1" for row in known], bool),
    )


def auc(changed: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The share of pairs of a changed and another place in which the changed one has the larger estimate."""
    from sklearn.metrics import roc_auc_score  # takes a second to import

    truth = np.repeat([1, 0], [len(changed), len(others)])
    return float(roc_auc_score(truth, np.concatenate([changed, others])))


def over_places(
    changed: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[float | None, float | None]:
    """The interval of ``auc`` over places; None where there are fewer than two places of a sort."""
    from scipy.stats import bootstrap, mannwhitneyu  # takes its time too; the page and the plan do without

    from revisit.evaluation.intervals import CONFIDENCE

    if min(len(changed), len(others)) < 2:
        return None, None

    def areas(one: NDArray[Any], other: NDArray[Any], axis: int) -> NDArray[Any]:
        """``auc`` of many samples at once: Mann and Whitney's U counts the same pairs."""
        pairs = one.shape[axis] * other.shape[axis]
        shares: NDArray[Any] = mannwhitneyu(one, other, axis=axis, method="asymptotic").statistic / pairs
        return shares

    found = bootstrap(
        (changed, others), areas, n_resamples=RESAMPLES, batch=BATCH, vectorized=True,
        confidence_level=CONFIDENCE, method="percentile", rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def scores(every: Sequence[Told]) -> list[Row]:
    """A row per encoder and estimate; behind those of several seeds one of all of them.

    ``auc``, ``ci_low`` and ``ci_high`` are fractions, None where no ROC curve can be drawn; ``interval_over``
    is ``places`` or ``seeds``; ``used`` whether the method itself goes by this estimate; ``places`` counts
    those with estimate and truth, ``changed`` those of them that have changed.
    """
    rows = []
    groups: dict[tuple[str, str], list[Told]] = {}
    for one in every:
        groups.setdefault((one.encoder.entry, one.encoder.modality), []).append(one)
    for (entry, modality), group in groups.items():
        for name in group[0].estimates:
            about = {
                "method": entry,
                "collection": group[0].encoder.collection,
                "modality": modality,
                "estimate": name.replace(" ", "_"),
                "used": "yes" if name == group[0].used else "no",
            }
            own = [_of_encoder(one, name) for one in group]
            rows += [{**about, **row} for row in own]
            values = {row["seed"]: row["auc"] for row in own if row["auc"] is not None}
            if len(group) > 1:
                rows.append({**about, **_of_seeds(own, values)})
    return rows


def _of_encoder(one: Told, name: str) -> Row:
    value, low, high = None, None, None
    if one.decided:
        parted = one.estimates[name][one.changed], one.estimates[name][~one.changed]
        value, (low, high) = auc(*parted), over_places(*parted)
    return {
        "seed": one.encoder.seed,
        "auc": value,
        "ci_low": low,
        "ci_high": high,
        "interval_over": PLACES,
        "places": len(one.changed),
        "changed": int(one.changed.sum()),
    }


def _of_seeds(own: Sequence[Row], values: dict[int, float]) -> Row:
    from revisit.evaluation.intervals import interval

    mean, low, high = interval(values, {seed: seed for seed in values}, 0, 1) if values else (None,) * 3
    counts = {name: f"{np.mean([row[name] for row in own]):g}" for name in ("places", "changed")}
    found = {"auc": mean, "ci_low": low, "ci_high": high}
    return {"seed": ALL, **found, "interval_over": SEEDS, **counts}


def lay_out(path: Path, facts: Facts) -> Table:
    """The table of change-estimates.csv: a row a method and modality, a column an estimate.

    Of several pretraining seeds it has their mean.
    """
    rows = reading.read_rows(path, WRITTEN)
    entries = {one.entry: one for one in facts.encoders}
    several = any(row["seed"] == ALL for row in rows)
    shown = [row for row in rows if not several or row["seed"] == ALL]
    columns = [name for name in (*NAMES.values(), *ALIGNED.values()) if name in _titles(shown)]
    lines: dict[tuple[str, str], list[Row]] = {}
    for row in shown:
        lines.setdefault((row["method"], row["modality"]), []).append(row)
    cells: list[tuple[tuple[str, ...], list[Cell]]] = []
    for (entry, modality), own in lines.items():
        by_name = {_title(row): row for row in own}
        uses = next((_title(row) for row in own if row["used"] == "yes"), "")
        counts = f"{float(own[0]['changed']):.4g} of {float(own[0]['places']):.4g}"
        label = (entries[entry].title, words.modality(modality), uses, counts)
        cells.append((label, [_cell(path, by_name.get(name)) for name in columns]))
    block = Block(
        "ROC AUC in per cent", {}, ("model", "data", "goes by", "changed"), tuple(columns), cells, words.SHARE
    )
    notes = (ESTIMATE, TRUTH, CHANCE, OVER[SEEDS if several else PLACES])
    return Table(TITLE, "Every encoder whose pretraining estimates which places have changed", notes, [block])


def _title(row: Row) -> str:
    return str(row["estimate"]).replace("_", " ")


def _titles(rows: Iterable[Row]) -> set[str]:
    return {_title(row) for row in rows}


def _cell(path: Path, row: Row | None) -> Cell:
    if row is None or not row["auc"]:
        return Cell()
    value, low, high = (PERCENT * reading.number(path, row[name]) if row[name] else None for name in NUMBERS)
    return Cell(value, low, high)


def run(job: Job) -> None:
    """The stage: ``places`` of every encoder to ``csv``, a number a row, and ``markdown``."""
    facts, csv_path = read(Facts, job.settings, "change_estimates"), job.target("csv")
    rows = scores(told(job.sources("places"), facts))
    for row in rows:
        row.update({name: "" if row[name] is None else f"{row[name]:.6g}" for name in NUMBERS})
    files.write_rows(csv_path, rows)
    files.write_text(job.target("markdown"), printing.to_markdown(lay_out(csv_path, facts)))
