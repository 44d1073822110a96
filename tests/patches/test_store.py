"""The patch store gives exactly the samples, bands and years asked for, from memory or from disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from revisit.errors import RevisitError
from revisit.patches.store import PatchStore

BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red", "nir"]}
YEARS = {"sentinel-1": [2018, 2019, 2020], "sentinel-2": [2019, 2020, 2021]}
SAMPLES, SIDE = 12, 6


def write_store(path: Path, kind: str, **attrs: Any) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    group = zarr.create_group(path)
    arrays = {
        "split": np.repeat([0, 1, 2], [6, 2, 4]).astype("u1"),
        "position": np.arange(SAMPLES, dtype="i4") // 2,
        "land_cover": random.integers(0, 100, (SAMPLES, SIDE, SIDE), dtype="u1"),
        "multi_label": random.integers(0, 2, (SAMPLES, 3), dtype="u1"),
    }
    for sensor, bands in BANDS.items():
        times = 3 if kind == "yearly" else 1
        shape = (SAMPLES, times, len(bands), SIDE, SIDE)
        arrays[sensor] = random.integers(0, 256, shape, dtype="u1")
    for name, array in arrays.items():
        group.create_array(name, data=array, chunks=(1, *array.shape[1:]), compressors=None)
    about = {"stage": "patches", "kind": kind, "bands": BANDS, "scaling": {}, "patch_pixels": SIDE}
    about |= {"years": YEARS if kind == "yearly" else {}, "classes": ["a", "b", "c"]}
    group.attrs.update(about | attrs)
    return arrays


# In memory as a whole, some arrays only, and nothing.
@pytest.mark.parametrize("memory_mb", [512, 0.001, 0])
def test_pairs(tmp_path: Path, memory_mb: float) -> None:
    """Bands of both sensors in any order, samples in any order and more than once."""
    arrays = write_store(tmp_path / "s.zarr", "pairs")
    store = PatchStore(tmp_path / "s.zarr", memory_mb)
    wanted = np.array([7, 2, 2, 11])
    for _ in range(2):
        images = store.images(wanted, ["nir", "vh", "blue"])
        columns = [("sentinel-2", 3), ("sentinel-1", 1), ("sentinel-2", 0)]
        expected = np.stack([arrays[sensor][wanted, 0, band] for sensor, band in columns], axis=1)
        np.testing.assert_array_equal(images, expected)
        assert images.dtype == np.uint8
    np.testing.assert_array_equal(store.land_cover(wanted), arrays["land_cover"][wanted])
    np.testing.assert_array_equal(store.multi_label(wanted), arrays["multi_label"][wanted])
    np.testing.assert_array_equal(store.indices("val"), [6, 7])
    np.testing.assert_array_equal(store.positions, arrays["position"])
    assert store.samples == SAMPLES
    assert store.years(["vv"]) == ()


@pytest.mark.parametrize("memory_mb", [512, 0])
def test_yearly(tmp_path: Path, memory_mb: float) -> None:
    """Sensors are joined by year, not by index; one year can be had alone."""
    arrays = write_store(tmp_path / "s.zarr", "yearly")
    store = PatchStore(tmp_path / "s.zarr", memory_mb)
    wanted = np.array([3, 0])
    both = ["vv", "vh", "red"]
    assert store.years(["vv"]) == (2018, 2019, 2020)
    assert store.years(both) == (2019, 2020)
    radar, optical = arrays["sentinel-1"][wanted, 1:], arrays["sentinel-2"][wanted, :2, 2:3]
    expected = np.concatenate([radar, optical], axis=2)
    np.testing.assert_array_equal(store.images(wanted, both), expected)
    np.testing.assert_array_equal(store.images(wanted, both, time=1), expected[:, 1])


def test_memory_is_bounded(tmp_path: Path) -> None:
    """What does not fit the budget is never kept."""
    write_store(tmp_path / "s.zarr", "pairs")
    array = SAMPLES * 2 * SIDE * SIDE
    store = PatchStore(tmp_path / "s.zarr", memory_mb=2.5 * array / 1e6)
    store.images(np.arange(3), ["vv", "blue"])
    kept = {name for name, held in store._arrays.items() if isinstance(held, np.ndarray)}
    assert kept == {"sentinel-1"}


def test_wrong_questions(tmp_path: Path) -> None:
    """A band or split the store lacks is named, with those it has."""
    write_store(tmp_path / "s.zarr", "pairs")
    store = PatchStore(tmp_path / "s.zarr")
    with pytest.raises(RevisitError, match=r"no bands \['swir16'\]; it has \['vv', 'vh', 'blue'"):
        store.images(np.arange(2), ["vv", "swir16"])
    with pytest.raises(RevisitError, match="no split 'validation'"):
        store.indices("validation")


def test_no_store(tmp_path: Path) -> None:
    """No folder, a group of another kind, a store without its scaling, one not scaled to 8 bit."""
    with pytest.raises(RevisitError, match="no patch store"):
        PatchStore(tmp_path / "none.zarr")
    write_store(tmp_path / "raw.zarr", "pairs", stage="raw")
    with pytest.raises(RevisitError, match="not a finished patch store"):
        PatchStore(tmp_path / "raw.zarr")
    zarr.create_group(tmp_path / "bare.zarr").attrs["stage"] = "patches"
    with pytest.raises(RevisitError, match="without kind, bands, scaling"):
        PatchStore(tmp_path / "bare.zarr")
    write_store(tmp_path / "float.zarr", "pairs")
    group = zarr.open_group(tmp_path / "float.zarr")
    group.create_array("sentinel-1", shape=(SAMPLES, 1, 2, SIDE, SIDE), dtype="f4", overwrite=True)
    with pytest.raises(RevisitError, match="float32, not scaled to uint8"):
        PatchStore(tmp_path / "float.zarr")
