"""The legends that come with the project (legends.yaml says what keys mean)."""

import difflib
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from revisit.cube.labels.legend import Legend
from revisit.errors import RevisitError
from revisit.record import read


def ready(name: str, where: str) -> Legend:
    """The ready legend of this name; raises RevisitError, with the key of the config, where there is none."""
    known = _shipped()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "or give labels.classes"
        raise RevisitError(f"{where}: no ready legend {name!r}, there is {', '.join(known)}; {hint}")
    return read(Legend, known[name], f"legends.yaml: {name}")


@cache
def _shipped() -> dict[str, Any]:
    text = Path(__file__).with_name("legends.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
