"""Stores are few files, plain Zarr, with a sample of an array in one range of bytes."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from revisit.patches.arrays import Files, RegionArray
from revisit.patches.batch import LAYOUT, NO_DATE
from revisit.patches.kind import NO_TIME, Look
from revisit.patches.writer import Place, StoreWriter

SIDE, EPSG = 4, 32631
LOOK = Look(np.zeros((2, 2, 4, 4), np.uint8), np.ones((2, 4, 4), bool), np.array([0, 1], "datetime64[ns]"))


def write(path: Path, samples: int, shard_bytes: int | None = None) -> np.ndarray:
    """A store of one sensor of two bands and two times, the second without a date; its values."""
    values = np.random.default_rng(0).integers(0, 256, (samples, 2, 2, SIDE, SIDE), np.uint8)
    writer = StoreWriter(path) if shard_bytes is None else StoreWriter(path, shard_bytes)
    valid = np.ones((2, SIDE, SIDE), bool)
    valid[:, 0, 0] = False
    times = np.array(["2020-07-01", NO_TIME], "datetime64[ns]")
    for sample in range(samples):
        place = Place(500_000 + 40 * sample, 5_400_000, sample // 2, sample % 3)
        labels = np.array([sample % 2, 1], np.uint8)
        writer.append(
            {"radar": Look(values[sample], valid, times)}, place, np.ones((SIDE, SIDE), np.uint8), labels
        )
    writer.finish(EPSG, {"stage": "patches"})
    values[..., 0, 0] = 128
    return values


def test_files(tmp_path: Path) -> None:
    """At ten thousand samples there are under 0.02 files a sample, whatever their size."""
    write(tmp_path / "large.zarr", 10_000, shard_bytes=10_000 * 64 // 20)
    write(tmp_path / "small.zarr", 300)
    assert files(tmp_path / "large.zarr") < 0.02 * 10_000
    # A description and a chunk or shard of each of nine arrays, and the description of the group.
    assert files(tmp_path / "small.zarr") == 2 * 9 + 1


def files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def test_shards(tmp_path: Path) -> None:
    """Shards are cut at the bytes asked for, a chunk is a sample, and every value is where it was."""
    values = write(tmp_path / "s.zarr", 23, shard_bytes=640)
    group = zarr.open_group(tmp_path / "s.zarr", mode="r")
    array = group["radar"]
    assert (array.shards, array.chunks, array.compressors) == ((10, 2, 2, 4, 4), (1, 2, 2, 4, 4), ())
    assert array.shape == (23, 2, 2, 4, 4)
    assert array.metadata.dimension_names == ("sample", "time", "band", "y", "x")
    np.testing.assert_array_equal(array[:], values)
    assert group["land_cover"].shards == (10, 4, 4)
    np.testing.assert_array_equal(group["radar_date"][:, 1], NO_DATE)
    np.testing.assert_array_equal(group["position"][:], np.arange(23) // 2)
    np.testing.assert_array_equal(group["split"][:], np.arange(23) % 3)
    np.testing.assert_array_equal(group["multi_label"][:, 0], np.arange(23) % 2)


@pytest.mark.parametrize(("most", "dtype"), [(30, np.uint8), (300, np.uint16)])
def test_labels_of_some(tmp_path: Path, most: int, dtype: type) -> None:
    """Samples with and without labels, in any order: what was not given is 0, and takes no shard.

    All stores of a legend have codes of one type, with or without a labelled sample.
    """
    for name, labelled in {"late": [11, 12, 15], "early": [0, 9], "none": []}.items():
        writer = StoreWriter(tmp_path / name, 64 * 5)
        for sample in range(17):
            has = sample in labelled
            cover = np.full((SIDE, SIDE), sample + 1, dtype) if has else None
            writer.append(
                {"radar": LOOK}, Place(0, 0, sample, 0), cover, np.array([1, 1, 0]) if has else None
            )
        writer.finish(EPSG, {"class_codes": [10, 20, most]})
        group, there = zarr.open_group(tmp_path / name, mode="r"), np.isin(np.arange(17), labelled)
        np.testing.assert_array_equal(group["labelled"][:], there)
        np.testing.assert_array_equal(group["multi_label"][:], np.outer(there, [1, 1, 0]))
        cover = RegionArray(tmp_path / name / "land_cover", Files()).whole()
        assert cover.dtype == dtype
        np.testing.assert_array_equal(
            cover, (there * np.arange(1, 18))[:, None, None] + np.zeros((1, SIDE, SIDE))
        )
        shards = len(np.unique(np.array(labelled, int) // 5))
        assert files(tmp_path / name / "land_cover") == 1 + shards


def test_no_legend(tmp_path: Path) -> None:
    """A store that knows no classes has no arrays of labels."""
    writer = StoreWriter(tmp_path / "s.zarr")
    writer.append({"radar": LOOK}, Place(0, 0, 0, 0), None, np.zeros(0))
    writer.finish(EPSG, {})
    assert not {"land_cover", "multi_label"} & set(zarr.open_group(tmp_path / "s.zarr", mode="r"))


def test_coordinates(tmp_path: Path) -> None:
    """Metres are as given; the middle of a UTM zone is its meridian."""
    write(tmp_path / "s.zarr", 2)
    group = zarr.open_group(tmp_path / "s.zarr", mode="r")
    x, y, longitude, latitude = group["coordinates"][0]
    assert (x, y) == (500_000, 5_400_000)
    assert abs(longitude - 3) < 1e-9
    assert 48.7 < latitude < 48.8
    assert (group.attrs["epsg"], group.attrs["layout"]) == (EPSG, LAYOUT)


def test_memory_is_one_shard(tmp_path: Path) -> None:
    """What waits to be written never exceeds a shard of each array."""
    writer = StoreWriter(tmp_path / "s.zarr", 64 * 5)
    for sample in range(17):
        writer.append({"radar": LOOK}, Place(0, 0, sample, 0), None, np.zeros(2))
        assert {name: len(waiting) for name, waiting in writer._waiting.items()} == {
            "radar": 5,
            "radar_valid": 5,
        }
        assert writer._filled == (sample + 1) % 5
