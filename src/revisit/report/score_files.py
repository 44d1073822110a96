"""Reads score files, one a repeat of a run, and gathers the repeats of each cell of the merged table."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from revisit import files
from revisit.errors import RevisitError
from revisit.evaluation.columns import COSTS

# Columns that all repeats of a run share; the others of a score file are gathered over them.
OF_RUN = (
    "experiment", "task", "dataset", "method", "encoder", "pretrain_data", "pretrain_samples",
    "pretrain_steps", "modality", "protocol", "config_hash",
)  # fmt: skip
GATHERED = ("collapsed", "converged", "code_version")
KEYS = ("columns", "label_fraction", "seed", "pretraining_seed", "values", "test_places")
AVERAGES = ("macro avg", "weighted avg", "micro avg", "samples avg", "all")  # of a metric, over classes


class Places(NamedTuple):
    """Places that something was tested on: how many, and a digest of which."""

    number: int
    digest: str


@dataclass
class Cell:
    """One number of the table, by evaluation seed: class and metric of a run at an amount of labels.

    ``clusters``: which seeds share the luck of a pretraining. ``about``: columns of the table. ``files``: the
    score files, all tested on the same ``places``. ``resampled`` (resample,): the number on resampled test
    places, of a headline once ``revisit.report.over_places`` has read it.
    """

    about: dict[str, Any]
    values: dict[int, float] = field(default_factory=dict)
    clusters: dict[int, Any] = field(default_factory=dict)
    files: dict[int, Path] = field(default_factory=dict)
    places: Places | None = None
    resampled: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """The mean over its runs."""
        return sum(self.values.values()) / len(self.values)


def gather(paths: Sequence[Path]) -> list[Cell]:
    """The cells of these score files, in order of appearance.

    Raises RevisitError for a file of another layout, a repeat that two files give, repeats made by different
    settings or tested on different places, or an average over classes that the classes do not give.
    """
    repeats: dict[tuple[Any, ...], list[tuple[Path, dict[str, Any]]]] = defaultdict(list)
    for path in sorted(paths):
        content = _read(path)
        columns = content["columns"]
        labels = content["label_fraction"], content.get("label_count")
        repeats[(*(columns[name] for name in OF_RUN[:-1]), *labels)].append((path, content))
    return [cell for of_row in repeats.values() for cell in _cells(of_row)]


def _read(path: Path) -> dict[str, Any]:
    content = files.read_json(path)
    if not isinstance(content, dict) or (missing := [key for key in KEYS if key not in content]):
        lacking = "" if not isinstance(content, dict) else f" (lacks {missing[0]})"
        raise RevisitError(f"{path}: no score file of this version{lacking}; remove it and rerun")
    wanted = (*OF_RUN, *GATHERED)
    if missing := [name for name in wanted if name not in content["columns"]]:
        raise RevisitError(f"{path}: lacks the column {missing[0]!r}; rerun its evaluation")
    by_metric: dict[str, dict[str, float]] = defaultdict(dict)
    for number, entry in enumerate(content["values"]):
        value = entry.get("value")
        if not isinstance(value, float | int) or not math.isfinite(value):
            raise RevisitError(f"{path}: value {number} is {value!r}, not a number; rerun its evaluation")
        by_metric[entry["metric"]][entry["class"]] = value
    for metric, classes in by_metric.items():
        single = [value for name, value in classes.items() if name not in AVERAGES]
        if "macro avg" in classes and single:
            expected = sum(single) / len(single)
            if not math.isclose(classes["macro avg"], expected, abs_tol=1e-6):
                raise RevisitError(
                    f"{path}: macro avg {metric} is {classes['macro avg']}, but its classes give "
                    f"{expected:.6f}; rerun its evaluation"
                )
    return content


def _cells(repeats: list[tuple[Path, dict[str, Any]]]) -> list[Cell]:
    """The cells of all repeats of a run at one amount of labels."""
    first, content = repeats[0]
    seeds: dict[int, Path] = {}
    for path, other in repeats:
        if other["columns"]["config_hash"] != content["columns"]["config_hash"]:
            raise RevisitError(
                f"{path}: was made by other settings than {first}; remove the older one and rerun"
            )
        if other["test_places"] != content["test_places"]:
            raise RevisitError(f"{path}: was tested on other places than {first}; rerun both evaluations")
        if (seed := other["seed"]) in seeds:
            raise RevisitError(f"{path}: repeats {seeds[seed]} (seed {seed}); keep one of the two")
        seeds[seed] = path
    columns = [other["columns"] for _, other in repeats]
    converged = [one["converged"] for one in columns if one["converged"] is not None]
    about = {
        **{name: columns[0][name] for name in OF_RUN},
        "label_fraction": content["label_fraction"],
        "label_count": content.get("label_count"),
        "collapsed": any(one["collapsed"] for one in columns),
        "converged": all(converged) if converged else None,
        "code_version": " ".join(sorted({one["code_version"] for one in columns})),
        "run": first.parent.as_posix(),
        **{name: _mean([one.get(name) for one in columns]) for name in COSTS},
    }
    cells: dict[tuple[str, str], Cell] = {}
    places = Places(**content["test_places"])
    for path, other in repeats:
        seed, pretraining = other["seed"], other["pretraining_seed"]
        for entry in other["values"]:
            key = entry["class"], entry["metric"]
            cell = cells.setdefault(key, Cell({**about, "class": key[0], "metric": key[1]}, places=places))
            cell.values[seed], cell.files[seed] = entry["value"], path
            cell.clusters[seed] = ("run", seed) if pretraining is None else ("encoder", pretraining)
    return list(cells.values())


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
