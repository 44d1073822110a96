"""What a probe is: a simple model of the labels of scenes, fitted on frozen features.

A probe is one file in ``revisit.evaluation.probes`` that offers a ``Probe`` as ``PROBE``. It knows neither
encoders nor images; where the features come from is the caller's business.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from revisit.record import Record

Features = NDArray[np.float32]  # (sample, dimension)
Targets = NDArray[np.uint8]  # (sample, class), 1 for a class that the sample shows
Outputs = NDArray[np.float32]  # (sample, class), higher for a class that is more likely shown
Score = Callable[[Targets, Outputs], float]  # higher is better


class Probe(ABC):
    """A way of learning from frozen features.

    ``Settings``: its recipe in the config. ``title``: its name as printed. ``labels``: kinds it can learn.
    ``draws``: whether a seed decides more than which places keep their labels.
    """

    Settings: ClassVar[type[Record]]
    title: ClassVar[str]
    labels: ClassVar[tuple[str, ...]] = ("scene",)
    draws: ClassVar[bool] = False

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def fit(
        self,
        features: Features,
        targets: Targets,
        validation_features: Features,
        validation_targets: Targets,
        score: Score,
        seed: int,
    ) -> tuple[Callable[[Features], Outputs], dict[str, Any]]:
        """Learn from the training part; what is to choose, ``score`` on the validation part chooses.

        Returns what predicts, and the record for the score file (JSON-able): what was chosen, ``validation``
        (each candidate's score) and, where a solver can end too early, ``converged``.
        """
