"""Thinning a series: as many dates as asked for, over the whole year, clear ones, with all of their tiles."""

from datetime import date, timedelta
from typing import Any

import pytest

from revisit.stac.dates import thin

Item = dict[str, Any]


def item(day: str | date, cloud: float | None = None, tile: str = "31UFS") -> Item:
    properties: Item = {"datetime": f"{day}T10:30:21Z"}
    if cloud is not None:
        properties["eo:cloud_cover"] = cloud
    return {"id": f"{tile}_{day}", "properties": properties}


def days(items: list[Item]) -> list[str]:
    return sorted({one["properties"]["datetime"][5:10] for one in items})


def every(step: int, year: int = 2020, **more: Any) -> list[Item]:
    return [item(date(year, 1, 1) + timedelta(days=number), **more) for number in range(0, 365, step)]


def test_a_year_is_covered_evenly_where_clouds_are_unknown() -> None:
    """Radar: one date near the middle of each quarter, of every year."""
    found = thin([*every(6, 2019), *every(6, 2020)], 4)
    assert len(found) == 8
    middles = [date(2020, 1, 1) + timedelta(days=round(366 * (part + 0.5) / 4)) for part in range(4)]
    kept = [date.fromisoformat(one["properties"]["datetime"][:10]) for one in found[4:]]
    assert all(abs(day - middle) <= timedelta(days=3) for day, middle in zip(kept, middles, strict=True))


def test_the_clearest_date_of_each_part_is_kept() -> None:
    """Optical: clouds decide within a part of the year, never between parts."""
    series = [
        item("2020-01-20", 80), item("2020-02-10", 60),  # a cloudy winter still has its date
        item("2020-05-01", 3), item("2020-05-11", 0), item("2020-06-01", 1),
        item("2020-08-15", 40), item("2020-09-20", 7),
        item("2020-11-15", 90),
    ]  # fmt: skip
    assert days(thin(series, 4)) == ["02-10", "05-11", "09-20", "11-15"]


def test_unknown_cloud_comes_last() -> None:
    """A date that does not say may be overcast, and one that is says so."""
    assert days(thin([item("2020-06-01"), item("2020-06-11", 70)], 1)) == ["06-11"]
    null = item("2020-07-01")
    null["properties"]["eo:cloud_cover"] = None
    assert days(thin([null, item("2020-12-01", 100)], 1)) == ["12-01"]


def test_all_tiles_of_a_kept_date_stay() -> None:
    """A date is judged by the mean of its tiles, and is whole or absent."""
    series = [
        item("2020-06-01", 0, "31UFS"), item("2020-06-01", 60, "31UGS"),
        item("2020-06-06", 20, "31UFS"), item("2020-06-06", 20, "31UGS"),
    ]  # fmt: skip
    assert [one["id"] for one in thin(series, 1)] == ["31UFS_2020-06-06", "31UGS_2020-06-06"]


def test_parts_without_a_date_leave_room_for_others() -> None:
    """Exactly as many dates as asked for, if there are so many; the clearest, then the farthest apart."""
    summer = [item(f"2020-06-{day:02}", cloud) for day, cloud in ((1, 5), (6, 0), (11, 5), (16, 30), (26, 5))]
    assert days(thin(summer, 3)) == ["06-01", "06-06", "06-26"]
    assert thin(summer, 9) == summer


def test_months_are_the_whole_year_of_a_summer_study() -> None:
    """With months, the parts are parts of those months: April to July in four give the middle of each."""
    series = [one for one in every(1) if one["properties"]["datetime"][5:7] in ("04", "05", "06", "07")]
    assert days(thin(series, 4, [4, 5, 6, 7])) == ["04-16", "05-16", "06-16", "07-16"]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_the_choice_does_not_depend_on_the_order_of_items(count: int) -> None:
    """Catalogues answer in any order; the frozen file must not show it."""
    series = every(4, cloud=10.0)
    backwards = thin(series[::-1], count)
    assert days(thin(series, count)) == days(backwards)
    assert len(days(backwards)) == count
    assert thin(series, count) == backwards[::-1]  # and items keep theirs
