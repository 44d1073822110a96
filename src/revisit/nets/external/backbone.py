"""What an encoder of another project must give, whatever library its architecture is from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.compiler import let_compiler_in


class Outline(NamedTuple):
    """Pixels a cell and channels of each map, fine to coarse; as many features are pooled as the last has."""

    strides: tuple[int, ...]
    widths: tuple[int, ...]


class Backbone(nn.Module, ABC):
    """``model`` of a library, whose weights keep their names, and how features are had of it."""

    model: nn.Module
    pooling: str

    @abstractmethod
    def pooled(self, images: Tensor) -> Tensor:
        """The library's own features of images [B, C, H, W]: [B, D]."""

    @abstractmethod
    def maps(self, images: Tensor) -> list[Tensor]:
        """Feature maps [B, C_l, H_l, W_l], fine to coarse, the last normalised as the library does."""

    @abstractmethod
    def groups(self) -> list[list[nn.Parameter]]:
        """All parameters, each once, by depth from the image upwards."""

    def fitted(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights of a file, those that depend on the size of images brought to that of this model."""
        return dict(weights)


def library(name: str) -> ModuleType:
    """A library that is no requirement of this package; raises RevisitError where it is not installed."""
    let_compiler_in()  # timm has it loaded
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        top = name.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise RevisitError(
            f"{top} is not installed, which has this architecture; pip install 'revisit[{top}]'"
        ) from None
