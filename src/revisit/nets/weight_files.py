"""Files of weights of other projects: safetensors, and what torch saved, without unpickling objects."""

import pickle
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.nets.load_save import read_safetensors


def read_file(path: Path, advice: str) -> Any:
    """What the file holds: tensors, plain containers of them, a ``Namespace`` of arguments as MAE saves one.

    ``advice``: how to come by the file, told where there is none. Raises RevisitError for that, and where it
    holds objects.
    """
    if not path.is_file():
        raise RevisitError(f"{path}: no such file; {advice}, and name the file in `weights`")
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    try:
        with torch.serialization.safe_globals([Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise RevisitError(f"{path}: not a file of tensors alone ({type(error).__name__})") from None


def with_counters(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``given``, with the counters of batches of ``own`` where it has none: older files lack them."""
    counters = {name: value for name, value in own.items() if name.endswith(".num_batches_tracked")}
    return counters | dict(given)


def tensors(content: Any, inside: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor of nested mappings, its name joined by dots to those it lies in."""
    if isinstance(content, Tensor):
        yield inside, content
    elif isinstance(content, Mapping):
        for name, value in content.items():
            yield from tensors(value, f"{inside}.{name}" if inside else str(name))
