"""Writes the patch store of a region: one chunk is one sample, uncompressed, and chunks lie in shards.

A shard is one file, written whole, so a million samples are thousands of files; and a chunk is a range of its
bytes, so a reader takes just the samples it draws.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from pyproj import Transformer

from revisit.patches.batch import COORDINATES, MISSING
from revisit.patches.kind import Look

SHARD_BYTES = 128_000_000  # of the largest array; those of the others hold as many samples


class Place(NamedTuple):
    """Where a patch lies: centre in metres, number of the place in its region, part of the split."""

    x: float
    y: float
    position: int
    split: int


class StoreWriter:
    """Appends samples to a group made at ``path``; ``finish`` makes it a patch store.

    At most one shard of each array is in memory.
    """

    def __init__(self, path: Path, shard_bytes: int = SHARD_BYTES) -> None:
        self._group = zarr.create_group(path, zarr_format=3)
        self._shard_bytes = shard_bytes
        self._waiting: dict[str, np.ndarray] = {}  # samples of the next shard, by array
        self._axes: dict[str, tuple[str, ...]] = {}
        self._filled = self._written = 0
        self._dates: dict[str, list[np.ndarray]] = {}
        self._labels: list[np.ndarray] = []
        self.places: list[Place] = []

    def append(
        self, looks: Mapping[str, Look], place: Place, land_cover: np.ndarray | None, labels: np.ndarray
    ) -> None:
        """Add a sample: its looks by sensor, and its land cover (y, x), if any, with its labels (class,)."""
        chunks: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
        for sensor, look in looks.items():
            values = np.where(look.valid[:, None], look.values, np.uint8(MISSING))
            chunks[sensor] = ("time", "band", "y", "x"), values
            chunks[f"{sensor}_valid"] = ("time", "y", "x"), look.valid.astype(np.uint8)
            dates = look.times.astype("datetime64[ns]").astype(np.int64)
            self._dates.setdefault(f"{sensor}_date", []).append(dates)
        if land_cover is not None:
            chunks["land_cover"] = ("y", "x"), land_cover
            self._labels.append(labels)
        if not self._waiting:
            samples = max(1, self._shard_bytes // max(chunk.nbytes for _, chunk in chunks.values()))
            for name, (axes, chunk) in chunks.items():
                self._waiting[name] = np.empty((samples, *chunk.shape), np.uint8)
                self._axes[name] = axes
        for name, (_, chunk) in chunks.items():
            self._waiting[name][self._filled] = chunk
        self._filled += 1
        self.places.append(place)
        if self._filled == len(next(iter(self._waiting.values()))):
            self._flush()

    def finish(self, epsg: int, attributes: Mapping[str, Any]) -> None:
        """Write the last shard and what is small, each as one chunk, and add the attributes."""
        if self._filled:
            self._flush()
        if self.places:
            x, y, positions, parts = (np.array(column) for column in zip(*self.places, strict=True))
            to_degrees = Transformer.from_crs(epsg, 4326, always_xy=True)
            coordinates = np.stack([x, y, *to_degrees.transform(x, y)], axis=1)
            self._small("coordinates", coordinates, "coordinate", names=list(COORDINATES))
            self._small("position", positions.astype(np.int32))
            self._small("split", parts.astype(np.uint8))
            for name, dates in self._dates.items():
                self._small(name, np.stack(dates), "time", units="nanoseconds since 1970-01-01")
            if self._labels:
                self._small("multi_label", np.stack(self._labels), "class")
        self._group.attrs.update({"epsg": epsg, **attributes})

    def _small(self, name: str, values: np.ndarray, *axes: str, **attributes: Any) -> None:
        self._group.create_array(
            name,
            data=values,
            chunks=values.shape,
            compressors=None,
            dimension_names=("sample", *axes),
            attributes=attributes,
        )

    def _flush(self) -> None:
        until = self._written + self._filled
        for name, waiting in self._waiting.items():
            shape = waiting.shape[1:]
            if not self._written:
                self._group.create_array(
                    name,
                    shape=(self._filled, *shape),
                    chunks=(1, *shape),
                    shards=(self._filled, *shape),
                    dtype="uint8",
                    fill_value=MISSING if "band" in self._axes[name] else 0,
                    compressors=None,
                    dimension_names=("sample", *self._axes[name]),
                )
            array = self._group[name]
            assert isinstance(array, zarr.Array)
            array.resize((until, *shape))
            # An empty chunk is written too: a reader finds every sample in the file.
            array.with_config({"write_empty_chunks": True})[self._written : until] = waiting[: self._filled]
        self._written, self._filled = until, 0
