"""Atomic writes: a file or folder is either the old one, the new one or absent, never half of it."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from revisit.errors import RevisitError


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write a file or folder to; rename it when the block succeeds.

    The name aside is fixed, so what a killed run left behind is removed by the next one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part{path.suffix}")
    remove(aside)
    try:
        yield aside
    except BaseException:
        remove(aside)
        raise
    if path.is_dir():
        remove(path)
    aside.replace(path)


def remove(path: str | Path) -> None:
    """Remove a file or folder if it is there."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic(path) as aside:
        aside.write_text(text, encoding="utf-8")


def json_text(content: Any) -> str:
    """JSON as our files have it: sorted keys, indented, no NaN."""
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON as ``json_text`` makes it."""
    write_text(path, json_text(content))


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raise a one-line error naming the file where it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RevisitError(f"{path}: no such file; has the stage before this one run?") from error
    except json.JSONDecodeError as error:
        raise RevisitError(f"{path}: not valid JSON ({error}); remove it and rerun its stage") from error


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
