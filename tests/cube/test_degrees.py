"""Protects what crosses the 180th meridian: cut there in GeoJSON, whole inside, all else untouched."""

import pytest
from pyproj import Transformer
from shapely.geometry import box, mapping, shape
from shapely.ops import transform

from revisit.cube.degrees import bbox_and_geometry, boxes_in_degrees, sides_met, unwrapped, whole_turns

FIJI = box(811_000, 8_118_000, 824_000, 8_130_000)  # in zone 60 south


def in_degrees(epsg: int, outline):
    return transform(Transformer.from_crs(epsg, 4326, always_xy=True).transform, outline)


def test_boxes_are_cut() -> None:
    assert boxes_in_degrees([5, 50, 6, 51]) == [[5, 50, 6, 51]]
    assert boxes_in_degrees([179, -17, 181, -16]) == [[179, -17, 180, -16], [-180, -17, -179, -16]]


def test_a_raster_is_read_on_its_side() -> None:
    """A projection tells of an area over the meridian with west the larger number."""
    assert sides_met((179, -17, -179, -16), 177, 180) == [[179, -17, 180, -16]]
    assert sides_met((179, -17, -179, -16), -180, -177) == [[-180, -17, -179, -16]]
    assert len(sides_met((179, -17, -179, -16), -180, 180)) == 2
    assert sides_met((179, -17, -179, -16), 178, 182) == [[179, -17, 180, -16], [180, -17, 181, -16]]
    assert sides_met((-60, 0, -59, 1), 0, 360) == [[300, 0, 301, 1]]
    assert [whole_turns(west) for west in (-180, 179.9, 180, 300, -180.1)] == [0, 0, 1, 1, -1]
    assert sides_met((5, 50, 6, 51), 90, 93) == [[5, 50, 6, 51]]  # not there at all: the reader finds nothing


def test_an_outline_goes_on_and_is_cut_again() -> None:
    """Nothing is lost or gained: both pieces together are as large as the outline."""
    raw = in_degrees(32760, FIJI)
    assert raw.bounds[2] - raw.bounds[0] > 359  # around the world
    whole = unwrapped(raw)
    assert 179.8 < whole.bounds[0] < 180 < whole.bounds[2] < 180.2
    feature = bbox_and_geometry(whole)
    west, south, east, north = feature["bbox"]
    assert 179.8 < west < 180 and -180 < east < -179.8 and south < north
    pieces = shape(feature["geometry"])
    assert len(pieces.geoms) == 2
    assert pieces.area == pytest.approx(whole.area)
    assert pieces.intersects(box(west, south, 180, north)) and pieces.intersects(
        box(-180, south, east, north)
    )


def test_seen_from_the_first_zone_it_is_the_same() -> None:
    """Longitudes that begin below -180 are those above 180."""
    west_of_it = unwrapped(in_degrees(32701, box(170_000, 8_118_000, 190_000, 8_130_000)))
    assert 179 < west_of_it.bounds[0] < 180 < west_of_it.bounds[2]


def test_what_does_not_cross_is_left_as_it_is() -> None:
    """To the bit: items of other regions must not change."""
    outline = in_degrees(32631, box(600_000, 5_600_000, 605_000, 5_605_000))
    assert unwrapped(outline) is outline
    assert bbox_and_geometry(outline) == {"bbox": list(outline.bounds), "geometry": mapping(outline)}
