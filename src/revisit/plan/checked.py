"""The study as checked: read once by the code that knows its parts, and kept until config or code change.

The check loads every part a study names (torch with them), which takes seconds; planning happens at every
``snakemake`` and twice in every cluster job. So the check runs in a process of its own and leaves what it
found in ``.snakemake/revisit``.
"""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from revisit.code_digests import code
from revisit.errors import RevisitError
from revisit.files import remove, with_companions, write_text
from revisit.provenance import code_version

KEPT = Path(".snakemake/revisit")
PART = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
MOST = 8  # checked studies kept


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """What ``revisit.config.check`` says of a study; ends the process after one line where it refuses it."""
    try:
        return _checked(config)
    except RevisitError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        raise SystemExit(1) from None


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(config)
    # What lies outside the config and decides too: the code, and files that the config names.
    outside = f"{files_named(config)}{_parts(config)}"
    key = hashlib.sha256(f"{code_version()}{text}{outside}".encode()).hexdigest()[:16]
    path = KEPT / f"{key}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    except (FileNotFoundError, json.JSONDecodeError):
        pass
    run = subprocess.run(
        [sys.executable, "-m", "revisit.config.check"], input=text, capture_output=True, text=True
    )
    if run.returncode:
        raise RevisitError(run.stderr.strip().removeprefix("error: ") or "the check of the study failed")
    found = json.loads(run.stdout)
    write_text(path, run.stdout)
    for old in sorted(KEPT.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-MOST]:
        remove(old)
    return found


def _parts(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the parts from outside the package that the config names (``mypackage.mymethod:Mine``)."""
    modules = {text.partition(":")[0] for text in _strings(config) if PART.fullmatch(text)}
    try:
        return code(*sorted(modules))
    except ValueError:
        return {}  # the check says which cannot be loaded


def files_named(config: Mapping[str, Any]) -> list[str]:
    """Folders and files that are there, of all that the config names; files with their size and time."""
    found = []
    for text in _strings(config):
        path = Path(text)
        if path.is_file():
            for file in with_companions(text):
                about = Path(file).stat()
                found.append(f"{file} {about.st_size} {about.st_mtime_ns}")
        elif "/" in text and path.exists():
            found.append(text)
    return sorted(found)


def _strings(content: Any) -> set[str]:
    if isinstance(content, str):
        return {content}
    if isinstance(content, Mapping):
        return set().union(*map(_strings, content.values()))
    if isinstance(content, list | tuple):
        return set().union(*map(_strings, content))
    return set()
