"""Protects regions from files: every bit of an area in one block, no two near each other, names that stay."""

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from pyproj import Transformer

from revisit.cube.grid import Region, region_grid
from revisit.cube.split import Split
from revisit.cube.zones import EARTH, bounds_in_degrees, degrees_apart
from revisit.errors import RevisitError
from revisit.places.blocks import cut
from revisit.places.regions import regions_of
from revisit.places.settings import Places
from revisit.record import read

GAP = 320  # metres: 32 pixels of 10 m


def made(path: Path, seed: int = 1, **entry: Any) -> dict[str, Region]:
    source = entry.pop("source")
    return regions_of("here", read(Places, {source: path, **entry}, "places.here"), 10, Split(), seed)[0]


def write(path: Path, *shapes: shapely.Geometry, crs: int = 4326, **columns: list[str]) -> Path:
    geopandas.GeoDataFrame(columns, geometry=list(shapes), crs=crs).to_file(path)
    return path


def degrees(regions: dict[str, Region]) -> np.ndarray:
    grids = [region_grid(region) for region in regions.values()]
    return bounds_in_degrees(
        np.array([grid.bounds for grid in grids]), np.array([grid.epsg for grid in grids])
    )


def apart(regions: dict[str, Region]) -> float:
    """Metres between any two, at least: a degree is taken for 100 km."""
    boxes = degrees(regions)
    return min(degrees_apart(boxes[i], boxes[i + 1 :]).min() for i in range(len(boxes) - 1))


def test_an_area_is_covered_but_for_the_gaps(tmp_path: Path) -> None:
    """In one zone: what lies in no block lies in the gap between two, whose width is that of the split."""
    area = shapely.box(3.2, 50.2, 4.1, 50.9)
    found = made(write(tmp_path / "area.gpkg", area), source="areas", block_km=20)
    bounds = np.array([region.bounds_m for region in found.values()])
    assert {region.epsg for region in found.values()} == {32631}
    assert (bounds % 60 == 0).all()
    pitch = 19_980
    assert set(np.unique(bounds[:, 2] - bounds[:, 0])) == {pitch - 360}  # the gap, rounded up to 60 m
    gaps = shapely.union_all([shapely.box(*box, *(np.array(box) + pitch)) for box in bounds[:, :2].tolist()])
    outline = geopandas.GeoSeries([area.segmentize(0.05)], crs=4326).to_crs(32631)[0]
    assert gaps.covers(outline)
    assert all(shapely.box(*box).intersects(outline) for box in bounds)


def test_each_zone_has_blocks_of_its_own(tmp_path: Path) -> None:
    """Over a border of zones, the equator and the 180th meridian; and nowhere do two touch."""
    area = shapely.MultiPolygon([shapely.box(179.0, -0.4, 180, 0.4), shapely.box(-180, -0.4, -179.2, 0.4)])
    found = made(write(tmp_path / "area.geojson", area), source="areas", block_km=30)
    assert {region.epsg for region in found.values()} == {32601, 32660, 32701, 32760}
    assert apart(found) > 0.89 * GAP
    assert any(region.bbox[2] > 180 for region in found.values())


@pytest.mark.parametrize("epsg", [3832, 32760])  # a world map around 150 degrees east, a UTM zone
def test_a_projected_area_over_the_180th_meridian_stays_there(tmp_path: Path, epsg: int) -> None:
    """At Fiji: the blocks of the same box in degrees, and squares within it on both sides."""
    project = Transformer.from_crs(4326, epsg, always_xy=True).transform
    west, south, east, north = 179.8, -17.1, 180.2, -16.9
    corners = ((west, south), (east, south), (east, north), (west, north))
    box = shapely.Polygon([project(*corner) for corner in corners])
    projected = write(tmp_path / "projected.gpkg", box, crs=epsg)
    sides = [shapely.box(west, south, 180, north), shapely.box(-180, south, east - 360, north)]
    cut = write(tmp_path / "cut.gpkg", *sides)
    assert set(made(projected, source="areas")) == set(made(cut, source="areas"))
    towns = write(tmp_path / "towns.gpkg", shapely.Point(180, -17))
    found = made(towns, source="around", size_km=1, sigma_km=40, count=30, within=projected)
    places = degrees(found)
    assert {region.epsg for region in found.values()} == {32701, 32760}
    assert ((places[:, 2] % 360 > west) & (places[:, 0] % 360 < east)).all()


@pytest.mark.parametrize("south", [-0.8, 40.1, 63.0])  # on both sides of the equator, too
def test_where_zones_meet_what_is_covered_and_what_is_said_to_be_uncovered_add_up(south: float) -> None:
    """In metres of no zone. Blocks cut back leave less than one to four km of the 20 along the border."""
    area = shapely.box(4.5, south, 7.5, south + 1.5)
    found, uncovered = cut(area, 20_000, 0, 640, 60, "places.here")
    blocks = [
        geopandas.GeoSeries([shapely.box(*region.bounds_m).segmentize(1000)], crs=region.epsg).to_crs(EARTH)[
            0
        ]
        for region in found.values()
    ]
    whole = geopandas.GeoSeries([area.segmentize(0.02)], crs=4326).to_crs(EARTH)[0]
    covered = shapely.union_all(blocks).intersection(whole)
    assert covered.area / 1e6 + uncovered == pytest.approx(whole.area / 1e6, rel=2e-4)
    assert sum(block.area for block in blocks) == pytest.approx(shapely.union_all(blocks).area, rel=1e-6)
    assert 0 < uncovered < 4 * 167 * (2 if south < 0 else 1)
    sides = [np.subtract(region.bounds_m[2:], region.bounds_m[:2]) for region in found.values()]
    assert all(side.max() == 19_980 and side.min() >= 19_980 / 4 for side in sides)
    assert any(side.min() < 19_980 for side in sides)
    assert cut(shapely.box(3.2, 50.2, 4.1, 50.9), 20_000, 320, 640, 60, "places.here")[1] == 0


def test_no_block_is_cut_back_below_that_of_the_split() -> None:
    """Which is refused as a region."""
    found, _ = cut(shapely.box(5.8, 50, 6.2, 50.4), 2000, 0, 1500, 60, "places.here")
    sides = [np.subtract(region.bounds_m[2:], region.bounds_m[:2]).min() for region in found.values()]
    assert 1500 <= min(sides) < 1980


def test_a_larger_area_renames_no_block(tmp_path: Path) -> None:
    """Or every product of the first would be made again."""
    small = made(write(tmp_path / "a.gpkg", shapely.box(3.2, 50.2, 3.6, 50.5)), source="areas")
    large = made(write(tmp_path / "b.gpkg", shapely.box(2.9, 50.0, 3.9, 50.7)), source="areas")
    assert len(small) < len(large)
    assert all(large[name] == region for name, region in small.items())


def test_points_are_the_centres_of_squares(tmp_path: Path) -> None:
    """From a table or a vector file alike; unnamed ones are numbered."""
    table = tmp_path / "sites.csv"
    table.write_text("Name,Longitude,Latitude\nGent Zuid,3.72,51.05\nLeuven,4.70,50.88\n")
    places = [shapely.Point(3.72, 51.05), shapely.Point(4.70, 50.88)]
    vector = write(tmp_path / "sites.gpkg", *places, name=["Gent Zuid", "Leuven"])
    found = made(table, source="points", size_km=5)
    assert list(found) == ["here-gent-zuid", "here-leuven"]
    assert found == made(vector, source="points", size_km=5)
    assert list(made(write(tmp_path / "bare.gpkg", *places), source="points", size_km=5)) == [
        "here-1",
        "here-2",
    ]
    left, bottom, right, top = found["here-leuven"].bounds_m or ()
    assert right - left == top - bottom == 5040
    west, south, east, north = found["here-leuven"].bbox
    assert ((west + east) / 2, (south + north) / 2) == pytest.approx((4.70, 50.88), abs=1e-3)


def test_squares_are_scattered_normally_around_towns(tmp_path: Path) -> None:
    """Spread as asked for, none near another, all on land, and more of them change no earlier one."""
    towns = write(tmp_path / "towns.gpkg", shapely.Point(4.0, 50.0))
    land = write(tmp_path / "land.gpkg", shapely.box(3.0, 49.0, 4.1, 51.0))
    scattering = {"source": "around", "size_km": 1, "sigma_km": 20}
    found = made(towns, **scattering, count=150)
    middles = np.array([[(b[0] + b[2]) / 2, (b[1] + b[3]) / 2] for b in (r.bbox for r in found.values())])
    offsets = (middles - (4.0, 50.0)) * (111.2 * np.cos(np.radians(50)), 111.2)
    assert offsets.std(axis=0) == pytest.approx([20, 20], rel=0.2)
    assert apart(found) > 0.89 * GAP
    few = made(towns, **scattering, count=40)
    assert [few[name] for name in few] == [found[name] for name in few]
    first = next(iter(found.values()))
    others, _ = regions_of(
        "here",
        read(Places, {"around": towns, "size_km": 1, "sigma_km": 20, "count": 40}, "x"),
        10,
        Split(),
        1,
        [first],
    )
    assert apart({"first": first, **others}) > 0.89 * GAP
    assert list(others.values())[:10] == list(found.values())[1:11]
    on_land = made(towns, **scattering, count=40, within=land)
    assert degrees(on_land)[:, 0].max() < 4.1 < degrees(few)[:, 0].max()
    assert made(towns, seed=2, **scattering, count=1) != made(towns, seed=1, **scattering, count=1)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"areas": "x.gpkg", "points": "y.csv"}, "places.here: give one of areas, .*not areas and points"),
        ({}, "places.here: give one of areas, points, around, not none"),
        ({"areas": "x.gpkg", "size_km": 5}, "places.here: areas has no size_km"),
        ({"points": "x.gpkg"}, "places.here: points needs size_km"),
        ({"areas": "nowhere.gpkg"}, r"places.here.areas: there is no file nowhere.gpkg"),
        ({"points": "nowhere.csv", "size_km": 5}, r"places.here.points: nowhere.csv cannot be read"),
        ({"areas": "README.md"}, r"places.here.areas: README.md is no file of areas or points"),
        ({"areas": "points.gpkg"}, r"places.here.areas: .* holds no polygon"),
        ({"areas": "far.gpkg"}, r"areas: far.gpkg lies outside of ETRS89-.*, its reference system"),
        ({"points": "areas.gpkg", "size_km": 5}, r"places.here.points: .* holds no point"),
        ({"points": "bad.csv", "size_km": 5}, r"bad.csv, line 3: could not convert string to float: 'five'"),
        ({"points": "named.csv", "size_km": 5}, r"named.csv needs the columns longitude and latitude"),
        ({"points": "twice.csv", "size_km": 5}, r"two points are called 'gent'"),
        ({"areas": "areas.gpkg", "block_km": 0.3}, r"blocks of 300 m with 320 m between them leave nothing"),
        ({"around": "points.gpkg", "size_km": 9, "sigma_km": 1, "count": 9}, r"only [12] of 9 squares found"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    entry: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At planning, in one line that names key and file."""
    monkeypatch.chdir(tmp_path)
    write(Path("points.gpkg"), shapely.Point(4, 50))
    write(Path("areas.gpkg"), shapely.box(4, 50, 4.1, 50.1))
    write(Path("far.gpkg"), shapely.box(4e6, 3e6, 5e7, 3e7), crs=3035)
    Path("README.md").write_text("# not a map")
    Path("bad.csv").write_text("longitude,latitude\n4,50\nfive,50\n")
    Path("named.csv").write_text("place,east\nGent,4\n")
    Path("twice.csv").write_text("name,lon,lat\nGent,4,50\ngent,4,51\n")
    with pytest.raises(RevisitError, match=told) as caught:
        regions_of("here", read(Places, entry, "places.here"), 10, Split(), 1)
    assert "\n" not in str(caught.value)
