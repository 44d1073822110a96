"""Protects labels from files: each pixel has the class of its place, whatever the file is like."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer

from revisit.cube.contract import open_cube
from revisit.cube.grid import region_grid
from revisit.cube.labels.labels import Settings, label
from revisit.cube.labels.legend import Legend
from revisit.cube.labels.ready import ready
from revisit.errors import RevisitError
from revisit.record import read

LEFT, TOP = 600_000, 5_400_000  # of the region, 24 pixels of 10 m a side
MINE = {"title": "mine", "classes": [{"code": 1, "name": "Wheat"}, {"code": 2, "name": "Oil seed"}]}


@pytest.fixture
def made(tmp_path: Path, settings: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """Labels of some files by some legend, as in the cube: (y, x)."""

    def make(*files: dict[str, Any], legend: Legend | dict[str, Any] = MINE, **box: Any) -> np.ndarray:
        content = {
            "bbox": settings(["red"]).bbox,
            "resolution_m": 10,
            "source": "files",
            "legend": legend if isinstance(legend, dict) else legend.content(),
            "files": [{"years": [2020], **file} for file in files],
        }
        path = tmp_path / "labels.zarr"
        label([], path, region="here", settings=read(Settings, content | box, "labels"))
        cube = open_cube(path, stage="labels", unit="class")
        made.attrs = cube.attrs
        return cube["land_cover"].values

    made = make
    return make


def write_raster(
    path: Path, numbers: np.ndarray, size: float = 10, crs: str | None = "EPSG:32631", **about: Any
) -> Path:
    left, top = about.pop("left", LEFT), about.pop("top", TOP)
    profile = {
        "count": 1,
        "dtype": numbers.dtype,
        "crs": crs,
        "height": numbers.shape[0],
        "width": numbers.shape[1],
    }
    with rasterio.open(
        path, "w", driver="GTiff", transform=Affine(size, 0, left, 0, -size, top), **profile, **about
    ) as target:
        target.write(numbers, 1)
    return path


def write_polygons(path: Path, values: list[Any], boxes: list[tuple[float, ...]], crs: int = 32631) -> Path:
    """Boxes in pixels of the region (left, top, right, bottom) with the column ``crop``."""
    outlines = [
        shapely.box(LEFT + 10 * left, TOP - 10 * bottom, LEFT + 10 * right, TOP - 10 * top)
        for left, top, right, bottom in boxes
    ]
    frame = geopandas.GeoDataFrame({"crop": values}, geometry=outlines, crs=32631)
    frame.to_crs(crs).to_file(path)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_a_raster_of_any_type_on_the_grid_is_copied(made, tmp_path, dtype: str) -> None:
    numbers = np.random.default_rng(0).integers(0, 3, (24, 24)).astype(dtype)
    found = made({"raster": write_raster(tmp_path / "a.tif", numbers)})
    np.testing.assert_array_equal(found, numbers)
    assert found.dtype == np.uint8


def test_a_coarser_raster_gives_its_nearest_pixel(made, tmp_path) -> None:
    """Pixels of 30 m are blocks of three; no code lies between two others."""
    legend = ready("corine-3", "test")
    numbers = np.random.default_rng(0).choice([1, 23, 44, 48], (8, 8)).astype(np.int8)
    found = made({"raster": write_raster(tmp_path / "a.tif", numbers, size=30)}, legend=legend)
    expected = np.vectorize({1: 111, 23: 311, 44: 523, 48: 0}.get)(numbers)
    np.testing.assert_array_equal(found, np.kron(expected, np.ones((3, 3), int)))
    assert found.dtype == np.uint16


def test_no_data_of_a_file_is_no_label(made, tmp_path) -> None:
    """Whatever number stands for it, in the file or as NaN."""
    numbers = np.ones((24, 24), np.float32)
    numbers[:5], numbers[5:8] = -9999, np.nan
    found = made({"raster": write_raster(tmp_path / "a.tif", numbers, nodata=-9999)})
    assert not found[:8].any() and (found[8:] == 1).all()
    numbers[:5] = np.nan
    found = made({"raster": write_raster(tmp_path / "b.tif", numbers, nodata=np.nan)})
    assert not found[:8].any() and (found[8:] == 1).all()


def test_water_of_dynamic_world_is_no_gap(made, tmp_path) -> None:
    """Its value 0 is a class; but not where the file says that 0 is no data."""
    legend, numbers = ready("dynamic-world", "test"), np.zeros((24, 24), np.uint8)
    numbers[:4] = 8
    found = made({"raster": write_raster(tmp_path / "a.tif", numbers)}, legend=legend)
    assert np.unique(found, return_counts=True)[1].tolist() == [20 * 24, 4 * 24]
    assert found[0, 0] == 9 and found[-1, -1] == 1
    with pytest.raises(RevisitError, match=r"b\.tif: 0 is no data by the file, and 'Water' by the legend"):
        made({"raster": write_raster(tmp_path / "b.tif", numbers, nodata=0)}, legend=legend)


def test_a_pixel_has_the_class_of_the_polygon_at_its_centre(made, tmp_path) -> None:
    """The later polygon counts; one that only touches a pixel does not; ignored and empty are no label."""
    boxes = [(0, 0, 24, 12), (4, 4, 8.4, 8.6), (20, 0, 24, 24), (0, 20, 24, 24)]
    path = write_polygons(tmp_path / "a.gpkg", ["wheat", "Oil-Seed", "none", None], boxes)
    found = made({"vector": path, "column": "crop"}, legend=MINE | {"ignore": ["none"]})
    expected = np.zeros((24, 24), int)
    expected[:12] = 1
    expected[4:9, 4:8] = 2
    expected[:, 20:] = 0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("suffix", "crs"), [("geojson", 4326), ("gpkg", 4326), ("gpkg", 3035), ("gpkg", 3857), ("shp", 32632)]
)
def test_polygons_of_any_format_and_reference_system(made, tmp_path, suffix: str, crs: int) -> None:
    path = write_polygons(tmp_path / f"a.{suffix}", [1, 2], [(-300, -300, 6, 300), (6, -300, 300, 300)], crs)
    found = made({"vector": path, "column": "crop"})
    # An edge of 6 km is bent between two reference systems, by less than a pixel at its ends.
    assert (found[:, :6] == 1).all() and (found[:, 6:] == 2).all()


def test_a_long_edge_follows_its_own_reference_system(made, tmp_path) -> None:
    """A parallel is bent in the zone of the region: of six degrees, its chord lies kilometres away."""
    from_degrees = Transformer.from_crs(32631, 4326, always_xy=True)
    _, latitude = from_degrees.transform(LEFT + 120, TOP - 120)
    frame = geopandas.GeoDataFrame({"crop": [1]}, geometry=[shapely.box(0, 40, 6, latitude)], crs=4326)
    frame.to_file(tmp_path / "a.gpkg")
    found = made({"vector": tmp_path / "a.gpkg", "column": "crop"})
    centre = np.arange(24) * 10 + 5
    latitudes = from_degrees.transform(*np.meshgrid(LEFT + centre, TOP - centre))[1]
    np.testing.assert_array_equal(found, latitudes < latitude)


def test_polygons_over_the_180th_meridian(made, tmp_path) -> None:
    """Each side of it is in the file by itself."""
    box = {"bbox": [179.99, 0.01, -179.99, 0.02]}
    sides = [shapely.box(179.9, 0, 180, 1), shapely.box(-180, 0, -179.9, 1)]
    geopandas.GeoDataFrame({"crop": [1, 2]}, geometry=sides, crs=4326).to_file(tmp_path / "a.gpkg")
    found = made({"vector": tmp_path / "a.gpkg", "column": "crop"}, **box, epsg=32660)
    grid = region_grid(
        read(Settings, {**box, "epsg": 32660, "resolution_m": 10, "source": "", "legend": MINE}, "")
    )
    middle, _ = Transformer.from_crs(4326, 32660, always_xy=True).transform(180, 0.015)
    np.testing.assert_array_equal(found, np.where(grid.x < middle, 1, 2)[None].repeat(len(found), 0))


@pytest.mark.parametrize(("left", "halves"), [(-180, [2, 1]), (0, [1, 2]), (179, [1, 2]), (-181, [1, 2])])
def test_a_raster_in_degrees_over_the_180th_meridian(made, tmp_path, left: float, halves: list[int]) -> None:
    """Whether each side of the region is at another end of the file, or longitudes go on beyond 180."""
    box = {"bbox": [179.99, 0.01, -179.99, 0.02]}
    wide = 1800 if left in (-180, 0) else 10
    numbers = np.repeat([halves], wide, axis=1).repeat(10, axis=0).astype(np.uint8)
    path = write_raster(tmp_path / "a.tif", numbers, size=0.1, crs="EPSG:4326", left=left, top=0.5)
    middle, _ = Transformer.from_crs(4326, 32660, always_xy=True).transform(180, 0.015)
    found = made({"raster": path}, **box, epsg=32660)
    grid = region_grid(
        read(Settings, {**box, "epsg": 32660, "resolution_m": 10, "source": "", "legend": MINE}, "")
    )
    np.testing.assert_array_equal(found, np.where(grid.x < middle, 1, 2)[None].repeat(len(found), 0))


def test_the_newest_of_several_files_counts(made, tmp_path) -> None:
    """Those that have nothing here leave no trace."""
    old = write_raster(tmp_path / "old.tif", np.full((24, 24), 1, np.uint8))
    new = write_polygons(tmp_path / "new.gpkg", [2], [(0, 0, 24, 10)])
    away = write_raster(tmp_path / "away.tif", np.full((24, 24), 1, np.uint8), left=LEFT + 5000)
    far = write_raster(tmp_path / "far.tif", np.full((4, 4), 1, np.uint8), crs="EPSG:2193", left=2e6, top=6e6)
    found = made(
        {"raster": away, "years": [2022]}, {"raster": old, "years": [2018]}, {"raster": far, "years": [2023]},
        {"vector": new, "column": "crop", "years": [2021, 2019]},
    )  # fmt: skip
    assert (found[:10] == 2).all() and (found[10:] == 1).all()
    assert made.attrs["years"] == [2018, 2019, 2021]
    assert made.attrs["map_years"] == ["2018", "2019 2021"]
    assert made.attrs["source_items"] == f"{new} {old}"


def test_values_that_are_no_class_are_named_and_counted(made, tmp_path) -> None:
    numbers = np.ones((24, 24), np.float32)
    numbers[0, :3], numbers[1, :2], numbers[2, 0] = 7, 1.5, np.nan
    path = write_raster(tmp_path / "a.tif", numbers)
    with pytest.raises(
        RevisitError, match=r"here: .*a\.tif has values .* of mine: 7 \(3 pixels\), 1\.5 \(2 pixels\);"
    ):
        made({"raster": path})
    halves = write_polygons(tmp_path / "halves.gpkg", [1.0, 1.5, np.nan], [(0, 0, 9, 9)] * 3)
    with pytest.raises(RevisitError, match=r"of mine: 1\.5 \(1 polygons\);"):
        made({"vector": halves, "column": "crop"})
    polygons = write_polygons(tmp_path / "a.gpkg", ["rye", "rye", "wheat"], [(0, 0, 9, 9)] * 3)
    with pytest.raises(RevisitError, match=r"'rye' \(2 polygons\); add them to labels\.classes or to"):
        made({"vector": polygons, "column": "crop"})
    assert not (tmp_path / "labels.zarr").exists()
    assert made({"vector": polygons, "column": "crop"}, legend=MINE | {"ignore": ["Rye"]}).any()


def test_files_that_are_no_labels_here_are_refused(made, tmp_path) -> None:
    away = write_polygons(tmp_path / "away.gpkg", [1], [(900, 0, 924, 24)])
    with pytest.raises(RevisitError, match=r"here: none of labels\.files has a label in the region \(.*away"):
        made({"vector": away, "column": "crop"})
    nowhere = write_raster(tmp_path / "nowhere.tif", np.ones((24, 24), np.uint8), crs=None)
    with pytest.raises(RevisitError, match=r"nowhere\.tif: does not say its reference system; add it"):
        made({"raster": nowhere})
    (tmp_path / "no.tif").write_text("no raster")
    with pytest.raises(RevisitError, match=r"no\.tif: is no raster that GDAL reads"):
        made({"raster": tmp_path / "no.tif"})
    frame = geopandas.GeoDataFrame({"crop": [1]}, geometry=[shapely.Point(LEFT + 50, TOP - 50)], crs=32631)
    frame.to_file(tmp_path / "points.gpkg")
    with pytest.raises(RevisitError, match=r"points\.gpkg: holds Point; give a layer of polygons"):
        made({"vector": tmp_path / "points.gpkg", "column": "crop"})
    frame.set_geometry(frame.buffer(9)).set_crs(None, allow_override=True).to_file(tmp_path / "bare.shp")
    with pytest.raises(RevisitError, match=r"bare\.shp: does not say its reference system"):
        made({"vector": tmp_path / "bare.shp", "column": "crop"})
