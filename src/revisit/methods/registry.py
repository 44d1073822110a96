"""Which module holds which pretraining method.

Stages reach this file through ``importlib`` only, so that a new line here reruns nothing, and an edit of one
method reruns that method: the workflow adds the digests of ``modules(...)`` to a pretraining job.
"""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from revisit.errors import RevisitError
from revisit.nets.registry import ARCHITECTURES

METHODS = {
    "3dmae-rm": "revisit.methods.mae3d",
    "3dmae-rc": "revisit.methods.mae3d",
    "3dmae-rm+rc": "revisit.methods.mae3d",
    "3dmae-3dm": "revisit.methods.mae3d",
    "stmim": "revisit.methods.stmim",
    "scratch": "revisit.methods.scratch",
}


def module(name: str) -> str:
    """The module of a method; raises RevisitError for an unknown name."""
    if name not in METHODS:
        raise RevisitError(f"pretraining: no method named {name!r}; known are {sorted(METHODS)}")
    return METHODS[name]


def modules(name: str, settings: Mapping[str, Any]) -> tuple[str, str]:
    """The modules whose code a pretraining job depends on: the method's and its encoder's."""
    architecture = settings.get("encoder", {}).get("name")
    if architecture not in ARCHITECTURES:
        raise RevisitError(
            f"pretraining {name}: encoder name is {architecture!r}; choose from {sorted(ARCHITECTURES)}"
        )
    return module(name), ARCHITECTURES[architecture]


def build(name: str, settings: Mapping[str, Any], data: Any) -> Any:
    """The method ``name`` with these settings, for data so described (a ``base.Method``)."""
    return import_module(module(name)).METHODS[name](settings, data)


def describe() -> list[tuple[str, str, str]]:
    """Rows of name, source and our choices, for ``revisit methods``."""
    rows = []
    for name, path in METHODS.items():
        loaded = import_module(path)
        rows.append((name, loaded.SOURCE, loaded.CHOICES))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """``revisit methods``: print them."""
    ArgumentParser(prog="revisit methods", description="The pretraining methods.").parse_args(argv)
    for name, source, choices in describe():
        print(f"{name}\n  source:     {source}\n  our choice: {choices}")
    return 0
