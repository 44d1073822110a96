"""What a floor is: a row that knows next to nothing, beside every method of a task.

What does not beat the floors has not learnt anything. A floor is one file in ``revisit.evaluation.floors``
that offers an instance of a ``Floor`` as ``FLOOR``; it has no settings.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]  # (sample,) of a collection
Labels = NDArray[np.uint8]  # (sample, class) 0/1 of scenes, (sample, y, x) of maps: class, 255 for none
Outputs = NDArray[np.float32]  # (sample, class) of scenes, (sample, class, y, x) of maps: higher is likelier
Score = Callable[[Labels, Outputs], float]  # higher is better


class FloorData(Protocol):
    """What a floor needs of the data of a task (``revisit.evaluation.task.Data``)."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def labels(self) -> Callable[[Indices], Labels]:
        """The labels of samples by their indices."""

    def scaled(self, indices: Indices) -> NDArray[Any]:
        """Images as stored: uint8 or float32 (sample, band, y, x); for change (sample, 2, band, y, x)."""


class Floor(ABC):
    """``title``: its name as printed. ``labels``: kinds it can learn, ``scene``, ``map`` and ``change``.

    ``draws``: whether a seed decides more than which places keep their labels.
    """

    title: ClassVar[str]
    labels: ClassVar[tuple[str, ...]]
    draws: ClassVar[bool] = False

    @abstractmethod
    def fit(
        self, data: FloorData, labelled: Indices, validating: Indices, score: Score, seed: int
    ) -> tuple[Callable[[Indices], Outputs], dict[str, Any]]:
        """Learn from the samples ``labelled``; ``score`` on the samples ``validating`` chooses.

        Returns what predicts, and the record for the score file (JSON-able), with ``converged`` where a
        training can end too early.
        """


def blocks(indices: Indices, size: int) -> Iterator[Indices]:
    """The indices in blocks of at most ``size``."""
    for start in range(0, len(indices), size):
        yield indices[start : start + size]
