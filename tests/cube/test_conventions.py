"""Protects what other software makes of a cube: xarray, netCDF and its checkers, GeoZarr, GDAL."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr

from revisit.cube import elevation
from revisit.cube.contract import VARIABLES, open_cube
from revisit.cube.grid import Region, region_grid
from revisit.cube.labels import labels
from revisit.cube.labels.ready import ready
from revisit.cube.write import BLOCK, SMALL, create_cube

GRID = region_grid(Region(bbox=[5.0, 50.0, 5.04, 50.02]))
CUBES = {
    "reflectance": ("sentinel-2", ["red", "nir08"]),
    "dB": ("sentinel-1", ["vv", "vh"]),
    "scaled": ("sentinel-1", ["vv", "vh"]),
    "float": ("sentinel-1", ["vv", "vh"]),  # scaled, and not rounded
}
NAMES = VARIABLES | {"float": VARIABLES["scaled"]}
LIMITS = {name: [1.0, 2.0] for name in ("lower", "upper", "mean", "std")} | {"valid_pixels": [5, 6]}


def values(unit: str) -> np.ndarray:
    """One date: NaN or 0 where nothing was seen; scaled images have every value from 0 to 255."""
    numbers = np.arange(2 * GRID.width * GRID.height).reshape(2, *GRID.shape)
    if unit in ("scaled", "float"):
        return (numbers % 256).astype(np.float32 if unit == "float" else np.uint8)
    image = (numbers % 1000 / 1000).astype(np.float32)
    image[:, :20] = np.nan
    return image


@pytest.fixture(params=CUBES)
def cube(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A cube of each unit, with all that a stage may say of it."""
    unit = request.param
    sensor, bands = CUBES[unit]
    optical, scaled = unit == "reflectance", unit in ("scaled", "float")
    with create_cube(
        tmp_path / f"{unit}.zarr",
        GRID,
        dates=2,
        bands=bands,
        sensor=sensor,
        region="here",
        stage="scaled" if scaled else "raw",
        unit="scaled" if scaled else unit,
        dtype="float32" if unit == "float" else "uint8",
        settings={},
        scene_classification=optical,
        band_coordinates=LIMITS if scaled else None,
        attributes={"source_unit": "dB", "limits_regions": ["here", "there"]}
        | ({"dtype": "float32"} if unit == "float" else {})
        if scaled
        else {"provider": "test", "dropped_dates": []},
    ) as writer:
        for day in (1, 2):
            image = values(unit)
            valid = np.ones(GRID.shape, bool) if scaled else np.isfinite(image[0])
            classes = np.full(GRID.shape, 4, np.uint8) if optical else None
            for block in GRID.blocks(256):
                part = None if classes is None else classes[block]
                writer.write(block, image[(slice(None), *block)], valid[block], part)
            writer.keep(np.datetime64(f"2020-03-0{day}T10:11:12.345"), source_items="scene")
    return tmp_path / f"{unit}.zarr"


def opened_in_silence(path: Path, how: dict[str, Any]) -> xr.Dataset:
    """A store as plain xarray reads it; any warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return xr.open_zarr(path, **how).load()


@pytest.mark.parametrize("how", [{}, {"chunks": None}], ids=["dask", "numpy"])
def test_plain_xarray_opens_it_and_warns_of_nothing(cube: Path, how: dict[str, Any]) -> None:
    """No argument is needed, and no line of warning is to be explained away."""
    assert opened_in_silence(cube, how)["band"].values.tolist() == CUBES[cube.stem][1]


@pytest.mark.parametrize("how", [{}, {"chunks": None}], ids=["dask", "numpy"])
def test_a_large_cube_opens_without_a_warning_too(tmp_path: Path, how: dict[str, Any]) -> None:
    """Its chunks lie in shards, whose edges are none of dask's."""
    grid = region_grid(Region(bbox=[5.0, 50.0, 5.006, 50.1]))
    assert max(grid.shape) > SMALL
    path = tmp_path / "large.zarr"
    about: dict[str, Any] = {"region": "here", "stage": "raw", "unit": "dB", "settings": {}}
    image = np.arange(grid.width * grid.height, dtype=np.float32).reshape(1, *grid.shape)
    with create_cube(path, grid, dates=1, bands=["vv"], sensor="sentinel-1", **about) as writer:
        for block in grid.blocks(BLOCK):
            writer.write(block, image[(slice(None), *block)], np.ones(grid.shape, bool)[block])
        writer.keep(np.datetime64("2020-03-01T10:11:12.345"), source_items="scene")
    assert json.loads((path / "backscatter/zarr.json").read_text())["codecs"][0]["name"] == "sharding_indexed"
    plain = opened_in_silence(path, how)
    np.testing.assert_array_equal(plain["backscatter"].values[0], image)


def test_metadata_of_all_arrays_stand_in_the_group(cube: Path) -> None:
    """Over HTTP no folder can be listed; what a reader does not find there it never sees."""
    group = json.loads((cube / "zarr.json").read_text())
    found = group["consolidated_metadata"]["metadata"]
    assert set(found) == {path.parent.name for path in cube.glob("*/zarr.json")}
    name = NAMES[cube.stem]
    own = json.loads((cube / name / "zarr.json").read_text())
    assert {key: found[name][key] for key in ("shape", "fill_value")} == {
        key: own[key] for key in ("shape", "fill_value")
    }


def test_attributes_fit_netcdf(cube: Path) -> None:
    """netCDF holds text, numbers and flat lists of either; of objects it makes an error."""
    opened = open_cube(cube)
    held = (str, int, float, np.number)
    for about in (opened.attrs, *(variable.attrs for variable in opened.variables.values())):
        for key, value in about.items():
            flat = value if isinstance(value, list | np.ndarray) else [value]
            assert all(isinstance(part, held) for part in flat), key


def no_error(path: Path) -> None:
    """The public checker of the CF conventions; what it only warns of is GeoZarr's colons and our order."""
    runner = pytest.importorskip("compliance_checker.runner", reason="takes the package compliance-checker")
    runner.CheckSuite.load_all_available_checkers()
    report = path.with_suffix(".report.json")
    runner.ComplianceChecker.run_checker(
        str(path), ["cf:1.11"], 0, "normal", output_filename=str(report), output_format="json"
    )
    content = json.loads(report.read_text())["cf:1.11"]
    assert [part["msgs"] for part in content["high_priorities"] if part["msgs"]] == []


def valid_geozarr(path: Path) -> None:
    """The public models of the GeoZarr conventions."""
    toolkit = pytest.importorskip("geozarr_toolkit", reason="takes the package geozarr-toolkit")
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]
    assert set(toolkit.detect_conventions(attributes)) == {"proj", "spatial"}
    for check in (toolkit.validate_proj, toolkit.validate_spatial):
        assert check(attributes) == (True, [])


def test_it_is_written_as_netcdf(cube: Path, tmp_path: Path) -> None:
    pytest.importorskip("netCDF4", reason="writing netCDF-4 takes the package netCDF4")
    opened = open_cube(cube)
    opened.to_netcdf(tmp_path / "cube.nc")
    again = xr.open_dataset(tmp_path / "cube.nc", decode_coords="all")
    name = NAMES[cube.stem]
    np.testing.assert_allclose(again[name].values, opened[name].values, atol=1e-7)
    assert again["time"].values.tolist() == opened["time"].values.tolist()
    plain = xr.open_zarr(cube)
    del plain.attrs["zarr_conventions"]  # all that docs/products.md asks for
    plain.to_netcdf(tmp_path / "plain.nc")


def test_the_compliance_checker_finds_no_error(cube: Path, tmp_path: Path) -> None:
    pytest.importorskip("netCDF4", reason="writing netCDF-4 takes the package netCDF4")
    open_cube(cube).to_netcdf(tmp_path / "cube.nc")
    no_error(tmp_path / "cube.nc")


def test_the_geozarr_toolkit_accepts_it(cube: Path) -> None:
    valid_geozarr(cube)


def test_cf_names_and_units(cube: Path) -> None:
    """Units as UDUNITS has them, which knows no dB; a title and a history; time known as time."""
    opened = open_cube(cube)
    units = {variable.attrs.get("units", "1") for variable in opened.variables.values()}
    assert units <= {"1", "m", "nm", "0.1 lg(re 1)"}
    assert opened["time"].attrs["standard_name"] == "time"
    assert all(opened.attrs[key] for key in ("title", "history", "source", "Conventions"))
    assert all("long_name" in v.attrs or "standard_name" in v.attrs for v in opened.variables.values())
    valid = opened["valid"]
    assert {flag.dtype for flag in valid.attrs["flag_values"]} == {valid.dtype}


@pytest.mark.skipif(rasterio.__gdal_version__ < "3.12", reason="GDAL reads Zarr v3 from 3.12 on")
def test_gdal_takes_no_data_for_what_is_data(cube: Path) -> None:
    """GDAL hides whatever the fill value is: never 0 of images, none of floats, nor what masks say."""
    name = NAMES[cube.stem]
    with rasterio.open(f'ZARR:"{cube}":/{name}:0:0') as source:
        numbers, seen = source.read(1), source.dataset_mask() > 0
    image = values(cube.stem)[0]
    expected = image != 254 if cube.stem == "scaled" else np.isfinite(image)
    np.testing.assert_array_equal(seen, expected)
    assert cube.stem != "scaled" or numbers[seen].min() == 0
    with rasterio.open(f'ZARR:"{cube}":/valid:0') as source:
        assert source.dataset_mask().all()


@pytest.fixture(params=["labels", "dem"])
def undated(
    request: pytest.FixtureRequest, tmp_path: Path, download: Callable[[str], Any], settings: Any
) -> Path:
    """A cube without dates: label maps of two years, or elevation."""
    place = {"bbox": settings(["map"]).bbox, "resolution_m": 10}
    path = tmp_path / f"{request.param}.zarr"
    scenes = download(request.param)
    if request.param == "dem":
        metres = np.full((30, 30), 7, np.float32)
        scenes.add("tile", "2021-04-22", {"elevation": metres}, unit="metres", resolution=30, nodata=None)
        own = elevation.Settings.model_validate(place)
        elevation.elevate([scenes.manifest()], path, region="here", settings=own)
    else:
        for year in (2020, 2021):
            grass = np.full((60, 60), 30, np.uint8)
            scenes.add(f"map{year}", f"{year}-01-01T00:00:00Z", {"map": grass}, unit="class")
        legend = ready("worldcover", "test")
        about = labels.Settings.model_validate({**place, "source": "worldcover", "legend": legend})
        labels.label([scenes.manifest()], path, region="here", settings=about)
    return path


def test_so_does_one_without_dates(undated: Path) -> None:
    name, value, title = {
        "labels": ("land_cover", 30, "worldcover land cover of here, labels"),
        "dem": ("elevation", 7, "dem elevation of here, dem"),
    }[undated.stem]
    for how in ({}, {"chunks": None}):
        assert (opened_in_silence(undated, how)[name].values == value).all()
    assert open_cube(undated).attrs["title"] == title


def test_one_without_dates_passes_the_checkers_too(undated: Path, tmp_path: Path) -> None:
    pytest.importorskip("netCDF4", reason="writing netCDF-4 takes the package netCDF4")
    opened = open_cube(undated)
    opened.to_netcdf(tmp_path / "cube.nc")
    again = xr.open_dataset(tmp_path / "cube.nc", decode_coords="all")
    for name in opened.data_vars:
        np.testing.assert_array_equal(again[name].values, opened[name].values)
    no_error(tmp_path / "cube.nc")
    valid_geozarr(undated)
