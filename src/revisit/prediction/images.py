"""The contract of what is mapped: the image of an area, read block by block, scaled as networks know it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from revisit.cube.grid import Block
from revisit.cube.item import Link
from revisit.errors import RevisitError
from revisit.nets.rescale import limits_of
from revisit.patches.modality import sensor_of

SAME_SIZE = 0.01  # relative: pixels no farther apart in size are of one resolution


@dataclass(frozen=True)
class Place:
    """Where the pixels of an image lie: ``transform`` maps (column, row) to the corner of one, in ``crs``."""

    crs: str
    transform: Affine
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top."""
        left, top = self.transform.c, self.transform.f
        return left, top + self.height * self.transform.e, left + self.width * self.transform.a, top

    def part(self, block: Block) -> "Place":
        """Where a block of it lies."""
        rows, columns = block
        moved = self.transform * Affine.translation(columns.start, rows.start)
        return Place(self.crs, moved, columns.stop - columns.start, rows.stop - rows.start)

    def block(self, bounds: Sequence[float], where: str) -> Block:
        """The pixels that touch these bounds: left, bottom, right, top.

        Raises RevisitError where none does.
        """
        left, bottom, right, top = bounds
        (west, north), (east, south) = (~self.transform * corner for corner in ((left, top), (right, bottom)))
        rows, columns = (
            slice(max(0, int(np.floor(first + 1e-6))), min(length, int(np.ceil(last - 1e-6))))
            for first, last, length in ((north, south, self.height), (west, east, self.width))
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            raise RevisitError(
                f"{where}: does not overlap the bounds {list(bounds)}; it spans {list(self.bounds)}, "
                "in the same order"
            )
        return rows, columns


class Images(ABC):
    """An image with the bands of a model, scaled between its limits and rounded as its images were, or not.

    ``place``: where it lies; ``period``: first and last moment it is of, as STAC has it; ``sources``: Items
    it was made from. ``region``: its name, if it is one of a study. ``lacking``: why it has no pixel, None
    where it may have some. ``doubt``: what may be wrong with it, to be told where it is mapped.
    """

    place: Place
    period: tuple[str, str]
    sources: Sequence[Link] = ()
    region: str | None = None
    lacking: str | None = None
    doubt: str | None = None

    @abstractmethod
    def read(self, block: Block) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values (band, y, x), ``MISSING`` where a sensor saw nothing, and whether all of them did (y, x).

        Uint8 or float32, as what the model learnt from.
        """


def by_sensor(card: Mapping[str, Any]) -> dict[str, list[str]]:
    """The bands that a model takes of each sensor, in order."""
    found: dict[str, list[str]] = {}
    for band in card["bands"]:
        found.setdefault(sensor_of(band), []).append(band)
    return found


def limits(card: Mapping[str, Any], bands: Sequence[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """What 0 and 255 of these bands mean to a model, in the unit of each: (band,) each."""
    by_band = limits_of(card["scaling"])
    return np.array([by_band[band].lower for band in bands]), np.array(
        [by_band[band].upper for band in bands]
    )


def check_resolution(path: Path, metres: float, card: Mapping[str, Any]) -> None:
    """Raise RevisitError where pixels are of another size than those the model learnt from."""
    if abs(metres - card["resolution_m"]) > SAME_SIZE * card["resolution_m"]:
        raise RevisitError(
            f"{path}: its pixels are {metres:g} m wide, the model learnt from {card['resolution_m']} m; "
            "resample it, or use a model of its resolution"
        )
