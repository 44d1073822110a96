"""Linear protocol: logistic regressions on frozen features, regularised as the validation set says."""

from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from threadpoolctl import threadpool_limits
from torch import Tensor

from revisit import stage
from revisit.evaluation.features import pooled_features
from revisit.evaluation.protocol import Predict, Protocol
from revisit.evaluation.protocols.probe import linear_probe
from revisit.record import Record


class Linear(Record):
    """Recipe of the linear protocol."""

    c: Annotated[list[PositiveFloat], Field(min_length=1)] = [0.001, 0.01, 0.1, 1.0, 10.0]
    """Inverse regularisations to choose from on the validation set."""


class FrozenFeatures(Protocol):
    """Predicts probabilities; the pooled features of all samples are computed once an encoder."""

    Settings = Linear
    labels = ("scene",)

    def __init__(self, *setup: Any) -> None:
        super().__init__(*setup)
        (encoders,) = self.networks.groups
        self.targets = self.data.labels(np.arange(len(self.data.positions)))
        self.features = [
            pooled_features(encoder, self.data.images, self.data.bands, np.arange(len(self.targets)))
            for encoder in stage.progress(encoders, "features")
        ]

    def repeats_itself(self, label_fraction: float, order: int) -> bool:
        """With all labels a seed draws nothing, so there are as many runs as encoders."""
        return label_fraction == 1 and order >= len(self.features)

    def train(self, labelled: NDArray[Any], order: int, seed: int) -> tuple[Predict, dict[str, Any]]:
        features = self.features[order % len(self.features)]
        with threadpool_limits(1):  # the last bits depend on the number of threads
            probe = linear_probe(features, self.targets, labelled, self.data.val, self.recipe.c)

        def predict(indices: NDArray[Any]) -> Tensor:
            with threadpool_limits(1):
                return torch.from_numpy(probe.predict(features[indices]))

        record = {"c": probe.c, "validation": {str(c): value for c, value in probe.validation.items()}}
        return predict, record


PROTOCOL = FrozenFeatures
