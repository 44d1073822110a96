"""The classes of a map task: those of the labels' legend, each by itself or several merged."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from revisit.cube.labels.legend import Colour, Legend
from revisit.errors import RevisitError
from revisit.evaluation.metrics import IGNORE
from revisit.record import Record


class LandClass(Record):
    """A class of a map task."""

    name: str
    """As tables and figures call it."""
    codes: list[int] = Field(min_length=1)
    """The codes of the labels' legend merged into it."""
    colour: Colour | None = None
    """In pictures, as `"#rrggbb"`; where none is given, that of the legend's class of this name, or else of
    the first of `codes`."""


# The four classes of the STMIM tables, of WorldCover codes.
CLASSES = [
    LandClass(name="Build-up", codes=[50], colour="#e8262a"),
    LandClass(name="Cropland", codes=[40], colour="#f096ff"),
    LandClass(name="Water", codes=[80], colour="#0064c8"),
    LandClass(name="Others", codes=[10, 20, 30, 60, 70, 90, 95, 100], colour="#b9cf9a"),
]


class Merging:
    """Names, colours and codes of classes in order, and the table from codes of the legend to class numbers.

    ``classes`` None: the four of the STMIM tables where these are just the codes of the legend, as of
    WorldCover; else every class of the legend. A code in no class, and 0 (no label), become ``IGNORE``.
    Raises RevisitError on an unknown code, and on a code or a name in two classes.
    """

    def __init__(self, classes: Sequence[LandClass] | None, legend: Legend) -> None:
        classes = _usual(legend) if classes is None else classes
        self.names = tuple(one.name for one in classes)
        if not 2 <= len(set(self.names)) <= IGNORE or len(set(self.names)) < len(self.names):
            raise RevisitError(
                f"classes: {list(self.names)}; give at least two, each name once, at most {IGNORE}"
            )
        self.table = np.full(max(legend.codes) + 1, IGNORE, np.uint8)
        for number, one in enumerate(classes):
            for code in one.codes:
                if code not in legend.codes:
                    raise RevisitError(
                        f"classes: {code} of {one.name!r} is no code of {legend.title}; "
                        f"they are {legend.codes}"
                    )
                if self.table[code] != IGNORE:
                    raise RevisitError(
                        f"classes: code {code} is in {self.names[self.table[code]]!r} and in {one.name!r}; "
                        "leave it in one"
                    )
                self.table[code] = number
        self.colours = tuple(_colour(one, legend) for one in classes)
        self.codes = tuple(tuple(one.codes) for one in classes)

    def merge(self, codes: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
        """Class numbers, or ``IGNORE``, of codes of any shape."""
        numbers: NDArray[np.uint8] = self.table[codes]
        return numbers


def _usual(legend: Legend) -> list[LandClass]:
    """The classes of an experiment that names none."""
    if {code for one in CLASSES for code in one.codes} == set(legend.codes):
        return CLASSES
    return [LandClass(name=name, codes=[code]) for code, name in legend.names.items()]


def _colour(one: LandClass, legend: Legend) -> str:
    same = next((code for code, name in legend.names.items() if name == one.name), one.codes[0])
    return one.colour or legend.colours[same]
