"""A batch of samples: images, and what else is known of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = TypeVar("Array")
Other = TypeVar("Other")

LAYOUT = 2  # which arrays a patch store has, and what they mean; stores of another layout are refused
MISSING = 128  # what an invalid pixel holds, and a time that is not there: about the mean of its band
NO_DATE: int = np.iinfo(np.int64).min  # the date of what a sample does not have: numpy's not-a-time
COORDINATES = ("x", "y", "longitude", "latitude")  # of a patch's centre, metres and degrees


@dataclass(frozen=True)
class Batch(Generic[Array]):
    """Samples of a collection, in numpy arrays or in whatever ``map`` made of them.

    The axis ``time`` is left out where a sample has one image only, or one time was asked for.
    """

    images: Array
    """As stored, uint8 or float32 (sample, [time,] band, y, x)."""
    samples: Array
    """Number of each sample in its collection, int64 (sample,)."""
    places: Array
    """Number of the place on the ground, int64 (sample,): samples of one place share it."""
    dates: Array
    """Nanoseconds since 1970, int64 (sample, [time,] sensor); ``NO_DATE`` where there is none."""
    present: Array
    """Whether the sample has that time of that sensor, bool (sample, [time,] sensor)."""
    coordinates: Array
    """Centre: x, y in metres of ``epsg``, longitude, latitude in degrees, float64 (sample, 4)."""
    epsg: Array
    """Reference system of x and y, int64 (sample,)."""
    bands: tuple[str, ...]
    """Bands of the images, in order."""
    sensors: tuple[str, ...]
    """Sensors of ``dates`` and ``present``, in order."""

    def map(self, convert: Callable[[Array], Other]) -> "Batch[Other]":
        """The batch with every array converted, such as by ``torch.from_numpy``."""
        arrays: dict[str, Any] = {name: convert(getattr(self, name)) for name in ARRAYS}
        return Batch(**arrays, bands=self.bands, sensors=self.sensors)


ARRAYS = tuple(field.name for field in fields(Batch) if field.name not in ("bands", "sensors"))


def joined(parts: Sequence[Batch[NDArray[Any]]]) -> Batch[NDArray[Any]]:
    """Batches of the same bands as one, the samples of each after those of the one before."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS
    }
    return Batch(**arrays, bands=parts[0].bands, sensors=parts[0].sensors)
