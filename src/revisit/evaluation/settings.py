"""Settings of a stage as typed records: a key nobody reads is an error, not a silent default."""

from dataclasses import MISSING, fields
from typing import Any, TypeVar

from revisit.errors import RevisitError

Record = TypeVar("Record")


def read(kind: type[Record], given: dict[str, Any], where: str) -> Record:
    """A dataclass ``kind`` from ``given``; unknown and missing keys raise, naming ``where``."""
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise RevisitError(f"{where}: unknown setting {', '.join(unknown)}; it takes {', '.join(known)}")
    missing = [
        name
        for name, field in known.items()
        if name not in given and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise RevisitError(f"{where}: setting {', '.join(missing)} is missing")
    return kind(**given)
