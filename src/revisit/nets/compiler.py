"""Keeps torch's compiler from being loaded where nothing is compiled: it takes as long as the rest of torch.

Optimisers import ``torch._dynamo`` only to tell it not to trace them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

NAME = "torch._dynamo"


@contextmanager
def compiler_left_out(wanted: bool = False) -> Iterator[None]:
    """Around calls of an optimiser: leaves the compiler out, unless it is loaded already or ``wanted``.

    On a machine with a GPU nothing is left out: start-up matters less there, and its optimisers ask for more.
    """
    if wanted or NAME in sys.modules or torch.cuda.is_available():
        yield
        return
    empty = _StandIn(NAME)
    sys.modules[NAME] = torch._dynamo = empty
    try:
        yield
    finally:
        if sys.modules.get(NAME) is empty:
            del sys.modules[NAME], torch._dynamo


def let_compiler_in() -> None:
    """Before the import of a library that asks for it: it is left out no more."""
    if isinstance(sys.modules.get(NAME), _StandIn):
        del sys.modules[NAME], torch._dynamo


class _StandIn(ModuleType):
    """What optimisers ask of the compiler, of which nothing is done."""

    @staticmethod
    def disable(function: Any, *options: Any, **more: Any) -> Any:
        return function

    @staticmethod
    def graph_break(*options: Any) -> None:
        pass
