"""Reads a patch store: what training and evaluation see, whatever it was made from.

A store is a Zarr v3 group without compression in which one chunk is one sample, so drawing a sample reads one
file. What fits the memory budget is read once and kept; the rest is read as it is drawn. Threads may
share a store; a process opens its own.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from revisit.errors import RevisitError

SPLITS = ("train", "val", "test")
_KEYS = ("kind", "bands", "scaling", "patch_pixels", "years", "classes")


class PatchStore:
    """The samples of a patch store.

    ``attrs`` are the group's; ``kind`` is ``pairs`` (one image of each sensor a sample) or ``yearly`` (one a
    year); ``bands`` names each sensor's, ``scaling`` gives their limits; ``positions`` (sample,) numbers
    the places on the ground. Raises RevisitError where ``path`` is no finished patch store.
    """

    def __init__(self, path: str | Path, memory_mb: float = 512) -> None:
        self.path = Path(path)
        # The rust codecs are several times faster; they are chosen when an array is opened.
        found = find_spec("zarrs") is not None
        try:
            with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"} if found else {}):
                group = zarr.open_group(self.path, mode="r")
                self._arrays: dict[str, zarr.Array | NDArray] = dict(group.arrays())
        except (OSError, ValueError) as error:
            raise RevisitError(f"{path}: no patch store can be read here; run the stage tile") from error
        self.attrs: dict[str, Any] = dict(group.attrs)
        if self.attrs.get("stage") != "patches" or (missing := [k for k in _KEYS if k not in self.attrs]):
            lacking = "" if self.attrs.get("stage") != "patches" else f" without {', '.join(missing)}"
            raise RevisitError(
                f"{path}: not a finished patch store{lacking}; remove it and run the stage tile"
            )
        self.kind: str = self.attrs["kind"]
        self.bands: dict[str, list[str]] = self.attrs["bands"]
        self.scaling: dict[str, Any] = self.attrs["scaling"]
        self.patch_pixels: int = self.attrs["patch_pixels"]
        for sensor in self.bands:
            if self._arrays[sensor].dtype != np.uint8:
                raise RevisitError(f"{path}: {sensor} is {self._arrays[sensor].dtype}, not scaled to uint8")
        self._left = memory_mb * 1e6
        self._lock = Lock()
        self._split = np.asarray(self._arrays["split"][:])
        self.positions: NDArray[np.int32] = np.asarray(self._arrays["position"][:])
        self.samples = len(self.positions)

    def indices(self, split: str) -> NDArray[np.int64]:
        """Indices of the samples of ``train``, ``val`` or ``test``."""
        if split not in SPLITS:
            raise RevisitError(f"{self.path}: no split {split!r}; there are {', '.join(SPLITS)}")
        return np.flatnonzero(self._split == SPLITS.index(split))

    def years(self, bands: Sequence[str]) -> tuple[int, ...]:
        """Years that all sensors of these bands have, in order; () for pairs."""
        if self.kind == "pairs":
            return ()
        years = [set(self.attrs["years"][sensor]) for sensor, _ in self._groups(bands)]
        return tuple(sorted(set.intersection(*years)))

    def images(self, indices: NDArray, bands: Sequence[str], time: int | None = None) -> NDArray[np.uint8]:
        """Images of these samples: uint8 (sample, band, y, x), the bands in the order asked for.

        A yearly store gives (sample, time, band, y, x), the times being ``years(bands)``, or without that
        axis the one year at index ``time``. Raises RevisitError for a band the store lacks.
        """
        years, parts = self.years(bands), []
        for sensor, columns in self._groups(bands):
            times = [self.attrs["years"][sensor].index(year) for year in years] if years else [0]
            if time is not None:
                times = [times[time]]
            parts.append(self._take(sensor, indices, times, columns))
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
        return joined if years and time is None else joined[:, 0]

    def land_cover(self, indices: NDArray) -> NDArray[np.uint8]:
        """WorldCover codes (sample, y, x), 0 where there is none."""
        return self._take("land_cover", indices)

    def multi_label(self, indices: NDArray) -> NDArray[np.uint8]:
        """1 for each class of ``attrs["classes"]`` that a sample shows, else 0: (sample, class)."""
        if "multi_label" not in self._arrays:
            raise RevisitError(f"{self.path}: made without land cover; add worldcover to the search")
        return self._take("multi_label", indices)

    def where(self) -> dict[str, NDArray]:
        """Of each sample ``x``, ``y`` (centre, metres) in ``epsg``, ``region``, ``split``, ``position``."""
        columns = {name: np.asarray(self._arrays[name][:]) for name in ("x", "y", "epsg", "position")}
        columns["region"] = np.asarray(self.attrs["regions"])[np.asarray(self._arrays["region"][:])]
        columns["split"] = np.asarray(SPLITS)[self._split]
        return columns

    def _groups(self, bands: Sequence[str]) -> list[tuple[str, list[int]]]:
        """Runs of bands of one sensor, with their indices in its array."""
        owner = {band: sensor for sensor, names in self.bands.items() for band in names}
        if missing := [band for band in bands if band not in owner]:
            raise RevisitError(f"{self.path}: has no bands {missing}; it has {list(owner)}")
        return [
            (sensor, [self.bands[sensor].index(band) for band in run])
            for sensor, run in groupby(bands, key=owner.__getitem__)
        ]

    def _take(self, name: str, indices: NDArray, *axes: Sequence[int]) -> NDArray:
        """Samples of an array, of its further axes only the given indices: from memory where it fits."""
        with self._lock:
            array = self._arrays[name]
            if isinstance(array, zarr.Array) and array.nbytes <= self._left:
                self._left -= array.nbytes
                array = self._arrays[name] = np.asarray(array[:])
        if isinstance(array, zarr.Array):
            array, indices = np.asarray(array.oindex[indices]), np.arange(len(indices))
        return array[np.ix_(indices, *axes)]
