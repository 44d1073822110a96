"""Atomic writes: a file or folder is either the old one, the new one or absent, never half of it."""

import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from revisit.errors import RevisitError

# A disk that takes nothing more: full, over a quota, over the size of a file, read-only.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
# Libraries written in other languages tell it in the system's words alone.
NO_ROOM_WORDS = re.compile("|".join(os.strerror(number) for number in NO_ROOM))

SHAPEFILE = (".dbf", ".shx", ".prj", ".cpg")  # beside .shp
SETTLE_S = 0.2  # in which threads end


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write a file or folder to; rename it when the block succeeds.

    The name aside is fixed, so what a killed run left behind is removed by the next one. Raises RevisitError
    where the disk takes nothing more.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.part{path.suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(aside)
        try:
            yield aside
        except BaseException:
            # Zarr writes in threads, and tells of the first that fails while others still make files there.
            if aside.is_dir():
                time.sleep(SETTLE_S)
            with suppress(OSError):  # which must not hide the cause
                remove(aside)
            raise
        if path.is_dir():
            remove(path)
        aside.replace(path)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Tell of a disk that takes nothing more in one line that names ``path``, by RevisitError."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, RevisitError) and (reason := _no_room(error)):
            raise RevisitError(f"{path}: cannot be written ({reason}); make room and run again") from error
        raise


def _no_room(error: BaseException | None) -> str | None:
    """What an error, or one that led to it, says of a disk that takes nothing more."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return os.strerror(error.errno)
        if told := NO_ROOM_WORDS.search(str(error)):
            return told[0]
        error = error.__cause__ or error.__context__
    return None


def census(store: str | Path) -> dict[str, int]:
    """Number and bytes of the files that the arrays of a Zarr v3 group are made of: metadata and chunks."""
    sizes = [
        file.stat().st_size
        for file in Path(store).glob("*/**/*")
        if file.is_file() and (file.name == "zarr.json" or "c" in file.relative_to(store).parts[1:])
    ]
    return {"stored_files": len(sizes), "stored_bytes": sum(sizes)}


def check_whole(store: str | Path, attributes: Mapping[str, Any]) -> None:
    """Raise RevisitError where a store has lost files since its attributes were written, by ``census``.

    Zarr reads a chunk that is not there as if nothing had been seen.
    """
    found = census(store)
    if made := {key: attributes[key] for key in found if key in attributes}:
        files, size = (f"{found[key]} instead of {made.get(key)}" for key in ("stored_files", "stored_bytes"))
        if made != found:
            raise RevisitError(
                f"{store}: damaged, it has {files} files and {size} bytes; "
                "remove it and run the stage that makes it"
            )


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


def write_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows with the same columns as CSV."""
    text, rows = io.StringIO(), list(rows)
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


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


def with_companions(path: str) -> list[str]:
    """A file and those that hold what it shows: all of a shapefile, sources of a virtual raster."""
    file = Path(path)
    if file.suffix.lower() == ".shp":
        return [path, *(str(other) for end in SHAPEFILE if (other := file.with_suffix(end)).is_file())]
    return _of_virtual(path) if file.suffix.lower() == ".vrt" and file.is_file() else [path]


def _of_virtual(path: str) -> list[str]:
    import rasterio  # takes a while; most studies have no such file

    try:
        with rasterio.open(path) as raster:
            inner = [str(other) for other in raster.files if Path(other).is_file() and other != path]
    except rasterio.errors.RasterioError:
        return [path]  # the check says so
    return [path, *sorted({each for other in inner for each in with_companions(other)} - {path})]
