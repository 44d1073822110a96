"""Reads single samples of the arrays of patch stores, as ranges of bytes of mapped files.

An uncompressed chunk of a Zarr v3 array is a range of its shard's file, and the shard ends with an index of
those ranges; so a sample is copied out of a memory map. What is stored otherwise (compressed, cut
differently, chunks left out) is read through zarr.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from google_crc32c import value as crc32c
from numpy.typing import NDArray

from revisit.errors import RevisitError
from revisit.files import read_json

MOST_FILES = 512  # mapped at a time: each takes one of the files a process may have open
_ENTRY = 16  # bytes of the index for a chunk: offset and length, uint64
_CHECKSUM = 4
_ABSENT = np.uint64(2**64 - 1)


class _Layout(NamedTuple):
    """How the samples of an array lie in its files: ``rows`` a file, with an index at its end or without."""

    rows: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    indexed: bool


class _File(NamedTuple):
    """Samples of a mapped file, in the order they lie in it, and the place of each; -1 is not in it."""

    samples: NDArray[Any]
    order: Sequence[int]


class Files:
    """The latest used files of the arrays of patch stores, mapped. Threads may share it."""

    def __init__(self) -> None:
        self.get = lru_cache(MOST_FILES)(RegionArray.map)


class RegionArray:
    """An array of one store, its first axis the sample."""

    def __init__(self, folder: Path, files: Files) -> None:
        self.folder, self._files = folder, files
        about = read_json(folder / "zarr.json")
        self.shape: tuple[int, ...] = tuple(about["shape"])
        self.dtype = np.dtype(about["data_type"])
        self._layout = _layout(about, self.shape, self.dtype)
        self._rows = self._layout.rows if self._layout else self.shape[0]

    def __getitem__(self, row: int) -> NDArray[Any]:
        """One sample: a view of its file where it is a range of bytes, else read through zarr."""
        number, inside = divmod(row, self._rows)
        file = self._files.get(self, number)
        if file is None or (place := file.order[inside]) < 0:
            return self._by_zarr(row)
        sample: NDArray[Any] = file.samples[place]
        return sample

    def whole(self) -> NDArray[Any]:
        """All samples, in memory."""
        out = np.empty(self.shape, self.dtype)
        for first in range(0, self.shape[0], self._rows):
            rows = slice(first, min(first + self._rows, self.shape[0]))
            file = self._files.get(self, first // self._rows)
            if file is None or min(order := file.order[: rows.stop - first]) < 0:
                out[rows] = self._by_zarr(rows)
            else:
                out[rows] = file.samples[order]
        return out

    def map(self, number: int) -> _File | None:
        """The file of that number, mapped; None where its samples are no ranges of bytes."""
        if self._layout is None:
            return None
        zeros = ["0"] * len(self._layout.shape)
        return _map(self.folder.joinpath("c", str(number), *zeros), self._layout)

    def _by_zarr(self, rows: int | slice) -> NDArray[Any]:
        import zarr  # a quarter of a second to load; few stores need it

        return np.asarray(zarr.open_array(self.folder, mode="r")[rows])


class _Choice(NamedTuple):
    """What is taken of a sample: an index into it, and the times it goes to; None where that is all."""

    index: Any
    times: list[int] | None


class Joined:
    """The arrays of one name in all stores of a collection, end to end, as if they were one.

    ``firsts``: the number of each store's first sample, and behind them the number of all. ``times``: for
    each store the index in its time axis of each time of the collection, -1 where it has none; None where
    the axes are the same. What a store does not have is ``fill``.
    """

    def __init__(
        self,
        arrays: Sequence[RegionArray],
        firsts: Sequence[int],
        times: Sequence[Sequence[int]] | None = None,
        fill: int = 0,
    ) -> None:
        self._arrays, self._firsts, self._times, self._fill = arrays, firsts, times, fill
        for array, begin, end in zip(arrays, firsts[:-1], firsts[1:], strict=True):
            if array.shape[0] != end - begin:
                raise RevisitError(
                    f"{array.folder}: has {array.shape[0]} samples, the index says {end - begin}; "
                    "run the stage index again"
                )
        axes = arrays[0].shape[1:]
        self.shape = (firsts[-1], *(axes if times is None else (len(times[0]), *axes[1:])))
        self.dtype = arrays[0].dtype
        self._kept: NDArray[Any] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all samples."""
        return prod(self.shape) * int(self.dtype.itemsize)

    def keep(self) -> None:
        """Read everything once, and take it from memory from now on."""
        self._kept = self.whole()

    def whole(self) -> NDArray[Any]:
        """All samples, in memory."""
        out = np.empty(self.shape, self.dtype)
        for number, array in enumerate(self._arrays):
            part, choice = out[self._firsts[number] : self._firsts[number + 1]], self._choose(number, ())
            values = array.whole()
            if self._times is not None:
                values = values[:, choice.index[0]]
            if choice.times is None:
                part[:] = values
            else:
                part[:] = self._fill
                part[:, choice.times] = values
        return out

    def read(self, samples: NDArray[Any], out: NDArray[Any], *axes: Sequence[int]) -> None:
        """Copy these samples to ``out``; ``axes`` are indices along the axes after the first."""
        if self._kept is not None:
            index = _index(axes)
            for place, sample in enumerate(samples.tolist()):
                out[place] = self._kept[sample][index]
            return
        choices: dict[int, _Choice] = {}
        for place, sample in enumerate(samples.tolist()):
            number = bisect_right(self._firsts, sample) - 1
            row = self._arrays[number][sample - self._firsts[number]]
            alike = number if self._times else 0
            if alike not in choices:
                choices[alike] = self._choose(alike, axes)
            index, times = choices[alike]
            if times is None:
                out[place] = row[index]
            else:
                out[place] = self._fill
                out[place, times] = row[index]

    def take(self, samples: NDArray[Any], *axes: Sequence[int]) -> NDArray[Any]:
        """These samples as an array of their own."""
        lengths = [len(axis) for axis in axes]
        out = np.empty((len(samples), *lengths, *self.shape[1 + len(axes) :]), self.dtype)
        self.read(samples, out, *axes)
        return out

    def _choose(self, number: int, axes: Sequence[Sequence[int]]) -> _Choice:
        """What is taken of the samples of a store."""
        if self._times is None:
            return _Choice(_index(axes), None)
        own = self._times[number]
        wanted = [own[time] for time in (axes[0] if axes else range(len(own)))]
        there = [place for place, time in enumerate(wanted) if time >= 0]
        index = _index([[wanted[place] for place in there], *axes[1:]])
        return _Choice(index, None if len(there) == len(wanted) else there)


def _index(axes: Sequence[Sequence[int]]) -> Any:
    """What chooses these indices along the first axes of an array."""
    steps = [_steps(list(axis)) for axis in axes]
    if sum(isinstance(step, list) for step in steps) > 1:
        return np.ix_(*axes)
    return tuple(steps)


def _steps(indices: list[int]) -> slice | list[int]:
    """Indices as a slice where they are evenly spaced: numpy copies those without gathering."""
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    if not indices or step == 0 or indices != list(range(indices[0], indices[0] + len(indices) * step, step)):
        return indices
    stop = indices[-1] + step
    return slice(indices[0], stop if stop >= 0 else None, step)


def _layout(about: dict[str, Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> _Layout | None:
    """The layout of an array by its metadata; None where samples are no ranges of bytes."""
    chunk = about["chunk_grid"]["configuration"]["chunk_shape"]
    keys = about["chunk_key_encoding"]
    plain = keys["name"] == "default" and keys.get("configuration", {}).get("separator", "/") == "/"
    codecs = about["codecs"]
    indexed = [codec["name"] for codec in codecs] == ["sharding_indexed"]
    if indexed:
        shards = codecs[0]["configuration"]
        plain &= tuple(shards["chunk_shape"]) == (1, *shape[1:]) and shards["index_location"] == "end"
        plain &= [codec["name"] for codec in shards["index_codecs"]] == ["bytes", "crc32c"]
        codecs = shards["codecs"]
    plain &= [codec["name"] for codec in codecs] == ["bytes"] and tuple(chunk[1:]) == shape[1:]
    if not plain:
        return None
    endian = codecs[0].get("configuration", {}).get("endian", "little")
    return _Layout(chunk[0], shape[1:], dtype.newbyteorder("<" if endian == "little" else ">"), indexed)


def _map(path: Path, layout: _Layout) -> _File | None:
    """A file of an array, mapped; None where there is none, or its chunks are not all of one length."""
    try:
        raw = np.asarray(np.memmap(path, np.uint8, "r"))
    except (FileNotFoundError, ValueError):  # numpy does not map an empty file
        return None
    size = prod(layout.shape) * layout.dtype.itemsize
    if not layout.indexed:
        whole = layout.rows * size
        return _File(_samples(raw, 0, layout.rows, layout), range(layout.rows)) if raw.size == whole else None
    length = layout.rows * _ENTRY
    index = raw[-length - _CHECKSUM : -_CHECKSUM]
    stored = raw[-_CHECKSUM:].view("<u4")
    if raw.size < length + _CHECKSUM or crc32c(index.tobytes()) != stored[0]:
        raise RevisitError(f"{path}: damaged; remove its store and run the stage tile again")
    offsets, lengths = index.view("<u8").reshape(-1, 2).T
    there = offsets != _ABSENT
    if not there.any():
        return None
    first = offsets[there].min()
    places, beside = np.divmod(offsets[there] - first, np.uint64(size))
    if (lengths[there] != size).any() or beside.any():
        return None
    order = np.full(layout.rows, -1)
    order[there] = places
    return _File(_samples(raw, int(first), int(places.max()) + 1, layout), order.tolist())


def _samples(raw: NDArray[np.uint8], first: int, count: int, layout: _Layout) -> NDArray[Any]:
    size = prod(layout.shape) * layout.dtype.itemsize
    return raw[first : first + count * size].view(layout.dtype).reshape(count, *layout.shape)
