"""Protects that all products of a region land on one grid: snapped, covering it, in the zone meant."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.warp import transform

from revisit.cube.grid import SNAP_M, Region, inside, region_grid, utm_zones, widened
from revisit.errors import RevisitError
from revisit.record import read


@st.composite
def boxes(draw: st.DrawFn) -> list[float]:
    """Boxes of up to half a degree inside one UTM zone."""
    zone_west = 6 * draw(st.integers(-30, 29))
    width = draw(st.floats(0.001, 0.5))
    west = zone_west + draw(st.floats(0, 5.49))
    south = draw(st.one_of(st.floats(-79, -0.6), st.floats(0.001, 83)))
    return [west, south, west + width, south + draw(st.floats(0.001, 0.5))]


@settings(max_examples=60, deadline=None)
@given(boxes(), st.sampled_from([10, 20, 30, 60, 100]))
def test_grid_is_snapped_and_covers_the_box_closely(bbox: list[float], resolution: int) -> None:
    """Corners are multiples of 60 m and of the pixel; the outline lies inside, with little to spare."""
    grid = region_grid(Region(bbox=bbox), resolution)
    left, bottom, right, top = grid.bounds
    for edge in grid.bounds:
        assert edge % SNAP_M == 0
        assert edge % resolution == 0
    assert (right - left, top - bottom) == (grid.width * resolution, grid.height * resolution)
    west, south, east, north = bbox
    line = np.linspace(0, 1, 50)
    longitudes = np.concatenate([west + (east - west) * line] * 2 + [np.full(50, west), np.full(50, east)])
    latitudes = np.concatenate(
        [np.full(50, south), np.full(50, north)] + [south + (north - south) * line] * 2
    )
    xs, ys = map(np.array, transform("EPSG:4326", grid.crs, longitudes, latitudes))
    slack = 5  # metres: the outline is projected at 21 points a side
    step = np.lcm(SNAP_M, resolution)
    for spare in (xs.min() - left, right - xs.max(), ys.min() - bottom, top - ys.max()):
        assert -slack <= spare < step + slack


def region(bbox: list[float], epsg: int | None = None) -> Region:
    return read(Region, {"bbox": bbox, "epsg": epsg}, "regions.here")


def test_zone_and_hemisphere() -> None:
    assert region_grid(region([5.0, 50.0, 5.1, 50.1])).epsg == 32631
    assert region_grid(region([-70.1, -33.5, -70.0, -33.4])).epsg == 32719
    assert region_grid(region([179.9, 10, 180, 10.1])).epsg == 32660


def test_box_over_two_zones_names_both_and_the_key() -> None:
    """A region at a zone's edge must not be put silently into one of the two."""
    with pytest.raises(RevisitError, match=r"regions\.here\.epsg: .*EPSG:32631 and EPSG:32632.*`epsg`"):
        region([5.95, 50.0, 6.05, 50.1])
    with pytest.raises(RevisitError, match=r"EPSG:32631 and EPSG:32731"):
        region([3.0, -0.1, 3.1, 0.1])
    assert region_grid(region([5.95, 50.0, 6.05, 50.1], 32632)).epsg == 32632


def test_box_that_ends_on_a_zone_edge_lies_in_one() -> None:
    assert utm_zones([5.9, 50.0, 6.0, 50.1]) == [32631]
    assert utm_zones([6.0, 50.0, 6.1, 50.1]) == [32632]
    assert utm_zones([3.0, -0.1, 3.1, 0.0]) == [32731]
    assert utm_zones([5.9, -1, 12.1, 1]) == [32631, 32632, 32633, 32731, 32732, 32733]


@pytest.mark.parametrize("epsg", [32630, 32632])
def test_a_neighbouring_zone_may_be_chosen(epsg: int) -> None:
    """West of Norway all maps are in zone 32."""
    assert region_grid(region([5.0, 60.0, 5.1, 60.1], epsg)).epsg == epsg


def test_the_first_zone_is_the_neighbour_of_the_last() -> None:
    assert region([-179.9, 50, -179.8, 50.1], 32660).epsg == 32660


@pytest.mark.parametrize("epsg", [32633, 32731, 4326, 3857, 31])
def test_a_zone_far_away_is_refused(epsg: int) -> None:
    """There the grid would be skewed, or no metres at all."""
    with pytest.raises(RevisitError, match=rf"regions\.here\.epsg: EPSG:{epsg} is no UTM zone .*take 32631"):
        region([5.0, 60.0, 5.1, 60.1], epsg)


@pytest.mark.parametrize(
    ("bbox", "says"),
    [
        ([5, 50, 4.9, 50.1], "must rise"),
        ([5, 50.1, 5.1, 50], "must rise"),
        ([5, 50, 5, 50.1], "must rise"),
        ([179.9, 10, -179.9, 10.0], "180th meridian, and nowhere else"),
        ([9.6, 48, 9.5, 48.1], "180th meridian, and nowhere else"),
        ([5, 50, 6], "has 3 numbers"),
        ([180, 10, 180.1, 10.1], "longitudes between -180 and 180"),
        ([0, 83.9, 0.1, 89], "latitudes between -80 and 84"),
        ([9, 48, 9.1, 98], "north 98 must be latitudes between -80 and 84$"),
        ([34.0, -118.5, 34.1, -118.4], r"look exchanged: .* here \[-118.5, 34.0, -118.4, 34.1\]"),
        ([5, 98, 5.1, 98.1], r"look exchanged: .* here \[98.0, 5.0, 98.1, 5.1\]"),
        ([0, 48, 6, 54], "is 446 x 667 km, more than 100 km a side; divide it"),
        ([5, 48, 5.1, 48.95], "more than 100 km"),
        ([float("nan"), 48, 5.1, 48.1], "finite"),
    ],
)
def test_what_is_no_box_is_refused(bbox: list[float], says: str) -> None:
    """Before a byte is fetched, with the key, the values and what to do."""
    with pytest.raises(RevisitError, match=rf"^regions\.here\.bbox.*{says}"):
        region(bbox)


def test_a_box_over_the_180th_meridian_is_one_region() -> None:
    """East being the smaller number; the grid is as wide as the same box one degree further west."""
    here, there = region([179.9, -17, -179.9, -16.9], 32760), region([178.9, -17, 179.1, -16.9])
    assert here.bbox == [179.9, -17, 180.1, -16.9]
    assert Region(**here.content()) == here  # as jobs read it again
    assert region_grid(here).epsg == 32760
    widths = [region_grid(one).width for one in (here, there)]
    assert widths[0] == pytest.approx(widths[1], rel=0.01)
    with pytest.raises(RevisitError, match="EPSG:32760 and EPSG:32701"):
        region([179.9, -17, -179.9, -16.9])


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"bounds_m": [600000, 5640000, 605040, 5645040]}, "bounds_m needs epsg"),
        ({"bounds_m": [600000, 5640000, 605050, 5645040], "epsg": 32631}, "must be multiples of 60"),
        ({"bounds_m": 5, "epsg": 32631}, "must be left, bottom, right, top in whole metres"),
        (
            {"bounds_m": [600000, 5640000, 605040, 5645040], "epsg": 32631, "bbox": [5, 50, 5.1, 50.1]},
            "leave bbox",
        ),
    ],
)
def test_bounds_that_say_no_place_are_refused(entry: dict[str, object], says: str) -> None:
    """Above all a box elsewhere: scenes of one place would be laid on the grid of another."""
    with pytest.raises(RevisitError, match=says):
        read(Region, entry, "regions.here")


def test_bounds_are_the_grid_and_the_box_is_around_them() -> None:
    bounds = [600000, 5640000, 605040, 5645040]
    here = read(Region, {"bounds_m": bounds, "epsg": 32631}, "regions.here")
    assert region_grid(here).bounds == tuple(bounds)
    assert read(Region, here.content(), "regions.here") == here  # as jobs read it again


def test_blocks_cover_every_pixel_once_and_know_where_they_lie() -> None:
    grid = region_grid(Region(bbox=[5.0, 50.0, 5.05, 50.03]))
    seen = np.zeros(grid.shape, int)
    for block in grid.blocks(100):
        part = grid.part(block)
        seen[block] += 1
        np.testing.assert_array_equal(part.x, grid.x[block[1]])
        np.testing.assert_array_equal(part.y, grid.y[block[0]])
        assert part.shape == seen[block].shape
    assert (seen == 1).all()


def test_a_block_is_widened_as_far_as_there_are_pixels_and_found_again_in_it() -> None:
    block = slice(2, 6), slice(4, 9)
    wide = widened(block, 3, (20, 10))
    assert wide == (slice(0, 9), slice(1, 10))
    image = np.arange(200).reshape(20, 10)
    assert np.array_equal(image[wide][inside(block, wide)], image[block])
