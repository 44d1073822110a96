"""Keeps torch's compiler from being loaded where nothing is compiled: it takes as long as the rest of torch.

Optimisers import ``torch._dynamo`` only to tell it not to trace them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

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
    empty = ModuleType(NAME)
    empty.disable = lambda function, *options, **more: function  # type: ignore[attr-defined]
    empty.graph_break = lambda *options: None  # type: ignore[attr-defined]
    sys.modules[NAME] = torch._dynamo = empty
    try:
        yield
    finally:
        del sys.modules[NAME], torch._dynamo
