"""Protects the label cube: every code of the map at its place on the cubes' grid, and no codes in between."""

import json

import numpy as np
import pytest
from rasterio.warp import transform

from revisit.cube.contract import grid_of, open_cube
from revisit.cube.grid import region_grid
from revisit.cube.labels.labels import Settings, label, run, years_apart
from revisit.cube.labels.legend import Legend
from revisit.cube.labels.ready import ready
from revisit.errors import RevisitError
from revisit.job import Job

WORLDCOVER = ready("worldcover", "test")
DEGREE = 1 / 12000  # WorldCover's pixel


def place(settings):
    """What the labels stage is given of the settings of the stack stage."""
    return Settings(bbox=settings(["red"]).bbox, resolution_m=10, source="worldcover", legend=WORLDCOVER)


def world(settings, seed: int = 0):
    """A map in degrees, as WorldCover comes, around the region, with all codes; and its corner."""
    west, _, _, north = settings(["red"]).bbox
    left, top = (np.floor(west / DEGREE) - 6) * DEGREE, (np.ceil(north / DEGREE) + 6) * DEGREE
    codes = np.random.default_rng(seed).choice([0, *WORLDCOVER.codes], (60, 70)).astype(np.uint8)
    return codes, left, top


def test_codes_are_those_of_the_nearest_pixel(tmp_path, download, settings) -> None:
    """Interpolated codes would be other classes: 10 and 30 would make 20."""
    codes, left, top = world(settings)
    maps = download("worldcover")
    about = {"unit": "class", "resolution": DEGREE, "left": left, "top": top, "crs": "EPSG:4326"}
    maps.add("N48E003", "2020-01-01T00:00:00Z", {"map": codes}, **about)
    label([maps.manifest()], tmp_path / "labels.zarr", region="here", settings=place(settings))
    cube = open_cube(tmp_path / "labels.zarr", stage="labels", unit="class")
    grid = region_grid(settings(["red"]))
    assert grid_of(cube) == grid
    found = cube["land_cover"].values
    xs, ys = np.meshgrid(grid.x, grid.y)
    longitudes, latitudes = transform(grid.crs, "EPSG:4326", xs.ravel(), ys.ravel())
    rows, columns = (top - np.array(latitudes)) / DEGREE, (np.array(longitudes) - left) / DEGREE
    # GDAL warps to an eighth of a pixel: leave out centres that close to a pixel's edge
    inside = (np.abs(rows % 1 - 0.5) < 0.37) & (np.abs(columns % 1 - 0.5) < 0.37)
    expected = codes[rows.astype(int), columns.astype(int)].reshape(grid.shape)
    assert inside.mean() > 0.5
    np.testing.assert_array_equal(found.ravel()[inside], expected.ravel()[inside])
    assert found.dtype == np.uint8
    assert set(np.unique(found)) == {0, *WORLDCOVER.codes}
    assert cube["land_cover"].attrs["flag_values"] == WORLDCOVER.codes
    assert len(cube["land_cover"].attrs["flag_meanings"].split()) == len(WORLDCOVER.codes)
    assert Legend.of_cube(cube).described() == WORLDCOVER.described()


def test_maps_fill_each_others_gaps_newest_first(tmp_path, download, settings) -> None:
    maps = download("worldcover")
    old, new = np.full((24, 24), 10, np.uint8), np.full((24, 24), 50, np.uint8)
    new[:, :12] = 0
    old[:, :4] = 0
    maps.add("old", "2020-01-01T00:00:00Z", {"map": old}, unit="class")
    maps.add("new", "2021-01-01T00:00:00Z", {"map": new}, unit="class")
    label([maps.manifest()], tmp_path / "labels.zarr", region="here", settings=place(settings))
    cube = open_cube(tmp_path / "labels.zarr")
    assert cube["land_cover"].values[0].tolist() == [0] * 4 + [10] * 8 + [50] * 12
    assert cube.attrs["years"] == [2020, 2021]
    assert cube.attrs["map_years"] == ["2020", "2021"]
    assert cube["year"].values.tolist() == [2020, 2021]
    by_year = cube["land_cover_by_year"]
    assert by_year.values[:, 0].tolist() == [[0] * 4 + [10] * 20, [0] * 12 + [50] * 12]
    assert by_year.dtype == cube["land_cover"].dtype and by_year.attrs == cube["land_cover"].attrs


def test_years_by_themselves_only_where_maps_differ_in_them() -> None:
    """Tiles of one map are one map, and so is a file that holds for several years."""
    assert years_apart([[2020], [2020]]) == years_apart([[2018, 2019]]) == years_apart([]) == []
    assert years_apart([[2021], [2018, 2019], [2018]]) == [2018, 2019, 2021]


def test_no_map_over_the_region_is_an_error(tmp_path, download, settings) -> None:
    maps = download("worldcover")
    maps.add(
        "a", "2020-01-01T00:00:00Z", {"map": np.full((24, 24), 10, np.uint8)}, unit="class", left=700_000
    )
    with pytest.raises(RevisitError, match="here: no land cover map covers the region"):
        label([maps.manifest()], tmp_path / "labels.zarr", region="here", settings=place(settings))
    assert not (tmp_path / "labels.zarr").exists()


def test_a_changed_map_is_refused(tmp_path, download, settings) -> None:
    maps = download("worldcover")
    maps.add("a", "2020-01-01T00:00:00Z", {"map": np.full((24, 24), 10, np.uint8)}, unit="class")
    (maps.folder / "a" / "map.tif").write_bytes(b"no map")
    with pytest.raises(RevisitError, match=r"map\.tif: has changed"):
        label([maps.manifest()], tmp_path / "labels.zarr", region="here", settings=place(settings))


def test_the_job_leaves_cube_map_and_item(tmp_path, download, settings) -> None:
    maps = download("worldcover")
    maps.add("a", "2020-01-01T00:00:00Z", {"map": np.full((24, 24), 10, np.uint8)}, unit="class")
    out = tmp_path / "labels.zarr"
    run(
        Job(
            "revisit.cube.labels.labels",
            names={"region": "here"},
            input={"manifests": [str(maps.manifest())]},
            output={"cube": str(out), "quicklook": str(tmp_path / "labels.png")},
            settings=place(settings).content(),
        )
    )
    item = json.loads((tmp_path / "labels.json").read_text())
    assert item["properties"]["start_datetime"] == "2020-01-01T00:00:00Z"
    assert [link["title"] for link in item["links"]] == ["a"]
    assert (tmp_path / "labels.png").stat().st_size > 0
