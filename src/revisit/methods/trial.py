"""Whether a pretraining fits its data, told at planning by building the method on torch's meta device."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from revisit import parts
from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, build_method
from revisit.nets.compiler import compiler_left_out
from revisit.nets.load_save import architecture_modules, build_encoder
from revisit.training.settings import Training


def check_method(
    entry: Mapping[str, Any],
    data: DataDescription,
    training: Training | None = None,
    parents: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Facts of a ``method`` entry, as JSON can hold them; raises RevisitError naming key, value and remedy.

    ``training``: settings of the loop, and ``parents``: architectures of the encoders the entry starts from,
    are held against the method where given. The facts: ``name``, ``kinds`` (None for any), ``series``,
    ``reconstructs``, ``baseline``, ``trains_only``, ``needs_parents``, ``encoders`` and ``tables`` (names of
    those it leaves),
    ``generates`` (bands that its encoder makes images of), ``generated`` (bands that a parent is to have
    generated), ``modules`` (dotted, of the method and of its encoder), ``encoder_modules``,
    ``architecture``, ``parameters`` (of the encoder, how many).
    """
    with compiler_left_out(), torch.device("meta"):
        method = build_method(entry, data)
        if parents is not None:
            check_parents(method.needs_parents, len(parents), method.name)
            method.start_from([build_encoder(architecture) for architecture in parents])
    if training is not None and not method.baseline:
        training.check_length()
        method.check_training(training)
    encoder_modules = architecture_modules(entry["encoder"])
    return {
        "name": method.name,
        "kinds": None if method.kinds is None else sorted(method.kinds),
        "series": method.needs_series,
        "reconstructs": method.reconstructs,
        "baseline": method.baseline,
        "trains_only": method.trains_only,
        "needs_parents": method.needs_parents,
        "encoders": list(method.encoders()),
        "tables": list(method.leaves),
        "generates": list(method.generates),
        "generated": list(method.drawn[len(data.bands) :]),
        "modules": [parts.module_of("method", method.name), *encoder_modules],
        "encoder_modules": encoder_modules,
        "architecture": method.encoder.architecture(),
        "parameters": sum(one.numel() for one in method.encoder.parameters()),
    }


def check_parents(needed: int, given: int, name: str) -> None:
    """Raise RevisitError unless a method gets as many parents as it starts from."""
    if needed != given:
        raise RevisitError(
            f"{name}: starts from {needed} other entries, parents names {given}; name {needed}"
        )
