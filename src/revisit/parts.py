"""Parts by name: methods, encoders, networks, kinds, importers, tasks, protocols, probes, floors, layouts,
figures.

A part is one file in the room of its sort; its name in the config is the name of that file with hyphens for
underscores (``moco-v2`` is ``revisit/methods/moco_v2.py``), and the file says what it offers in one constant
(``METHOD = MoCo``). A part of one's own is named by its dotted path (``mypackage.mymethod:Mine``). No list of
parts exists anywhere: a file added is a part added.
"""

import difflib
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from revisit.errors import RevisitError


class Room(NamedTuple):
    """Where the parts of a sort live, and the constant each file offers itself by."""

    package: str
    constant: str


ROOMS = {
    "method": Room("revisit.methods", "METHOD"),
    "encoder": Room("revisit.nets.encoders", "ENCODER"),
    "network": Room("revisit.nets.segmentation", "NETWORK"),
    "kind": Room("revisit.patches.kinds", "KIND"),
    "benchmark": Room("revisit.patches.benchmarks", "BENCHMARK"),
    "task": Room("revisit.evaluation.tasks", "TASK"),
    "protocol": Room("revisit.evaluation.protocols", "PROTOCOL"),
    "probe": Room("revisit.evaluation.probes", "PROBE"),
    "floor": Room("revisit.evaluation.floors", "FLOOR"),
    "layout": Room("revisit.report.layouts", "LAYOUT"),
    "figure": Room("revisit.report.figures", "FIGURE"),
}


def find(sort: str, name: str) -> Any:
    """The part of this sort and name; raises RevisitError where there is none."""
    if ":" in name:
        return _outside(sort, name)
    room = ROOMS[sort]
    return getattr(import_module(module_of(sort, name)), room.constant)


def module_of(sort: str, name: str) -> str:
    """The dotted module that holds a part, without importing it; raises RevisitError where there is none."""
    if ":" in name:
        return name.partition(":")[0]
    if name not in (known := names(sort)):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise RevisitError(f"no {sort} is called {name!r}, there is {', '.join(known)}{hint}")
    return f"{ROOMS[sort].package}.{name.replace('-', '_')}"


@cache  # a large study asks thousands of times
def names(sort: str) -> tuple[str, ...]:
    """Names of the parts of a sort that this package brings, in order."""
    room = ROOMS[sort]
    spec = find_spec(room.package)
    assert spec is not None and spec.submodule_search_locations, room.package
    (folder,) = spec.submodule_search_locations
    offers = re.compile(rf"^{room.constant}\b", re.MULTILINE)
    found = (path for path in Path(folder).glob("*.py") if offers.search(path.read_text(encoding="utf-8")))
    return tuple(sorted(path.stem.replace("_", "-") for path in found))


def _outside(sort: str, name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RevisitError(
            f"{sort} {name!r} cannot be loaded ({error}); give module:name of something Python can import"
        ) from error
