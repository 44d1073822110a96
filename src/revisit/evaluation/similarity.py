"""How alike an encoder finds the years of a place, and different places: cosine matrices.

Reads a yearly patch store and one encoder; writes a JSON with, for a few test places, the
year × year similarity of the pooled features, and the place × place similarity of their means.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit import stage
from revisit.errors import RevisitError
from revisit.files import write_json


def cosine(features: NDArray) -> NDArray[np.float64]:
    """Cosine similarity (n, n) of the rows of ``features`` (n, dimension)."""
    features = features.astype(np.float64)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
    return unit @ unit.T
