"""A collection gives exactly the samples, bands and years asked for, from memory or from disk."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from revisit.errors import RevisitError
from revisit.files import read_json, write_json
from revisit.patches.batch import COORDINATES, LAYOUT, MISSING, NO_DATE
from revisit.patches.store import PARTS, PatchStore

BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red", "nir"]}
YEARS = {"sentinel-1": [2018, 2019, 2020], "sentinel-2": [2019, 2020, 2021]}
COUNTS, SIDE = {"a": 7, "b": 5}, 6
SAMPLES = sum(COUNTS.values())


def write_collection(folder: Path, kind: str, **changes: Any) -> dict[str, np.ndarray]:
    """Two stores and an index of random samples; what is in them, end to end."""
    random = np.random.default_rng(0)
    about: dict[str, Any] = {
        "stage": "patches", "kind": kind, "bands": BANDS, "patch_pixels": SIDE,
        "scaling": {sensor: {"bands": dict.fromkeys(own)} for sensor, own in BANDS.items()},
        "time_axis": kind != "pairs", "years": YEARS if kind == "yearly" else {}, "classes": ["a", "c"],
        "label_columns": [0, 2], "stores": [],
    }  # fmt: skip
    parts = []
    for number, (region, samples) in enumerate(COUNTS.items()):
        arrays = {
            "split": np.arange(samples, dtype="u1") % 3,
            "position": np.arange(samples, dtype="i4") // 2,
            "land_cover": random.integers(0, 100, (samples, SIDE, SIDE), dtype="u1"),
            "labelled": np.arange(samples, dtype="u1") % 2,
            "multi_label": random.integers(0, 2, (samples, 3), dtype="u1"),
            "coordinates": random.random((samples, len(COORDINATES))),
        }
        for sensor, bands in BANDS.items():
            times = 1 if kind == "pairs" else 3
            arrays[sensor] = random.integers(0, 256, (samples, times, len(bands), SIDE, SIDE), dtype="u1")
            arrays[f"{sensor}_date"] = random.integers(0, 2**60, (samples, times))
        group = zarr.create_group(folder / f"{region}.zarr", attributes={"layout": LAYOUT})
        for name, array in arrays.items():
            group.create_array(
                name, data=array, chunks=(1, *array.shape[1:]), shards=array.shape, compressors=None
            )
        parts.append(arrays)
        about["stores"].append(
            {
                "path": f"{region}.zarr", "region": region, "epsg": 32631 + number, "samples": samples,
                "places": (samples + 1) // 2, "years": about["years"],
            }
        )  # fmt: skip
    write_json(folder / "index.json", about | changes)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


# In memory as a whole, some arrays only, and nothing.
@pytest.mark.parametrize("memory_mb", [512, 0.001, 0])
def test_pairs(tmp_path: Path, memory_mb: float) -> None:
    """Bands of both sensors in any order, samples in any order and more than once."""
    arrays = write_collection(tmp_path, "pairs")
    store = PatchStore(tmp_path, memory_mb)
    wanted = np.array([7, 2, 2, 11])
    for _ in range(2):
        images = store.images(wanted, ["nir", "vh", "blue"])
        columns = [("sentinel-2", 3), ("sentinel-1", 1), ("sentinel-2", 0)]
        expected = np.stack([arrays[sensor][wanted, 0, band] for sensor, band in columns], axis=1)
        np.testing.assert_array_equal(images, expected)
        assert images.dtype == np.uint8
    np.testing.assert_array_equal(store.land_cover(wanted), arrays["land_cover"][wanted])
    np.testing.assert_array_equal(store.multi_label(wanted), arrays["multi_label"][wanted][:, [0, 2]])
    np.testing.assert_array_equal(store.indices("val"), [1, 4, 8, 11])
    np.testing.assert_array_equal(store.indices("val", labelled=True), [1, 8])
    np.testing.assert_array_equal(store.positions, [0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6])
    assert store.samples == SAMPLES
    assert (store.years(["vv"]), store.times(["vv"])) == ((), 0)


@pytest.mark.parametrize("memory_mb", [512, 0])
def test_yearly(tmp_path: Path, memory_mb: float) -> None:
    """Sensors are joined by year, not by index; one year can be had alone."""
    arrays = write_collection(tmp_path, "yearly")
    store = PatchStore(tmp_path / "index.json", memory_mb)
    wanted = np.array([3, 0, 9])
    both = ["vv", "vh", "red"]
    assert store.years(["vv"]) == (2018, 2019, 2020)
    assert store.years(both) == (2019, 2020)
    assert store.times(both) == 2
    radar, optical = arrays["sentinel-1"][wanted, 1:], arrays["sentinel-2"][wanted, :2, 2:3]
    expected = np.concatenate([radar, optical], axis=2)
    np.testing.assert_array_equal(store.images(wanted, both), expected)
    np.testing.assert_array_equal(store.images(wanted, both, time=1), expected[:, 1])


@pytest.mark.parametrize("memory_mb", [512, 0])
def test_a_region_without_a_year(tmp_path: Path, memory_mb: float) -> None:
    """The year that a region's store lacks is no date, and no image."""
    write_collection(tmp_path, "yearly")
    whole = PatchStore(tmp_path, memory_mb)
    index = read_json(tmp_path / "index.json")
    index["years"]["sentinel-1"] = [2018, 2019, 2020, 2022]
    index["stores"][1]["years"]["sentinel-1"] = [2019, 2020, 2022]
    write_json(tmp_path / "index.json", index)
    store, samples = PatchStore(tmp_path, memory_mb), np.array([2, 10])
    batch, before = store.batch(samples, ["vh"]), whole.batch(samples, ["vh"])
    np.testing.assert_array_equal(batch.present[..., 0], [[1, 1, 1, 0], [0, 1, 1, 1]])
    np.testing.assert_array_equal(batch.images[0, :3], before.images[0])
    np.testing.assert_array_equal(batch.images[1, 1:], before.images[1])
    assert (batch.images[0, 3] == MISSING).all()
    assert (batch.images[1, 0] == MISSING).all()
    np.testing.assert_array_equal(batch.dates[:, [3, 0], 0].diagonal(), NO_DATE)
    single = store.batch(samples, ["vh"], time=0)
    np.testing.assert_array_equal(single.images, batch.images[:, 0])
    np.testing.assert_array_equal(single.present, [[True], [False]])
    np.testing.assert_array_equal(store.present(["vh"])[samples], batch.present[..., 0])
    np.testing.assert_array_equal(store.present(["vh"], time=0), [True] * 7 + [False] * 5)


@pytest.mark.parametrize("kind", ["pairs", "yearly"])
def test_present(tmp_path: Path, kind: str) -> None:
    """A time is there where all sensors asked for have it: as batches say it, of all samples at once."""
    write_collection(tmp_path, kind)
    for region, row, time in (("a", 2, 0), ("b", 4, -1)):
        zarr.open_array(tmp_path / f"{region}.zarr/sentinel-1_date")[row, time] = NO_DATE
    store = PatchStore(tmp_path)
    for bands in (["red"], ["vv"], ["red", "vh"]):
        batch = store.batch(np.arange(SAMPLES), bands)
        np.testing.assert_array_equal(store.present(bands), batch.present.all(axis=-1))
        assert store.present(bands).all() == (bands == ["red"])
        if kind == "yearly":
            np.testing.assert_array_equal(store.present(bands, 1), store.present(bands)[:, 1])


def test_another_layout(tmp_path: Path) -> None:
    """A store of an older version is refused in one line, whatever its index says."""
    write_collection(tmp_path, "pairs")
    for older, said in (({"layout": 1}, 1), ({}, 1), ({"layout": LAYOUT + 1}, LAYOUT + 1)):
        path = tmp_path / "b.zarr" / "zarr.json"
        write_json(path, read_json(path) | {"attributes": older})
        with pytest.raises(
            RevisitError, match=rf"b.zarr: a patch store of layout {said}, but {LAYOUT} is read"
        ):
            PatchStore(tmp_path)


def test_batch(tmp_path: Path) -> None:
    """A batch says which samples and places it is of, when and where; and goes to tensors whole."""
    arrays = write_collection(tmp_path, "pairs")
    store, wanted, bands = PatchStore(tmp_path), np.array([8, 1]), ("red", "vv", "blue")
    batch = store.batch(wanted, bands)
    np.testing.assert_array_equal(batch.images, store.images(wanted, bands))
    np.testing.assert_array_equal(batch.samples, wanted)
    np.testing.assert_array_equal(batch.places, store.positions[wanted])
    assert (batch.bands, batch.sensors) == (bands, ("sentinel-2", "sentinel-1"))
    for column, sensor in enumerate(batch.sensors):
        np.testing.assert_array_equal(batch.dates[:, column], arrays[f"{sensor}_date"][wanted, 0])
    assert batch.present.all()
    np.testing.assert_array_equal(batch.coordinates, arrays["coordinates"][wanted])
    np.testing.assert_array_equal(batch.epsg, [32632, 32631])
    tensors = batch.map(torch.from_numpy)
    assert tensors.images.dtype == torch.uint8
    assert (tensors.dates.dtype, tensors.present.dtype) == (torch.int64, torch.bool)
    assert tensors.bands == bands


def test_where(tmp_path: Path) -> None:
    """Each sample has its place, region and part."""
    arrays = write_collection(tmp_path, "pairs")
    where = PatchStore(tmp_path).where()
    np.testing.assert_array_equal(where["x"], arrays["coordinates"][:, 0])
    np.testing.assert_array_equal(where["latitude"], arrays["coordinates"][:, 3])
    assert where["region"].tolist() == ["a"] * 7 + ["b"] * 5
    assert where["split"].tolist() == [PARTS[part] for part in arrays["split"]]
    np.testing.assert_array_equal(where["epsg"], [32631] * 7 + [32632] * 5)


def test_memory_is_bounded(tmp_path: Path) -> None:
    """What does not fit the budget is never kept."""
    write_collection(tmp_path, "pairs")
    array = SAMPLES * 2 * SIDE * SIDE
    store = PatchStore(tmp_path, memory_mb=2.5 * array / 1e6)
    store.images(np.arange(3), ["vv", "blue"])
    assert {name for name, array in store._arrays.items() if array._kept is not None} == {"sentinel-1"}


def test_threads_share_a_store(tmp_path: Path) -> None:
    """Readers at the same time get what each asked for."""
    arrays = write_collection(tmp_path, "yearly")
    store = PatchStore(tmp_path, memory_mb=0.003)
    drawn = np.random.default_rng(0).integers(0, SAMPLES, (200, 4))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda chosen: store.images(chosen, ["nir", "blue"], 1), drawn))
    for chosen, images in zip(drawn, found, strict=True):
        np.testing.assert_array_equal(images, arrays["sentinel-2"][chosen, 1][:, [3, 0]])


def test_wrong_questions(tmp_path: Path) -> None:
    """A band or split the store lacks is named, with those it has."""
    write_collection(tmp_path, "pairs")
    store = PatchStore(tmp_path)
    with pytest.raises(RevisitError, match=r"no bands \['swir16'\]; it has \['vv', 'vh', 'blue'"):
        store.images(np.arange(2), ["vv", "swir16"])
    with pytest.raises(RevisitError, match="no split 'validation'"):
        store.indices("validation")


def test_no_store(tmp_path: Path) -> None:
    """No folder, an index of another thing, one without its scaling, a store not scaled to 8 bit."""
    with pytest.raises(RevisitError, match="no collection of patches"):
        PatchStore(tmp_path / "none")
    write_json(tmp_path / "index.json", {"stage": "raw"})
    with pytest.raises(RevisitError, match="not an index of patches;"):
        PatchStore(tmp_path)
    write_json(tmp_path / "index.json", {"stage": "patches"})
    with pytest.raises(RevisitError, match="without kind, bands, scaling"):
        PatchStore(tmp_path)
    write_collection(tmp_path, "pairs")
    group = zarr.open_group(tmp_path / "a.zarr")
    group.create_array("sentinel-1", shape=(7, 1, 2, SIDE, SIDE), dtype="f4", overwrite=True)
    with pytest.raises(RevisitError, match="float32, not scaled to uint8"):
        PatchStore(tmp_path).images(np.arange(2), ["vv"])


def test_the_reader_is_light() -> None:
    """Training imports the reader at every start: it brings neither geography nor statistics along."""
    heavy = "{'scipy', 'rasterio', 'pyproj', 'xarray', 'matplotlib', 'torch'}"
    code = f"import sys, revisit.patches.store; raise SystemExit(str({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.strip() == "set()"
