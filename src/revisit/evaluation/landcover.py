"""ESA WorldCover codes merged into the classes of the land-cover task."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from revisit.cube.labels.worldcover import WORLDCOVER
from revisit.errors import RevisitError
from revisit.evaluation.metrics import IGNORE

# The four classes of the STMIM tables.
CLASSES = {
    "Build-up": [50],
    "Cropland": [40],
    "Water": [80],
    "Others": [10, 20, 30, 60, 70, 90, 95, 100],
}


class Legend:
    """Class names in order and the table from WorldCover codes to class numbers.

    A code in no class, and 0 (no label), become ``IGNORE``. Raises RevisitError on an unknown code
    and on one in two classes.
    """

    def __init__(self, classes: Mapping[str, Sequence[int]]) -> None:
        self.names = tuple(classes)
        self.table = np.full(256, IGNORE, np.uint8)
        for number, (name, codes) in enumerate(classes.items()):
            for code in codes:
                if code not in WORLDCOVER:
                    raise RevisitError(
                        f"classes: {code} of {name!r} is no WorldCover code; they are {list(WORLDCOVER)}"
                    )
                if self.table[code] != IGNORE:
                    raise RevisitError(
                        f"classes: code {code} is in {self.names[self.table[code]]!r} and in {name!r}; "
                        "leave it in one"
                    )
                self.table[code] = number

    def merge(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Class numbers, or ``IGNORE``, of WorldCover codes of any shape."""
        return self.table[codes]
