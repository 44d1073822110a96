"""What a protocol is: how a network learns the labels of a task, from one recipe.

A protocol is one file in ``revisit.evaluation.protocols`` that offers a ``Protocol`` as ``PROTOCOL``. It
knows no task: data, networks, loss and validation score come from the task it is used for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray
from torch import Tensor

from revisit.evaluation.networks import Networks
from revisit.record import Record

if TYPE_CHECKING:  # a task names its protocols' outcome, a protocol the task it serves
    from revisit.evaluation.task import Data, Task

Predict = Callable[[NDArray[Any]], Tensor]  # outputs of the samples of these indices, on the CPU

UNPRETRAINED = "supervised"  # the word for training a network that has no encoder of ours


class Protocol(ABC):
    """A way of training, set up for one job.

    ``Settings``: its recipe in the config. ``labels``: kinds of labels it can learn.
    """

    Settings: ClassVar[type[Record]]
    labels: ClassVar[tuple[str, ...]]

    def __init__(self, task: Task, data: Data, networks: Networks, recipe: Any) -> None:
        self.task, self.data, self.networks, self.recipe = task, data, networks, recipe

    def repeats_itself(self, label_fraction: float, order: int) -> bool:
        """Whether this run would repeat an earlier one to the bit, and so feign certainty."""
        return False

    @abstractmethod
    def train(self, labelled: NDArray[Any], order: int, seed: int) -> tuple[Predict, dict[str, Any]]:
        """Learn from the samples ``labelled`` with the networks of evaluation seed number ``order``.

        Returns what predicts, and the record of the training (JSON-able).
        """


def word(protocol: str, encoders: bool) -> str:
    """What tables call a protocol: there is nothing to fine-tune in a network that takes no encoder."""
    return protocol if encoders else UNPRETRAINED
