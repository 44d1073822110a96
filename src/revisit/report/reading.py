"""Reading what the stages before left, with one-line errors that name the file and the column or array."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from revisit.errors import RevisitError
from revisit.evaluation.columns import COSTS

Row = dict[str, Any]
# Columns of all.csv and leaks.csv.
NUMBERS = (
    "label_fraction", "value", "ci_low", "ci_high", "deviation", "test_ci_low", "test_ci_high", "published",
    "test_distance_m", "distance_m", *COSTS,
)  # fmt: skip
COUNTS = (
    "label_count", "seeds", "pretrain_samples", "pretrain_steps", "test_places_seen", "test_places", "same",
    "overlapped",
)  # fmt: skip
TRUTHS = ("collapsed", "converged")


def read_rows(path: str | Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file that has at least ``columns``, as text; an empty cell is ``""``."""
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except FileNotFoundError as error:
        raise RevisitError(f"{path}: no such file; has the stage before this one run?") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise RevisitError(f"{path}: not a CSV file ({error}); remove it and rerun its stage") from error
    _need(path, "column", columns, list(reader.fieldnames or ()))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise RevisitError(f"{path}: line {number} has not as many cells as the header; rerun its stage")
    return rows


def read_table(path: str | Path, columns: Sequence[str]) -> list[Row]:
    """The rows of such a table: numbers as float, ``COUNTS`` as int, ``TRUTHS`` as bool, empty as None."""
    return [
        {name: _typed(path, name, text) for name, text in row.items()} for row in read_rows(path, columns)
    ]


def _typed(path: str | Path, name: str, text: str) -> Any:
    if text == "":
        return None
    try:
        if name in NUMBERS:
            return float(text)
        if name in COUNTS:
            return int(text)
    except ValueError as error:
        raise RevisitError(f"{path}: {name} is {text!r}, not a number; rerun its stage") from error
    return text == "true" if name in TRUTHS else text


def number(path: str | Path, text: str) -> float:
    """A number of a row; nan where the cell is empty."""
    try:
        return float(text) if text else math.nan
    except ValueError as error:
        raise RevisitError(f"{path}: {text!r} is not a number; rerun its stage") from error


def read_arrays(path: str | Path, arrays: Sequence[str]) -> dict[str, Any]:
    """The arrays of an .npz file, which must hold at least ``arrays``; nothing is unpickled."""
    return _arrays(path, arrays, None)


def read_array(path: str | Path, name: str) -> Any:
    """This array alone of an .npz file, however large the others are."""
    return _arrays(path, (name,), (name,))[name]


def _arrays(path: str | Path, needed: Sequence[str], wanted: Sequence[str] | None) -> dict[str, Any]:
    """The arrays ``wanted``, or all."""
    import numpy as np  # most tables read no arrays

    try:
        with np.load(path, allow_pickle=False) as archive:
            _need(path, "array", needed, archive.files)
            return {name: archive[name] for name in wanted or archive.files}
    except FileNotFoundError as error:
        raise RevisitError(f"{path}: no such file; has the stage before this one run?") from error
    except (ValueError, OSError, EOFError) as error:
        raise RevisitError(f"{path}: not a readable .npz file ({error}); rerun its stage") from error


def _need(path: str | Path, kind: str, needed: Sequence[str], present: Sequence[str]) -> None:
    if missing := [name for name in needed if name not in present]:
        raise RevisitError(
            f"{path}: {kind} {missing[0]!r} is missing, it has {', '.join(present)}; rerun its stage"
        )
