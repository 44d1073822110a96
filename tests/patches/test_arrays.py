"""Samples of an array come the same from mapped shards, odd shards and compressed chunks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from revisit.errors import RevisitError
from revisit.patches import arrays
from revisit.patches.arrays import Files, Joined, RegionArray

SHAPE, CHUNK = (23, 2, 3, 4, 4), (1, 2, 3, 4, 4)
LAYOUTS: dict[str, dict[str, Any]] = {
    "sharded": {"chunks": CHUNK, "shards": (10, *CHUNK[1:]), "compressors": None},
    "one chunk": {"chunks": SHAPE, "compressors": None},
    "a chunk a file": {"chunks": CHUNK, "compressors": None},
    "compressed shards": {"chunks": CHUNK, "shards": (10, *CHUNK[1:])},
    "compressed": {"chunks": (5, *CHUNK[1:])},
    "cut across": {"chunks": (1, 1, 3, 4, 4), "shards": (10, 2, 3, 4, 4), "compressors": None},
    "big-endian": {"chunks": CHUNK, "compressors": None, "serializer": zarr.codecs.BytesCodec(endian="big")},
}


def write(path: Path, layout: str, dtype: str = "uint16") -> np.ndarray:
    values = np.random.default_rng(1).integers(1, 200, SHAPE).astype(dtype)
    values[7] = 0
    array = zarr.create_array(path, shape=SHAPE, dtype=dtype, fill_value=0, **LAYOUTS[layout])
    array[:] = values  # of sample 7, all fill value, no chunk is written
    return values


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout(tmp_path: Path, layout: str) -> None:
    """Zarr may store an array in many ways; a sample is the same."""
    values = write(tmp_path / "a", layout)
    array = RegionArray(tmp_path / "a", Files())
    np.testing.assert_array_equal(array.whole(), values)
    for row in (0, 7, 9, 10, 22):
        np.testing.assert_array_equal(array[row], values[row])


def test_samples_are_mapped(tmp_path: Path) -> None:
    """Uncompressed samples are views of the file: nothing is read but what is used."""
    write(tmp_path / "a", "sharded")
    array = RegionArray(tmp_path / "a", Files())
    root = array[3]
    while root.base is not None and not isinstance(root, np.memmap):
        root = root.base
    assert isinstance(root, np.memmap)
    assert RegionArray(tmp_path / "a", Files())._files.get(array, 0).order[7] == -1


def test_shards_in_any_order(tmp_path: Path) -> None:
    """Chunks may lie in a shard in any order: writers that work in parallel leave them as they come."""
    values = write(tmp_path / "a", "sharded", "uint8")
    path = tmp_path / "a" / "c" / "1" / "0" / "0" / "0" / "0"
    raw = np.fromfile(path, np.uint8)
    size = int(np.prod(CHUNK))
    chunks, index = raw[: 10 * size].reshape(10, size), raw[10 * size : -4].view("<u8").reshape(10, 2)
    order = np.random.default_rng(0).permutation(10)
    index[order, 0] = np.arange(10) * size
    checksum = np.array([arrays.crc32c(index.tobytes())], "<u4")
    path.write_bytes(chunks[order].tobytes() + index.tobytes() + checksum.tobytes())
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a")[10:20], values[10:20])
    array = RegionArray(tmp_path / "a", Files())
    np.testing.assert_array_equal(array.whole(), values)
    np.testing.assert_array_equal(array[13], values[13])


def test_damage(tmp_path: Path) -> None:
    """A shard that lost its end is refused, not read as something else."""
    write(tmp_path / "a", "sharded")
    path = tmp_path / "a" / "c" / "1" / "0" / "0" / "0" / "0"
    path.write_bytes(path.read_bytes()[:-9])
    array = RegionArray(tmp_path / "a", Files())
    with pytest.raises(RevisitError, match="damaged; remove its store"):
        array[12]


def test_few_files_are_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many shards there are, only the latest used stay mapped."""
    monkeypatch.setattr(arrays, "MOST_FILES", 2)
    values = write(tmp_path / "a", "a chunk a file")
    files = Files()
    array = RegionArray(tmp_path / "a", files)
    for row in (0, 1, 2, 3, 1, 0):
        np.testing.assert_array_equal(array[row], values[row])
    assert files.get.cache_info().currsize == 2


# In memory and from the files, with slices, lists and both.
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(
    "axes", [(), ([1],), ([1, 0], [2, 1, 0]), ([0, 1], [2, 0, 1]), ([1, 1, 0], [0, 0, 2])]
)
def test_joined(tmp_path: Path, kept: bool, axes: tuple[list[int], ...]) -> None:
    """Stores end to end are as one; a time that a store lacks is filled."""
    first, second = (write(tmp_path / name, "sharded") for name in "ab")
    files = Files()
    parts = [RegionArray(tmp_path / name, files) for name in "ab"]
    joined = Joined(parts, [0, 23, 46], [[1, 0], [-1, 1]], fill=77)
    if kept:
        joined.keep()
    absent = np.full_like(second[:, 0], 77)
    expected = np.concatenate([first[:, [1, 0]], np.stack([absent, second[:, 1]], axis=1)])
    samples = np.array([45, 3, 22, 23, 3, 30])
    chosen = expected[np.ix_(samples, *axes)] if axes else expected[samples]
    np.testing.assert_array_equal(joined.take(samples, *axes), chosen)
    np.testing.assert_array_equal(joined.whole(), expected)
    assert joined.take(samples[:0], *axes).shape == (0, *chosen.shape[1:])


def test_another_index(tmp_path: Path) -> None:
    """A store tiled anew after its index was made is noticed."""
    write(tmp_path / "a", "sharded")
    with pytest.raises(RevisitError, match="has 23 samples, the index says 22; run the stage index again"):
        Joined([RegionArray(tmp_path / "a", Files())], [0, 22])
