"""Made-up data of a task, that notes which samples a floor reads."""

from dataclasses import dataclass, field

import numpy as np
import pytest


@dataclass
class Made:
    """What a floor needs of the data of a task."""

    images: np.ndarray
    truth: np.ndarray
    classes: tuple[str, ...]
    read: set[int] = field(default_factory=set)

    def scaled(self, indices: np.ndarray) -> np.ndarray:
        self.read.update(indices.tolist())
        return self.images[indices]

    def labels(self, indices: np.ndarray) -> np.ndarray:
        self.read.update(indices.tolist())
        return self.truth[indices]


@pytest.fixture
def made() -> type[Made]:
    return Made
