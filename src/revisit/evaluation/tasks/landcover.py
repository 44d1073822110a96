"""ESA WorldCover codes merged into the classes of the land-cover task."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from revisit.cube.labels.worldcover import WORLDCOVER
from revisit.errors import RevisitError
from revisit.evaluation.metrics import IGNORE
from revisit.record import Record


class LandClass(Record):
    """A class of the land-cover task."""

    name: str
    """As tables and figures call it."""
    codes: list[int]
    """The WorldCover codes merged into it."""


# The four classes of the STMIM tables.
CLASSES = [
    LandClass(name="Build-up", codes=[50]),
    LandClass(name="Cropland", codes=[40]),
    LandClass(name="Water", codes=[80]),
    LandClass(name="Others", codes=[10, 20, 30, 60, 70, 90, 95, 100]),
]


class Legend:
    """Class names in order and the table from WorldCover codes to class numbers.

    A code in no class, and 0 (no label), become ``IGNORE``. Raises RevisitError on an unknown code, and on
    a code or a name in two classes.
    """

    def __init__(self, classes: Sequence[LandClass]) -> None:
        self.names = tuple(one.name for one in classes)
        if len(set(self.names)) < 2 or len(set(self.names)) < len(self.names):
            raise RevisitError(f"classes: {list(self.names)}; give at least two, each name once")
        self.table = np.full(256, IGNORE, np.uint8)
        for number, (name, codes) in enumerate((one.name, one.codes) for one in classes):
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
