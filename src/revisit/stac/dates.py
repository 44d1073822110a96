"""Thins out a series: at most so many acquisition dates per year, spread over it, the clearest first."""

import math
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from statistics import fmean
from typing import Any

from revisit.stac.adapter import cloud_cover, moment

Item = dict[str, Any]


def thin(items: Sequence[Item], per_year: int, months: Collection[int] | None = None) -> list[Item]:
    """The items of at most ``per_year`` dates (UTC days) of each year, in their order.

    The year, or its ``months`` (1 to 12), is cut into ``per_year`` equal spans. Of each the least cloudy date
    is kept (eo:cloud_cover, the mean of its items), of several as cloudy, or where that is unknown, the one
    nearest the middle of its span. Spans without a date leave room for the least cloudy of the other dates,
    the farthest from those kept first. All items of a kept date stay.
    """
    dates: dict[date, list[Item]] = {}
    for item in items:
        dates.setdefault(date.fromisoformat(moment(item)[:10]), []).append(item)
    clouds = {day: _cloud(found) for day, found in dates.items()}
    kept: set[date] = set()
    for year in {day.year for day in dates}:
        its = {day: cloud for day, cloud in clouds.items() if day.year == year}
        kept |= _spread(its, per_year, _span(year, months))
    return [item for item in items if date.fromisoformat(moment(item)[:10]) in kept]


def _cloud(items: Sequence[Item]) -> float:
    """Mean cloud cover, per cent; infinite, and so last, where any item does not say."""
    covers = [cloud_cover(item) for item in items]
    return fmean(math.inf if cover is None else cover for cover in covers)


def _span(year: int, months: Collection[int] | None) -> list[date]:
    """The days of a year that were asked for."""
    days = [date(year, 1, 1) + timedelta(days=number) for number in range(366)]
    return [day for day in days if day.year == year and (not months or day.month in months)]


def _spread(clouds: dict[date, float], count: int, span: list[date]) -> set[date]:
    """``count`` of the dates, or all if there are fewer."""
    place = {day: (span.index(day) + 0.5) / len(span) * count for day in clouds}  # in spans
    parts: dict[int, list[date]] = {}
    for day in sorted(clouds):
        parts.setdefault(int(place[day]), []).append(day)
    kept = {
        min(days, key=lambda day: (clouds[day], abs(place[day] % 1 - 0.5), day)) for days in parts.values()
    }
    while len(kept) < count and (others := clouds.keys() - kept):
        kept.add(
            min(
                others,
                key=lambda day: (clouds[day], -min(abs((day - other).days) for other in kept), day),
            )
        )
    return kept
