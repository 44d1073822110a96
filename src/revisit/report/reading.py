"""Reading what the stages before left, with one-line errors that name the file and the column or array."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from revisit.errors import RevisitError


def read_csv(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV file as a table that has at least ``columns``; empty cells are NaN."""
    try:
        table = pd.read_csv(path, float_precision="round_trip")
    except FileNotFoundError as error:
        raise RevisitError(f"{path}: no such file; has the stage before this one run?") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise RevisitError(f"{path}: not a CSV file ({error}); remove it and rerun its stage") from error
    _need(path, "column", columns, list(table.columns))
    return table


def read_arrays(path: str | Path, arrays: Sequence[str]) -> dict[str, Any]:
    """The arrays of an .npz file, which must hold at least ``arrays``; nothing is unpickled."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            _need(path, "array", arrays, archive.files)
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise RevisitError(f"{path}: no such file; has the stage before this one run?") from error
    except (ValueError, OSError, EOFError) as error:
        raise RevisitError(f"{path}: not a readable .npz file ({error}); rerun its stage") from error


def _need(path: str | Path, kind: str, needed: Sequence[str], present: Sequence[str]) -> None:
    if missing := [name for name in needed if name not in present]:
        raise RevisitError(
            f"{path}: {kind} {missing[0]!r} is missing, it has {', '.join(present)}; rerun its stage"
        )
