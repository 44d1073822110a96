"""Writes a patch store: one chunk is one sample, uncompressed, so training reads just what it draws."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr

from revisit.cube.split import PARTS
from revisit.errors import RevisitError

MISSING = 128  # what an invalid pixel holds: about the mean of its band
BATCH = 64  # samples written together


class Look(NamedTuple):
    """A sensor's view of a patch: values (time, band, y, x) uint8, valid (time, y, x) bool, times (time,)."""

    values: np.ndarray
    valid: np.ndarray
    times: np.ndarray


class Place(NamedTuple):
    """Where a patch lies: centre in metres, reference system, numbers of region and place, part of split."""

    x: float
    y: float
    epsg: int
    region: int
    position: int
    split: int


class PatchWriter:
    """Appends samples to the arrays of a group made at ``path``; ``finish`` makes it a patch store.

    ``bands`` and ``times`` are those of each sensor, ``most`` is more than the samples that will come.
    """

    def __init__(
        self, path: Path, bands: Mapping[str, Sequence[str]], times: Mapping[str, int], pixels: int, most: int
    ) -> None:
        self.path, self._most = path, most
        self._group = zarr.create_group(path, zarr_format=3)
        self._waiting: list[tuple[dict[str, Look], np.ndarray]] = []
        self.places: list[Place] = []
        patch = {"y": pixels, "x": pixels}
        for sensor, names in bands.items():
            series = {"time": times[sensor]}
            self._create(sensor, "uint8", MISSING, series | {"band": len(names)} | patch)
            self._create(f"{sensor}_valid", "uint8", 0, series | patch)
            self._create(f"{sensor}_date", "int64", np.iinfo(np.int64).min, series)
        self._create("land_cover", "uint8", 0, patch)

    def append(self, looks: dict[str, Look], land_cover: np.ndarray, place: Place) -> None:
        """Add a sample: its looks by sensor, its land cover (y, x) as WorldCover codes."""
        self._waiting.append((looks, land_cover))
        self.places.append(place)
        if len(self._waiting) == BATCH:
            self._flush()

    def finish(self, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> None:
        """Write what is small, cut the arrays to the samples there are, and add the attributes."""
        self._flush()
        for _, array in self._group.arrays():
            array.resize((len(self.places), *array.shape[1:]))
        columns = {
            name: np.array([getattr(place, name) for place in self.places], dtype)
            for name, dtype in zip(Place._fields, ("f8", "f8", "i4", "i2", "i4", "u1"), strict=True)
        }
        for name, column in (columns | dict(arrays)).items():
            names = ("sample", "class")[: column.ndim]
            self._group.create_array(
                name, data=column, chunks=column.shape, compressors=None, dimension_names=names
            )
        self._group.attrs.update(dict(attributes))

    def check_parts(self, shares: Mapping[str, float]) -> None:
        """Raise RevisitError where a part of the split that should have samples has none."""
        counts = np.bincount([place.split for place in self.places], minlength=len(PARTS))
        empty = [part for part, count in zip(PARTS, counts, strict=True) if not count and shares[part] > 0]
        if empty:
            raise RevisitError(
                f"{' and '.join(empty)}: no sample left, of {len(self.places)} in all; "
                "use more or larger regions, smaller blocks or a lower min_valid"
            )

    def _create(self, name: str, dtype: str, fill: int, axes: dict[str, int]) -> None:
        self._group.create_array(
            name,
            shape=(self._most, *axes.values()),
            chunks=(1, *axes.values()),
            dtype=dtype,
            fill_value=fill,
            compressors=None,
            dimension_names=("sample", *axes),
        )

    def _flush(self) -> None:
        if not self._waiting:
            return
        chosen = slice(len(self.places) - len(self._waiting), len(self.places))
        looks, land_cover = zip(*self._waiting, strict=True)
        for sensor in looks[0]:
            valid = np.stack([look[sensor].valid for look in looks])
            values = np.stack([look[sensor].values for look in looks])
            self._write(sensor, chosen, np.where(valid[:, :, None], values, np.uint8(MISSING)))
            self._write(f"{sensor}_valid", chosen, valid.astype(np.uint8))
            dates = np.stack([look[sensor].times for look in looks]).astype("datetime64[ns]")
            self._write(f"{sensor}_date", chosen, dates.astype(np.int64))
        self._write("land_cover", chosen, np.stack(land_cover))
        self._waiting.clear()

    def _write(self, name: str, chosen: slice, values: np.ndarray) -> None:
        array = self._group[name]
        assert isinstance(array, zarr.Array)
        array[chosen] = values
