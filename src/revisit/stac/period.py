"""When a STAC item was taken: its moment, or the period that it stands for."""

from datetime import UTC, datetime
from typing import Any

EVER, NEVER_ENDING = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def span(item: dict[str, Any]) -> tuple[datetime, datetime]:
    """First and last moment of an item: its datetime or, where that is null, its start and end."""
    properties = item["properties"]
    if properties.get("datetime"):
        moment = instant(properties["datetime"])
        return moment, moment
    start, end = properties.get("start_datetime"), properties.get("end_datetime")
    return (instant(start) if start else EVER, instant(end) if end else NEVER_ENDING)


def instant(text: str) -> datetime:
    """A moment in UTC; the blank instead of ``T`` that some catalogues write is accepted."""
    moment = datetime.fromisoformat(text.strip())
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
