"""The search parameters: what is accepted, what is refused, what an item answers to."""

from typing import Any

import pytest

from revisit.stac.api.query import BadRequestError, from_get, parse, select_fields
from revisit.stac.period import span

ITEM: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "a",
    "collection": "c",
    "bbox": [1, 2, 1, 2],
    "geometry": {"type": "Point", "coordinates": [1, 2]},
    "properties": {"datetime": "2020-06-01T00:00:00Z", "eo:cloud_cover": 10, "platform": "sentinel-2a"},
    "links": [],
    "assets": {"red": {"href": "x", "type": "image/tiff"}, "B1.TIF": {"href": "y", "type": "image/tiff"}},
}
PERIOD = {
    "datetime": None,
    "start_datetime": "2020-01-01 00:00:00+00:00",
    "end_datetime": "2020-12-31T23:59:59Z",
}


@pytest.mark.parametrize(
    ("interval", "single", "period"),
    [
        ("2020-06-01T00:00:00Z", True, True),
        ("2020-06-01T02:00:00+02:00", True, True),
        ("2020-06-02T00:00:00Z/..", False, True),
        ("../2020-05-31T00:00:00Z", False, True),
        ("/2021-01-01T00:00:00.5Z", True, True),
        ("2020-01-01t00:00:00z/2020-12-31T23:59:59.123456789Z", True, True),
        ("2021-01-01T00:00:00Z/2022-01-01T00:00:00Z", False, False),
    ],
)
def test_datetime_meets_instants_and_periods(interval: str, single: bool, period: bool) -> None:
    """Open ends, zones and items whose datetime is null (land-cover maps) are all understood."""
    search = parse({"datetime": interval})
    assert search.matches(ITEM) is single
    assert search.matches({**ITEM, "properties": PERIOD}) is period


@pytest.mark.parametrize(
    "interval",
    [
        *("../..", "/", "2020-01-01", "2020-01-01T00:00:00", "2020-13-01T00:00:00Z", "20200101T000000Z"),
        *(
            "2021-01-01T00:00:00Z/2020-01-01T00:00:00Z",
            "2020-01-01T00:00:00Z/../..",
            "2020-01-01T00:00:00,5Z",
        ),
    ],
)
def test_malformed_datetimes_are_refused(interval: str) -> None:
    """A misread interval would silently answer with the wrong years."""
    with pytest.raises(BadRequestError, match="datetime"):
        parse({"datetime": interval})


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"eo:cloud_cover": {"lte": 10, "gt": 9}}, True),
        ({"eo:cloud_cover": {"lt": "60"}}, True),
        ({"eo:cloud_cover": {"lt": "9.5"}}, False),
        ({"eo:cloud_cover": {"lt": "many"}}, False),
        ({"properties.platform": {"startsWith": "sentinel", "endsWith": "2a", "contains": "-"}}, True),
        ({"platform": {"in": ["sentinel-2a", "sentinel-2b"]}}, True),
        ({"platform": {"neq": "sentinel-2a"}}, False),
        ({"view:azimuth": {"lt": 5}}, False),
        ({"platform": {"gt": 5}}, False),
    ],
)
def test_query_operators(query: dict, answer: bool) -> None:
    """Numbers sent as text compare as numbers; an absent property or another type never matches."""
    assert parse({"query": query}).matches(ITEM) is answer


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("eo:cloud_cover < 20", True),
        ("properties.eo:cloud_cover BETWEEN 11 AND 20", False),
        ("platform LIKE 'sentinel%' AND NOT id = 'b'", True),
        ("view:azimuth < 5", False),
        ("view:azimuth < 5 OR collection IN ('c')", True),
        ("S_INTERSECTS(geometry, POLYGON((0 0,5 0,5 5,0 5,0 0)))", True),
        ("datetime > TIMESTAMP('2020-07-01T00:00:00Z')", False),
        ({"op": "<=", "args": [{"property": "eo:cloud_cover"}, 10]}, True),
    ],
)
def test_cql2_text_and_json(expression: Any, answer: bool) -> None:
    """An item without the property of a filter is no match, not a fault."""
    assert parse({"filter": expression}).matches(ITEM) is answer


def test_cql2_sees_the_start_of_a_period() -> None:
    """A map whose datetime is null can still be filtered by time."""
    search = parse({"filter": "datetime < TIMESTAMP('2020-07-01T00:00:00Z')"})
    assert search.matches({**ITEM, "properties": PERIOD})


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"bbox": [0, 0, 1, 1], "intersects": ITEM["geometry"]}, "exclude"),
        ({"bbox": [0, 0, 1]}, "bbox"),
        ({"bbox": [0, 5, 1, 1]}, "south"),
        ({"intersects": {"type": "Blob"}}, "intersects"),
        ({"limit": 0}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"token": "-1"}, "token"),
        ({"query": {"eo:cloud_cover": {"below": 5}}}, "below"),
        ({"query": []}, "query"),
        ({"filter": "eo:cloud_cover <"}, "CQL2"),
        ({"filter": {"op": "nearly", "args": [1, 2]}}, "nearly"),
        ({"fields": None}, "fields"),
        ({"fields": {"include": [1]}}, "fields"),
        ({"sortby": ["datetime"]}, "sortby"),
        ({"collections": [1]}, "collections"),
    ],
)
def test_malformed_parameters_name_themselves(body: dict, word: str) -> None:
    """What is not understood is refused: an ignored condition would answer with too much."""
    with pytest.raises(BadRequestError, match=word):
        parse(body)


def test_get_says_what_post_says() -> None:
    """Both ways of asking reach the same search, also with a + that arrived as a blank."""
    body = from_get(
        {
            "collections": "a,b",
            "bbox": "1,2,3,4",
            "query": '{"x": {"lt": 5}}',
            "filter": '{"op": "=", "args": [{"property": "id"}, "a"]}',
            "filter-lang": "cql2-json",
            "sortby": "-properties.datetime, id",
            "limit": "20000",
        }
    )
    search = parse(body)
    assert search.collections == ["a", "b"]
    assert search.area is not None
    assert search.area.bounds == (1, 2, 3, 4)
    assert search.sortby == [("properties.datetime", True), ("id", False)]
    assert search.limit == 10_000
    assert search.filter is not None
    assert search.query == {"x": {"lt": 5}}


def test_bbox_across_the_antimeridian() -> None:
    """West greater than east means the short way round, in two pieces."""
    area = parse({"bbox": [179, -1, -179, 1]}).area
    assert area is not None
    assert area.area == pytest.approx(4)


@pytest.mark.parametrize(
    ("fields", "there", "absent"),
    [
        ("", ["id", "assets", "geometry"], ["properties.platform"]),
        ("id,properties.platform", ["id", "properties.platform"], ["assets", "properties.datetime"]),
        ("-geometry", ["id", "properties.platform"], ["geometry"]),
        ("properties,-properties.platform", ["properties.datetime"], ["properties.platform", "id"]),
        ("+geometry,-geometry", ["geometry"], ["id"]),
        ("eo:cloud_cover", ["properties.eo:cloud_cover"], ["id"]),
        ("assets.red.href", ["assets.red.href"], ["assets.red.type", "assets.B1.TIF", "id"]),
        ("assets.B1.TIF.href,assets.red", ["assets.B1.TIF.href", "assets.red.type"], ["assets.B1.TIF.type"]),
        (
            "-assets.red.href",
            ["assets.red.type", "assets.B1.TIF.href", "properties.datetime"],
            ["assets.red.href"],
        ),
        ("assets,-assets.red.href", ["assets.red.type", "assets.B1.TIF.href"], ["assets.red.href", "id"]),
        ("assets.red.href,-assets", ["assets.red.href"], ["assets.red.type", "assets.B1.TIF"]),
        ("assets.red.href,assets", ["assets.red.type", "assets.B1.TIF.href"], ["id"]),
        ("assets,assets.red.href", ["assets.red.type", "assets.B1.TIF.href"], ["id"]),
        ("assets.none.href,id", ["id"], ["assets"]),
        ("-assets.none.href", ["assets.red.href", "id"], []),
    ],
)
def test_fields(fields: str, there: list[str], absent: list[str]) -> None:
    """Includes and excludes work on nested names, and leave the catalogue's own item alone."""
    before = str(ITEM)
    slim = select_fields(ITEM, parse(from_get({"fields": fields})).fields)

    def has(place: dict, name: str) -> bool:
        if name in place:
            return True
        steps = [key for key in place if name.startswith(f"{key}.")]
        return any(isinstance(place[key], dict) and has(place[key], name[len(key) + 1 :]) for key in steps)

    assert all(has(slim, name) for name in there)
    assert not any(has(slim, name) for name in absent)
    assert str(ITEM) == before


def test_a_blank_in_a_moment_is_read() -> None:
    """One catalogue writes a blank where the standard has a T."""
    assert span({**ITEM, "properties": PERIOD})[0].isoformat() == "2020-01-01T00:00:00+00:00"
