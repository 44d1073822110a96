"""What a protocol is: how a network learns the labels of a task, from one recipe.

A protocol is one file in ``revisit.evaluation.protocols`` that offers a ``Protocol`` as ``PROTOCOL``. It
knows no task: data, networks, loss and validation score come from the task it is used for. What learns from
frozen features instead is a probe (``revisit.evaluation.probes``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from revisit.record import Record

if TYPE_CHECKING:  # a task names its protocols' outcome, a protocol the task it serves
    from torch import nn

    from revisit.evaluation.features import Reader
    from revisit.evaluation.networks import Networks
    from revisit.evaluation.task import Data, Task

Indices = NDArray[np.int64]  # (sample,) of a collection
Predict = Callable[[Indices], NDArray[np.float32]]  # outputs of the samples of these indices

UNPRETRAINED = "supervised"  # the word for training a network that has no encoder of ours


class Learned(NamedTuple):
    """What is to be known of a training, beside the network.

    ``converged``: whether validation had come to rest before the budget ended, None for what has
    no budget. ``record``: of the training, for the score file (JSON-able).
    """

    converged: bool | None
    record: dict[str, Any]


class Protocol(ABC):
    """A way of training, set up for one run.

    ``Settings``: its recipe in the config. ``labels``: kinds of labels it can learn. ``freezes``: whether
    encoders stay as they are.
    """

    Settings: ClassVar[type[Record]]
    labels: ClassVar[tuple[str, ...]]
    freezes: ClassVar[bool] = False

    def __init__(self, task: Task, data: Data, images: Reader, networks: Networks, recipe: Any) -> None:
        self.task, self.data, self.images = task, data, images
        self.networks, self.recipe = networks, recipe

    @abstractmethod
    def train(self, labelled: Indices, validating: Indices, seed: int) -> tuple[nn.Module, Learned]:
        """The network as it learnt from the samples ``labelled``, selected on the samples ``validating``."""


def word(name: str, protocol: type[Protocol], encoders: bool) -> str:
    """What tables call a protocol: nothing is fine-tuned in a network that takes no encoder."""
    return name if encoders or protocol.freezes else UNPRETRAINED
