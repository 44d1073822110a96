"""Writes the patch store of a region: one chunk is one sample, uncompressed, and chunks lie in shards.

A shard is one file, written whole, so a million samples are thousands of files; and a chunk is a range of its
bytes, so a reader takes just the samples it draws.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from pyproj import Transformer

from revisit.cube.contract import codecs
from revisit.files import census
from revisit.patches.batch import COORDINATES, LAYOUT, MISSING
from revisit.patches.kind import Look

SHARD_BYTES = 64_000_000  # of the largest array; those of the others hold as many samples


class Place(NamedTuple):
    """Where a patch lies: centre in metres, number of the place in its region, part of the split."""

    x: float
    y: float
    position: int
    split: int


class StoreWriter:
    """Appends samples to a group made at ``path``; ``finish`` makes it a patch store.

    At most one shard of each array is in memory. What every store holds, sample by sample: of each sensor the
    images (time, band, y, x), ``{sensor}_valid`` (time, y, x) and ``{sensor}_date`` (time,), ``coordinates``,
    ``position``, ``split``, ``labelled``; and where there may be labels ``multi_label`` and, of maps,
    ``land_cover``.
    """

    def __init__(self, path: Path, shard_bytes: int = SHARD_BYTES) -> None:
        self._path = path
        self._group = zarr.create_group(path, zarr_format=3)
        self._shard_bytes = shard_bytes
        self._shard_samples = 0
        self._side: tuple[int, ...] = ()  # of a patch, pixels (y, x)
        self._waiting: dict[str, np.ndarray] = {}  # samples of the next shard, by array
        self._axes: dict[str, tuple[str, ...]] = {}
        self._filled = self._written = 0
        self._dates: dict[str, list[np.ndarray]] = {}
        self._labels: list[np.ndarray | None] = []
        self.places: list[Place] = []

    def append(
        self,
        looks: Mapping[str, Look],
        place: Place,
        land_cover: np.ndarray | None,
        labels: np.ndarray | None,
    ) -> None:
        """Add a sample: its looks by sensor, its land cover (y, x) and its labels (class,).

        Without labels the sample is not labelled; without land cover it is, as a whole.
        """
        chunks: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
        for sensor, look in looks.items():
            values = np.where(look.valid[:, None], look.values, look.values.dtype.type(MISSING))
            chunks[sensor] = ("time", "band", "y", "x"), values
            chunks[f"{sensor}_valid"] = ("time", "y", "x"), look.valid.astype(np.uint8)
            dates = look.times.astype("datetime64[ns]").astype(np.int64)
            self._dates.setdefault(f"{sensor}_date", []).append(dates)
        self._side = next(iter(looks.values())).values.shape[-2:]
        if land_cover is not None:
            chunks["land_cover"] = ("y", "x"), land_cover
        self._labels.append(labels)
        if not self._shard_samples:
            largest = max(chunk.nbytes for _, chunk in chunks.values())
            self._shard_samples = max(1, self._shard_bytes // largest)
        for name, (axes, chunk) in chunks.items():
            if name not in self._waiting:
                self._waiting[name] = np.zeros((self._shard_samples, *chunk.shape), chunk.dtype)
                self._axes[name] = axes
            self._waiting[name][self._filled] = chunk
        self._filled += 1
        self.places.append(place)
        if self._filled == self._shard_samples:
            self._flush()

    def finish(self, epsg: int, attributes: Mapping[str, Any]) -> None:
        """Write the last shard and what is small, each as one chunk, and add the attributes.

        Where ``class_codes`` is one of them, a store without a labelled sample has arrays of labels too; none
        of maps where ``label_maps`` says that there are none.
        """
        if self._filled:
            self._flush()
        if self.places:
            x, y, positions, parts = (np.array(column) for column in zip(*self.places, strict=True))
            to_degrees = Transformer.from_crs(epsg, 4326, always_xy=True)
            coordinates = np.stack([x, y, *to_degrees.transform(x, y)], axis=1)
            coordinates[~np.isfinite(coordinates).all(axis=1)] = np.nan  # a place that is not known
            self._small("coordinates", coordinates, "coordinate", names=list(COORDINATES))
            self._small("position", positions.astype(np.int32))
            self._small("split", parts.astype(np.uint8))
            for name, dates in self._dates.items():
                self._small(name, np.stack(dates), "time", units="nanoseconds since 1970-01-01")
            self._finish_labels(attributes.get("class_codes") or (), attributes.get("label_maps", True))
        stored = census(self._path)
        self._group.attrs.update({"epsg": epsg, "layout": LAYOUT, **stored, **attributes})

    def _finish_labels(self, codes: Sequence[int], maps: bool) -> None:
        """Write which samples are labelled, and the labels: 0 where there are none."""
        labelled = np.array([labels is not None for labels in self._labels])
        self._small("labelled", labelled.astype(np.uint8))
        given = [labels for labels in self._labels if labels is not None]
        classes = len(given[0]) if given else len(codes)
        if classes:
            table = np.zeros((len(labelled), classes), np.uint8)
            if given:
                table[labelled] = np.stack(given)
            self._small("multi_label", table, "class")
        if classes and maps:
            self._axes.setdefault("land_cover", ("y", "x"))
            # Of the type that label cubes with these codes have.
            self._grown("land_cover", self._side, np.min_scalar_type(max(codes, default=0)))

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
        if not self._written:
            self._shard_samples = self._filled  # of the one shard of a small store, or what it was
        first, self._written = self._written, until
        with codecs():
            for name, waiting in self._waiting.items():
                array = self._grown(name, waiting.shape[1:], waiting.dtype)
                # An empty chunk is written too: a reader finds every sample in the file.
                array.with_config({"write_empty_chunks": True})[first:until] = waiting[: self._filled]
        # Land cover is written only of shards that have some: it is 0 elsewhere.
        self._waiting.pop("land_cover", None)
        self._filled = 0

    def _grown(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> zarr.Array[Any]:
        """The array, as long as the samples written; made where there is none."""
        if name not in self._group:
            self._group.create_array(
                name,
                shape=(self._written, *shape),
                chunks=(1, *shape),
                shards=(self._shard_samples, *shape),
                dtype=dtype,
                fill_value=MISSING if "band" in self._axes[name] else 0,
                compressors=None,
                dimension_names=("sample", *self._axes[name]),
            )
        array = self._group[name]
        assert isinstance(array, zarr.Array)
        array.resize((self._written, *shape))
        return array
