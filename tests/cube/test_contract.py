"""Protects the cube format: what is written is read back, by xarray and GDAL too; nothing else passes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401  (gives datasets their .rio)
import xarray as xr
import zarr

from revisit.cube.contract import grid_of, open_cube, values_of
from revisit.cube.grid import Grid, Region, region_grid
from revisit.cube.write import create_cube
from revisit.errors import RevisitError

GRID = region_grid(Region(bbox=[5.0, 50.0, 5.04, 50.02]))
BANDS = {"reflectance": ["red", "green", "nir08"], "dB": ["vv", "vh"], "scaled": ["vv", "vh"]}
SENSOR = {"reflectance": "sentinel-2", "dB": "sentinel-1", "scaled": "sentinel-1"}


def image(unit: str, seed: int, grid: Grid = GRID) -> np.ndarray:
    random = np.random.default_rng(seed)
    shape = (len(BANDS[unit]), *grid.shape)
    if unit == "scaled":
        return random.integers(0, 256, shape, dtype=np.uint8)
    values = random.uniform(-0.05, 1.2, shape) if unit == "reflectance" else random.normal(-12, 4, shape)
    values[:, :30, :20] = np.nan
    return values.astype(np.float32)


def make(path: Path, unit: str = "reflectance", stage: str = "raw", keep: str = "kkk", **more: Any) -> Path:
    """A cube with one date for each letter, kept (k) or dropped (d)."""
    with create_cube(
        path,
        GRID,
        dates=len(keep),
        bands=BANDS[unit],
        sensor=SENSOR[unit],
        region="here",
        stage=stage,
        unit=unit,
        settings={"seed": 1},
        scene_classification=unit == "reflectance",
        **more,
    ) as cube:
        for date, letter in enumerate(keep):
            values = image(unit, date)
            valid = np.isfinite(values).all(axis=0)
            classes = np.full(GRID.shape, date, np.uint8) if unit == "reflectance" else None
            for block in GRID.blocks(256):
                part = None if classes is None else classes[block]
                cube.write(block, values[(slice(None), *block)], valid[block], part)
            if letter == "k":
                time = np.datetime64(f"2020-03-0{date + 1}T10:11:12.345")
                cube.keep(time, source_items=f"item-{date}", relative_orbit=51, shift_x=0.25 * date)
            else:
                cube.drop()
    return path


@pytest.mark.parametrize("unit", BANDS)
def test_values_come_back(tmp_path: Path, unit: str) -> None:
    """Reflectance to half its step, the others to the bit; NaN stays NaN; a scaled 0 is a value."""
    cube = open_cube(make(tmp_path / "c.zarr", unit))
    values = values_of(cube).values
    expected = np.stack([image(unit, date) for date in range(3)])
    assert values.dtype == expected.dtype
    np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
    np.testing.assert_allclose(values, expected, atol=0.51e-4 if unit == "reflectance" else 0)
    np.testing.assert_array_equal(cube["valid"].values.astype(bool), np.isfinite(expected).all(axis=1))
    assert grid_of(cube) == GRID


@pytest.mark.parametrize(
    ("chunks", "first"), [({}, (1, 3, 234, 147)), ("auto", None), ({"time": 2, "x": 512}, (2, 3, 234, 294))]
)
def test_with_chunks_it_is_dask_and_says_the_same(tmp_path: Path, chunks: Any, first: Any) -> None:
    """Reductions of what memory need not hold give what numpy gives on the whole."""
    dask = pytest.importorskip("dask.array")
    path = make(tmp_path / "c.zarr")
    whole, lazy = open_cube(path), open_cube(path, chunks=chunks)
    values = values_of(lazy)
    assert isinstance(values.data, dask.Array)
    assert first is None or tuple(sizes[0] for sizes in values.chunks) == first
    assert isinstance(lazy["time"].data, np.ndarray)
    assert (values.dtype, lazy["valid"].dtype) == (np.float32, np.uint8)
    xr.testing.assert_identical(lazy.compute(), whole.compute())
    mean = np.nanmean(values_of(whole).values, axis=(0, 2, 3), dtype=np.float64)
    found = values.mean(("time", "y", "x"), dtype=np.float64).compute()
    np.testing.assert_allclose(found.values, mean, rtol=1e-12)
    clear = values.where(lazy["valid"] == 1).max("time").compute()
    expected = np.where(whole["valid"].values[:, None] == 1, values_of(whole).values, np.nan)
    np.testing.assert_array_equal(clear.values, np.fmax.reduce(expected))


def test_chunks_without_dask_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "c.zarr")
    monkeypatch.setattr("revisit.cube.contract.find_spec", lambda name: None)
    with pytest.raises(RevisitError, match=r"takes dask; pip install 'revisit\[dask\]'"):
        open_cube(path, chunks={})


def test_without_chunks_nothing_is_dask(tmp_path: Path) -> None:
    """Stages read block by block themselves; a graph of tasks would only cost them."""
    assert values_of(open_cube(make(tmp_path / "c.zarr"))).chunks is None


def test_a_large_cube_is_few_files(tmp_path: Path) -> None:
    """A date of 20 km is one file an array, and says the same; its chunks stay 256 pixels wide."""
    grid = Grid(32631, GRID.transform, 2016, 2010)
    values = np.random.default_rng(0).integers(-500, 10_000, (2, *grid.shape), dtype=np.int16)
    with create_cube(
        tmp_path / "c.zarr", grid, dates=2, bands=["red", "nir"], sensor="sentinel-2", region="here",
        stage="raw", unit="reflectance", settings={}, scene_classification=True,
    ) as cube:  # fmt: skip
        for day in (1, 2):
            for block in grid.blocks(2048):
                cube.write(block, day * values // 2, values[0] > 0, (values[0] % 12).astype(np.uint8))
            cube.keep(np.datetime64(f"2020-01-0{day}"))
    for name in ("reflectance", "valid", "scl"):
        assert len([file for file in (tmp_path / "c.zarr" / name / "c").rglob("*") if file.is_file()]) == 2
    read = open_cube(tmp_path / "c.zarr")
    np.testing.assert_allclose(values_of(read).values[1], values * 1e-4, atol=1e-6)
    np.testing.assert_array_equal(read["valid"].values[0], values[0] > 0)
    chunks = zarr.open_array(tmp_path / "c.zarr" / "reflectance", mode="r").chunks
    assert chunks == (1, 2, 256, 256)


def test_reflectance_beyond_its_type_is_held_not_wrapped(tmp_path: Path) -> None:
    """Sun glint can exceed 3.27; as int16 it must not turn negative or missing."""
    with create_cube(
        tmp_path / "c.zarr", GRID, dates=1, bands=["red"], sensor="sentinel-2", region="here", stage="raw",
        unit="reflectance", settings={},
    ) as cube:  # fmt: skip
        values = np.full((1, *GRID.shape), 9.0, np.float32)
        values[0, 0] = -9.0
        cube.write((slice(0, GRID.height), slice(0, GRID.width)), values, np.ones(GRID.shape, bool))
        cube.keep(np.datetime64("2020-01-01"))
    read = values_of(open_cube(tmp_path / "c.zarr")).values
    assert read.max() == pytest.approx(3.2767)
    assert read.min() == pytest.approx(-3.2767)


def test_dates_keep_their_provenance_and_dropped_ones_leave_nothing(tmp_path: Path) -> None:
    cube = open_cube(make(tmp_path / "c.zarr", keep="kdkd"))
    assert cube["source_items"].values.tolist() == ["item-0", "item-2"]
    assert cube["time"].dtype == "datetime64[ns]"
    assert str(cube["time"].values[1]) == "2020-03-03T10:11:12.345000000"
    assert cube["shift_x"].values.tolist() == [0, 0.5]
    assert cube["relative_orbit"].values.tolist() == [51, 51]
    np.testing.assert_allclose(
        values_of(cube).values, np.stack([image("reflectance", 0), image("reflectance", 2)]), atol=1e-4
    )
    expected = 1 - 600 / (GRID.width * GRID.height)
    assert cube["valid_fraction"].values == pytest.approx([expected, expected])
    assert cube["scl"].values[1].min() == cube["scl"].values[1].max() == 2
    chunks = [path for path in (tmp_path / "c.zarr" / "reflectance" / "c").rglob("*") if path.is_file()]
    assert len(chunks) == 2 * len(list(GRID.blocks(256)))


def test_xarray_shows_time_bands_and_reference_system(tmp_path: Path) -> None:
    """What anyone sees who opens a cube without this package."""
    plain = xr.open_zarr(make(tmp_path / "c.zarr"), decode_coords="all", consolidated=False, chunks=None)
    assert plain.rio.crs.to_epsg() == GRID.epsg
    assert plain.rio.transform() == GRID.transform
    assert plain["reflectance"].dims == ("time", "band", "y", "x")
    assert plain["band"].values.tolist() == BANDS["reflectance"]
    assert plain["wavelength_nm"].values.tolist() == [664.6, 559.8, 864.7]
    assert plain["time"].dtype.kind == "M"
    assert np.isnan(plain["reflectance"].values).sum() == 3 * 3 * 600
    assert plain["valid"].dtype == plain["scl"].dtype == np.uint8
    np.testing.assert_array_equal(plain["x"].values, GRID.x)


@pytest.mark.skipif(rasterio.__gdal_version__ < "3.12", reason="GDAL reads Zarr v3 from 3.12 on")
@pytest.mark.parametrize("unit", BANDS)
def test_gdal_opens_it_where_it_lies(tmp_path: Path, unit: str) -> None:
    path = make(tmp_path / "c.zarr", unit)
    name = {"reflectance": "reflectance", "dB": "backscatter", "scaled": "scaled"}[unit]
    with rasterio.open(f'ZARR:"{path}":/{name}:1:0') as source:
        assert source.crs.to_epsg() == GRID.epsg
        assert source.transform == GRID.transform
        numbers = source.read(1)
    expected = image(unit, 1)[0] * (1e4 if unit == "reflectance" else 1)
    seen = np.isfinite(expected)
    np.testing.assert_allclose(numbers[seen], expected[seen], atol=0.51)


def test_layout_on_disk(tmp_path: Path) -> None:
    """Plain chunks of one date, Zarr v3, both kinds of georeference: what other software relies on."""
    group = zarr.open_group(make(tmp_path / "c.zarr"), mode="r")
    array = group["reflectance"]
    assert isinstance(array, zarr.Array)
    assert group.metadata.zarr_format == 3
    assert (array.chunks, array.shards, array.dtype) == ((1, 3, 234, 147), None, np.int16)
    assert group.attrs["proj:code"] == f"EPSG:{GRID.epsg}"
    assert group.attrs["spatial:transform"] == list(GRID.transform)[:6]
    assert group.attrs["spatial:shape"] == list(GRID.shape)
    assert {convention["name"] for convention in group.attrs["zarr_conventions"]} == {"proj", "spatial"}
    assert array.attrs["grid_mapping"] == "spatial_ref"


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = make(tmp_path / "1.zarr"), make(tmp_path / "2.zarr")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"stage": "aligned"}, "stage is raw, but aligned"),
        ({"unit": "dB"}, "unit is reflectance, but dB"),
        ({"sensor": "sentinel-1"}, "sensor is sentinel-2, but sentinel-1"),
        ({"bands": ["green", "red", "nir08"]}, r"bands is \['red', 'green', 'nir08'\], but \['green'"),
        ({"bands": ["red", "green"]}, "bands is"),
    ],
)
def test_another_cube_than_asked_for_is_refused(tmp_path: Path, asked: dict[str, Any], message: str) -> None:
    """The trap of traps: a model fed with another unit or band order works, badly."""
    path = make(tmp_path / "c.zarr")
    with pytest.raises(RevisitError, match=f"c.zarr: {message}"):
        open_cube(path, **asked)
    open_cube(path, stage="raw", unit="reflectance", sensor="sentinel-2", bands=["red", "green", "nir08"])


def test_what_is_no_cube_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file.zarr"
    file.write_text("no")
    empty = tmp_path / "empty.zarr"
    empty.mkdir()
    other = tmp_path / "other.zarr"
    zarr.create_group(other, zarr_format=3, attributes={"title": "something else"})
    unfinished = tmp_path / "unfinished.zarr"
    zarr.create_group(unfinished, zarr_format=3)
    zarr.create_array(
        unfinished, name="valid", shape=(1, 2, 2), dtype="uint8", dimension_names=("time", "y", "x")
    )
    for path in (file, empty, other, unfinished, tmp_path / "absent.zarr"):
        with pytest.raises(RevisitError, match=path.name) as caught:
            open_cube(path)
        assert "\n" not in str(caught.value)


def test_a_store_of_patches_is_told_as_one(tmp_path: Path) -> None:
    """xarray only sees sizes that conflict; to make it again would mend nothing."""
    store = zarr.create_group(tmp_path / "here.zarr", attributes={"stage": "patches"})
    for name, size in (("split", 2), ("position", 3)):
        store.create_array(name, data=np.zeros(size), dimension_names=("sample",))
    with pytest.raises(RevisitError, match="holds patches and is no cube"):
        open_cube(tmp_path / "here.zarr")


def test_a_cube_that_fails_halfway_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "c.zarr")
    failing: Callable[..., Any] = lambda *_: (_ for _ in ()).throw(RuntimeError("disk full"))  # noqa: E731
    monkeypatch.setattr("revisit.cube.write.write_coordinates", failing)
    with pytest.raises(RuntimeError):
        make(path, keep="k")
    assert open_cube(path).sizes["time"] == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.zarr"]


def test_an_unknown_coordinate_of_a_date_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shiftx"), create_cube(
        tmp_path / "c.zarr", GRID, dates=1, bands=["vv"], sensor="sentinel-1", region="here", stage="raw",
        unit="dB", settings={},
    ) as cube:  # fmt: skip
        cube.keep(np.datetime64("2020-01-01"), shiftx=1)


@pytest.mark.parametrize(
    "lost",
    [
        "reflectance/c/1/0/0/0",
        "valid/c/0/0/0",
        "valid/zarr.json",
        "scl/zarr.json",
        "time/c/0",
        "relative_orbit/zarr.json",
    ],
)
@pytest.mark.parametrize("how", ["gone", "cut short"])
def test_a_cube_that_has_lost_a_file_is_refused(tmp_path: Path, lost: str, how: str) -> None:
    """Zarr would read such a chunk as pixels that nobody saw, and a lost array as one that never was."""
    path = make(tmp_path / "raw.zarr")
    open_cube(path)
    file = path / lost
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(RevisitError, match=r"raw\.zarr: .* run the stage that makes it"):
        open_cube(path)


def test_what_others_lay_beside_the_arrays_is_no_damage(tmp_path: Path) -> None:
    """Snakemake's time stamp and the statistics that QGIS keeps."""
    path = make(tmp_path / "raw.zarr")
    (path / ".snakemake_timestamp").touch()
    (path / "raw.zarr.aux.xml").write_text("<PAMDataset/>")
    assert open_cube(path).sizes["time"] == 3
