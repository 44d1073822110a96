"""Reads a collection of patches: what training and evaluation see, whatever it was made from.

A collection is a folder of patch stores, one per region, and an index of them, ``index.json``. What fits the
memory budget is read once and kept; the rest is copied from memory maps as it is drawn. Threads may share
a ``PatchStore``; a process opens its own.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.cube.bands import ELEVATION
from revisit.cube.labels.legend import Legend
from revisit.cube.scaling.scaled_values import dtype_of_all
from revisit.cube.split import PARTS
from revisit.errors import RevisitError
from revisit.files import check_whole, read_json
from revisit.patches.arrays import Files, Joined, RegionArray
from revisit.patches.batch import COORDINATES, LAYOUT, MISSING, NO_DATE, Batch
from revisit.patches.generated import GENERATED, read_generated

__all__ = ["PARTS", "PatchStore"]

INDEX = "index.json"
_KEYS = ("kind", "bands", "scaling", "patch_pixels", "years", "classes", "stores")


def check_layout(folder: Path, attributes: Mapping[str, Any]) -> None:
    """Raise RevisitError where a patch store with these attributes is damaged or of another layout."""
    if (layout := attributes.get("layout", 1)) != LAYOUT:
        raise RevisitError(
            f"{folder}: a patch store of layout {layout}, but {LAYOUT} is read here; remove it and run the "
            "stage tile again"
        )
    check_whole(folder, attributes)


class PatchStore:
    """The samples of a collection, region after region.

    ``attrs`` is what the index says; ``kind`` is what the samples are; ``bands`` names each sensor's,
    ``scaling`` gives their limits, ``dtype`` is the type of their values, uint8 or float32; ``positions``
    (sample,) numbers the places on the ground; ``labelled`` (sample,) says which samples have labels,
    ``legend`` what the codes of these mean (None without labels), ``label_maps`` whether every pixel has one.
    Not every sample has every time: see ``present``; elevation,
    where the collection holds it, is the same at every time, and has no date; neither have images of a set
    that says none. ``path`` is the collection's folder or its index. ``generated``: a store of images that a
    generator made of its samples (``revisit.patches.generated``), whose bands are then like the others, of a
    sensor of their own; ``generator`` says which it was. Raises RevisitError where there is no finished
    collection, or these images are of another.
    """

    def __init__(self, path: str | Path, memory_mb: float = 512, generated: Path | None = None) -> None:
        self.path = Path(path)
        index = self.path / INDEX if self.path.is_dir() else self.path
        if not index.is_file():
            raise RevisitError(f"{path}: no collection of patches can be read here; run the stage index")
        self.attrs: dict[str, Any] = read_json(index)
        if self.attrs.get("stage") != "patches" or (missing := [k for k in _KEYS if k not in self.attrs]):
            lacking = "" if self.attrs.get("stage") != "patches" else f" without {', '.join(missing)}"
            raise RevisitError(f"{path}: not an index of patches{lacking}; remove it and run the stage index")
        self.kind: str = self.attrs["kind"]
        self.bands: dict[str, list[str]] = dict(self.attrs["bands"])
        self.generated, self.generator = generated, None
        if generated is not None:
            about = read_generated(generated, self.attrs)
            self.bands[GENERATED], self.generator = about["bands"], about["generator"]
        self.scaling: dict[str, Any] = self.attrs["scaling"]
        self.dtype = dtype_of_all(self.scaling)
        self.patch_pixels: int = self.attrs["patch_pixels"]
        self.legend = Legend.of(self.attrs["legend"]) if self.attrs.get("legend") else None
        self.label_maps: bool = self.attrs["label_columns"] is not None and self.attrs.get("label_maps", True)
        self._stores: list[dict[str, Any]] = self.attrs["stores"]
        self._folders = [index.parent / store["path"] for store in self._stores]
        for folder in self._folders:
            check_layout(folder, read_json(folder / "zarr.json").get("attributes", {}))
        self._counts = [int(store["samples"]) for store in self._stores]
        self._firsts = [0, *accumulate(self._counts)]
        self.samples = self._firsts[-1]
        self._left = memory_mb * 1e6
        self._lock = Lock()
        self._files = Files()
        self._arrays: dict[str, Joined] = {}
        self._split: NDArray[np.uint8] = self._open("split").whole()
        self.labelled: NDArray[np.bool_] = self._open("labelled").whole().astype(bool)
        places = np.array([store["places"] for store in self._stores])
        self.positions: NDArray[np.int32] = self._open("position").whole()
        self.positions += np.repeat(np.cumsum(places) - places, self._counts).astype(np.int32)

    def indices(self, split: str, labelled: bool = False) -> NDArray[np.int64]:
        """Indices of the samples of ``train``, ``val`` or ``test``: all, or only those that have labels."""
        if split not in PARTS:
            raise RevisitError(f"{self.path}: no split {split!r}; there are {', '.join(PARTS)}")
        chosen = self._split == PARTS.index(split)
        return np.flatnonzero(chosen & self.labelled if labelled else chosen)

    def present(self, bands: Sequence[str], time: int | None = None) -> NDArray[np.bool_]:
        """Which times each sample of the collection has of all sensors of these bands: bool (sample, time).

        Times are those of ``images``; (sample,) for one ``time``, or where samples have no time axis. What is
        not present is ``MISSING`` in every pixel. Reads dates only.
        """
        dates = np.moveaxis(self.dates(bands, time), 0, -1)
        there = self._present(dates, self._sensors(bands)).all(axis=-1)
        return there if self.attrs["time_axis"] and time is None else there[:, 0]

    def dates(self, bands: Sequence[str], time: int | None = None) -> NDArray[np.int64]:
        """Dates of all samples by sensor of these bands: nanoseconds since 1970 (sensor, sample, time).

        ``NO_DATE`` where a sample lacks a time, and of elevation. Reads dates only.
        """
        return np.stack(
            [
                self._open(f"{sensor}_date").whole()[:, times]
                for (sensor, _), times in zip(self._groups(bands), self._times(bands, time), strict=True)
            ]
        )

    def years(self, bands: Sequence[str]) -> tuple[int, ...]:
        """Years that all sensors of these bands have, in order; () where times are no years."""
        if not self.attrs["years"]:
            return ()
        own = [set(self.attrs["years"][sensor]) for sensor in self._sensors(bands) if sensor != ELEVATION]
        return tuple(sorted(set.intersection(*own))) if own else ()

    def times(self, bands: Sequence[str]) -> int:
        """Length of the time axis of ``images(indices, bands)``; 0 where there is none."""
        return len(self._times(bands)[0]) if self.attrs["time_axis"] else 0

    def images(self, indices: NDArray[Any], bands: Sequence[str], time: int | None = None) -> NDArray[Any]:
        """Images of these samples: ``dtype`` (sample, band, y, x), the bands in the order asked for.

        Where samples have several times, (sample, time, band, y, x), the times being ``years(bands)`` or the
        slots of a series; or without that axis the one at index ``time``. Raises RevisitError for a band
        the collection lacks.
        """
        times, side = self._times(bands, time), self.patch_pixels
        out = np.empty((len(indices), len(times[0]), len(bands), side, side), self.dtype)
        first = 0
        for (sensor, columns), chosen in zip(self._groups(bands), times, strict=True):
            until = first + len(columns)
            self._array(sensor).read(np.asarray(indices), out[:, :, first:until], chosen, columns)
            first = until
        return out if self.attrs["time_axis"] and time is None else out[:, 0]

    def batch(
        self, indices: NDArray[Any], bands: Sequence[str], time: int | None = None
    ) -> Batch[NDArray[Any]]:
        """``images`` of these samples with their numbers, places, dates and coordinates."""
        indices = np.asarray(indices)
        chosen = {
            sensor: times
            for (sensor, _), times in zip(self._groups(bands), self._times(bands, time), strict=True)
        }
        dates = np.stack(
            [self._array(f"{sensor}_date").take(indices, times) for sensor, times in chosen.items()], axis=2
        )
        if time is not None or not self.attrs["time_axis"]:
            dates = dates[:, 0]
        stores = np.searchsorted(self._firsts, indices, side="right") - 1
        return Batch(
            images=self.images(indices, bands, time),
            samples=indices.astype(np.int64),
            places=self.positions[indices].astype(np.int64),
            dates=dates,
            present=self._present(dates, tuple(chosen)),
            coordinates=self._array("coordinates").take(indices),
            epsg=np.array([store["epsg"] for store in self._stores])[stores],
            bands=tuple(bands),
            sensors=tuple(chosen),
        )

    def land_cover(self, indices: NDArray[Any]) -> NDArray[Any]:
        """Codes of the legend (sample, y, x), 0 where there is none, as all over a sample without labels."""
        if not self.label_maps:
            return np.zeros((len(indices), self.patch_pixels, self.patch_pixels), np.uint8)
        return self._array("land_cover").take(np.asarray(indices))

    def multi_label(self, indices: NDArray[Any]) -> NDArray[np.uint8]:
        """1 for each class of ``attrs["classes"]`` that a sample shows, else 0: (sample, class).

        0 throughout in a sample without labels, which shows what it shows all the same: see ``labelled``.
        """
        columns = self.attrs["label_columns"]
        if columns is None:
            raise RevisitError(
                f"{self.path}: made without labels; search for a map, such as worldcover, or give "
                "labels.files"
            )
        return self._array("multi_label").take(np.asarray(indices), columns)

    def where(self) -> dict[str, NDArray[Any]]:
        """Where each sample lies, by column: (sample,) each.

        ``x``, ``y`` (centre, metres) in ``epsg``, ``longitude``, ``latitude`` (degrees), ``region``,
        ``split``, ``position``.
        """
        coordinates = self._open("coordinates").whole()
        return {
            **{name: coordinates[:, column] for column, name in enumerate(COORDINATES)},
            "epsg": np.repeat([store["epsg"] for store in self._stores], self._counts),
            "position": self.positions,
            "region": np.repeat([store["region"] for store in self._stores], self._counts),
            "split": np.asarray(PARTS)[self._split],
        }

    def _times(self, bands: Sequence[str], time: int | None = None) -> list[Sequence[int]]:
        """For each group of bands, which times of its sensor: those that all sensors have, or one of them.

        Of elevation the only one there is, as often as there are times.
        """
        years, sensors = self.years(bands), self._sensors(bands)
        times: dict[str, list[int]] = {}
        for sensor in dict.fromkeys(sensors):
            if sensor == ELEVATION:
                continue
            own = [self.attrs["years"][sensor].index(year) for year in years]
            times[sensor] = own if self.attrs["years"] else list(range(self._array(sensor).shape[1]))
        times[ELEVATION] = [0] * max(map(len, times.values()), default=1)
        return [times[sensor] if time is None else [times[sensor][time]] for sensor in sensors]

    def _present(self, dates: NDArray[np.int64], sensors: Sequence[str]) -> NDArray[np.bool_]:
        """Which of these dates (..., sensor) say that something is there.

        Elevation always is, and what was imported without dates.
        """
        always = np.isin(sensors, [ELEVATION, *self.attrs.get("undated", ())])
        there: NDArray[np.bool_] = (dates != NO_DATE) | always
        return there

    def _sensors(self, bands: Sequence[str]) -> list[str]:
        """The sensor of each run of bands."""
        return [sensor for sensor, _ in self._groups(bands)]

    def _groups(self, bands: Sequence[str]) -> list[tuple[str, list[int]]]:
        """Runs of bands of one sensor, with their indices in its array."""
        owner = {band: sensor for sensor, names in self.bands.items() for band in names}
        if missing := [band for band in bands if band not in owner]:
            raise RevisitError(f"{self.path}: has no bands {missing}; it has {list(owner)}")
        return [
            (sensor, [self.bands[sensor].index(band) for band in run])
            for sensor, run in groupby(bands, key=owner.__getitem__)
        ]

    def _array(self, name: str) -> Joined:
        """An array of the collection, in memory where it fits."""
        with self._lock:
            if name not in self._arrays:
                array = self._open(name)
                if array.nbytes <= self._left:
                    self._left -= array.nbytes
                    array.keep()
                self._arrays[name] = array
            return self._arrays[name]

    def _open(self, name: str) -> Joined:
        sensor = name.removesuffix("_date")
        if sensor == GENERATED and self.generated is not None:
            return Joined([RegionArray(self.generated / name, self._files)], [0, self.samples])
        arrays = [RegionArray(folder / name, self._files) for folder in self._folders]
        if name in self.bands and (types := {array.dtype for array in arrays} - {self.dtype}):
            raise RevisitError(f"{self.path}: {name} is {types.pop()}, not scaled to {self.dtype}")
        if sensor not in self.attrs["years"]:
            return Joined(arrays, self._firsts)
        own = [store["years"][sensor] for store in self._stores]
        times = [
            [years.index(year) if year in years else -1 for year in self.attrs["years"][sensor]]
            for years in own
        ]
        return Joined(arrays, self._firsts, times, MISSING if name == sensor else NO_DATE)
