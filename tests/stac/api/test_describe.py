"""What collections say of their items."""

from typing import Any

import pytest

from revisit.stac.api.describe import described, extent, item_assets, summaries


def item(bbox: list[float], assets: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    return {"bbox": bbox, "assets": assets or {}, "properties": {"datetime": None, **properties}}


def test_extent_of_moments_and_periods() -> None:
    found = extent(
        [
            item([1, 2, 3, 4], datetime="2020-06-01T00:00:00Z"),
            item([0, 3, 2, 5], start_datetime="2019-01-01T00:00:00Z", end_datetime="2021-01-01T00:00:00Z"),
        ]
    )
    assert found["spatial"]["bbox"] == [[0, 2, 3, 5]]
    assert found["temporal"]["interval"] == [["2019-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]]


def test_extent_over_the_180th_meridian_is_the_world() -> None:
    one = item([179, -1, -179, 1], datetime="2020-06-01T00:00:00Z")
    assert extent([one])["spatial"]["bbox"] == [[-180, -90, 180, 90]]


@pytest.mark.parametrize(
    ("values", "summary"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([51, 8, 51], [8, 51]),
        ([0.5, 3], {"minimum": 0.5, "maximum": 3}),
        (list(range(20)), {"minimum": 0, "maximum": 19}),
        ([f"id-{number}" for number in range(20)], None),
        ([["msi"], ["c-sar", "msi"]], ["c-sar", "msi"]),
        ([[10.0, 0.0], [20.0, 0.0]], None),
        ([{"a": 1}], None),
        ([None, 5], None),
    ],
)
def test_summaries(values: list[Any], summary: Any) -> None:
    """Few values as they are, numbers by their range; what would say nothing is left out."""
    found = summaries([item([0, 0, 1, 1], thing=value, created="2020") for value in values])
    assert found == ({} if summary is None else {"thing": summary})


def test_item_assets_say_what_all_have_alike() -> None:
    red = {"href": "1/red.tif", "type": "image/tiff", "roles": ["data"], "proj:shape": [1, 2]}
    other = {**red, "href": "2/red.tif", "proj:shape": [3, 4]}
    bare = {"href": "x", "title": "one thing is not enough"}
    found = item_assets([item([0, 0, 1, 1], {"red": red}), item([0, 0, 1, 1], {"red": other, "bare": bare})])
    assert found == {"red": {"type": "image/tiff", "roles": ["data"]}}


def test_what_a_collection_says_itself_stays() -> None:
    own = {"id": "c", "summaries": {"gsd": [10]}, "extent": {"spatial": {}}}
    found = described(own, [item([0, 0, 1, 1], {"red": {"type": "a", "roles": []}}, gsd=20)])
    assert found["summaries"] == {"gsd": [10]}
    assert found["extent"] == {"spatial": {}}
    assert found["item_assets"] == {"red": {"type": "a", "roles": []}}
