"""A device beside the processor, for machines that have none: true numbers, and what a GPU would refuse.

    python tests/pretended_device.py JOB.json ...     runs jobs on it, as `revisit run` does on a GPU

Each of its tensors holds one of the processor, where all operations are carried out. What a GPU refuses is
refused: an operation on tensors of two devices, but for single numbers and for indices; and NumPy of a tensor
that was not brought back. What it does otherwise is not seen here: less precision, sums in any order, memory
that ends. A process that has started it keeps it.
"""

import sys
from contextlib import nullcontext
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "pretended"
aten = torch.ops.aten
# Torch itself calls these where no mode of dispatch sees them.
UNSEEN = (aten.empty.memory_format, aten.empty_strided.default, aten._copy_from.default)
BETWEEN_DEVICES = (aten._to_copy.default, aten.copy_.default, aten._copy_from.default)
LIBRARY = torch.library.Library("aten", "IMPL")
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)


class There(Tensor):
    """A tensor on the device; ``here`` is what it holds."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> Self:
        tensor = Tensor._make_wrapper_subclass(
            cls, here.size(), here.stride(), here.storage_offset(), dtype=here.dtype, device=f"{NAME}:0"
        )
        tensor.here = here
        return tensor

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return carry_out(operation, *args, **(kwargs or {}))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.here.__reduce_ex__(protocol)  # saved, it is read on the processor

    def tolist(self) -> Any:
        return self.here.tolist()

    def __repr__(self, *, tensor_contents: None = None) -> str:
        return f"There({self.here!r})"


class Dispatch(TorchDispatchMode):
    """Sees what makes tensors on the device, too."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return carry_out(operation, *args, **(kwargs or {}))


class Generator(torch.Generator):
    """One of the processor that says it is of the device: both draw the same numbers."""

    def __new__(cls, device: torch.device | str = "cpu") -> Self:
        generator = super().__new__(cls)
        generator.claimed = torch.device(device)
        return generator

    @property
    def device(self) -> torch.device:
        return self.claimed


class Module(backend_registration._DummyBackendModule):
    """What torch asks of a device."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


def carry_out(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """An operation on the processor, its results on the device where they would be."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = any(isinstance(tensor, There) for tensor in tensors)
    if operation not in BETWEEN_DEVICES:
        check(operation, args, tensors)
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]).type == NAME
        kwargs |= {"device": torch.device("cpu"), "pin_memory": False}
    if operation is aten._copy_from.default:
        source, target = (held(tensor) for tensor in args[:2])
        target.copy_(source)
        return args[1]
    known = {id(held(tensor)): tensor for tensor in tensors}  # what is changed in place stays itself

    def result(value: Any) -> Any:
        if not isinstance(value, Tensor) or isinstance(value, There):
            return value
        return known.get(id(value), There(value) if there else value)

    return tree_map(result, operation(*tree_map(held, args), **tree_map(held, kwargs)))


def held(value: Any) -> Any:
    """What a tensor on the device holds; anything else as it is."""
    return value.here if isinstance(value, There) else value


def check(operation: Any, args: Any, tensors: list[Tensor]) -> None:
    """Raise RuntimeError where a GPU would for tensors of two devices."""
    strangers = [tensor for tensor in tensors if not isinstance(tensor, There) and tensor.ndim]
    if len(strangers) == len(tensors) or not strangers or not any(isinstance(t, There) for t in tensors):
        return
    indices = all(tensor.dtype in (torch.int64, torch.bool) for tensor in strangers)
    if not (operation in INDEXING and isinstance(args[0], There) and indices):
        shapes = [tuple(tensor.shape) for tensor in strangers]
        raise RuntimeError(f"{operation}: tensors on two devices, of which {shapes} on the processor")


def start() -> torch.device:
    """Have this process know the device, and choose it to train on."""
    from revisit.training import device

    backend_registration._setup_privateuseone_for_python_backend(NAME, Module())
    for operation in UNSEEN:
        LIBRARY.impl(operation, partial(carry_out, operation), "PrivateUse1")
    torch.Generator = Generator
    # A module that is moved gets other tensors: those it has would keep what they hold.
    torch.__future__.set_swap_module_params_on_conversion(True)
    # Tensors made in inference mode take no wrapper.
    torch.inference_mode = lambda mode=True: torch.no_grad() if mode else nullcontext()
    device.choose_device = lambda rank=0: torch.device(NAME)
    Dispatch().__enter__()
    return torch.device(NAME)


if __name__ == "__main__":
    start()
    from revisit.stage import run_file

    sys.exit(max(run_file(path) for path in sys.argv[1:]))
