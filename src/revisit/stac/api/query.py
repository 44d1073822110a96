"""What a STAC search asks for: its parameters read from GET or POST, and which items answer it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import cql2
import shapely
import shapely.geometry

from revisit.stac.period import EVER, NEVER_ENDING, instant, span

DEFAULT_LIMIT, LARGEST_LIMIT = 10, 10_000
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
# What an answer holds when `fields` is there but empty: a valid item, no more.
DEFAULT_FIELDS = [
    *("type", "stac_version", "id", "collection", "geometry", "bbox", "links", "assets"),
    *(f"properties.{name}" for name in ("datetime", "start_datetime", "end_datetime")),
]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, other: value == other,
    "neq": lambda value, other: value != other,
    "lt": lambda value, other: value < other,
    "lte": lambda value, other: value <= other,
    "gt": lambda value, other: value > other,
    "gte": lambda value, other: value >= other,
    "startsWith": lambda value, other: value.startswith(other),
    "endsWith": lambda value, other: value.endswith(other),
    "contains": lambda value, other: other in value,
    "in": lambda value, other: value in other,
}
CQL2_OPERATORS = re.compile(
    r"and|or|not|=|<>|<|<=|>|>=|between|in|like|isNull|casei|accenti|[-+*/%^]|div|[sta]_[a-zA-Z]+", re.I
)


class BadRequestError(ValueError):
    """The request is malformed: the server answers 400 with this message."""


@dataclass(frozen=True)
class Search:
    """One validated search; ``offset`` is how many matching items earlier pages held."""

    collections: list[str] | None = None
    ids: list[str] | None = None
    area: shapely.Geometry | None = None
    interval: tuple[datetime, datetime] | None = None
    query: dict[str, dict[str, Any]] = field(default_factory=dict)
    filter: cql2.Expr | None = None
    fields: dict[str, Any] | None = None
    sortby: list[tuple[str, bool]] = field(default_factory=list)
    limit: int = DEFAULT_LIMIT
    offset: int = 0

    def matches(self, item: dict[str, Any]) -> bool:
        """Whether an item answers every condition but the area, which the catalogue tests for all at once."""
        return (
            (not self.collections or item["collection"] in self.collections)
            and (not self.ids or item["id"] in self.ids)
            and (self.interval is None or _overlap(self.interval, span(item)))
            and all(_compare(item, name, conditions) for name, conditions in self.query.items())
            and (self.filter is None or _fulfils(item, self.filter))
        )


def from_get(parameters: Mapping[str, str]) -> dict[str, Any]:
    """The POST body that says the same as a GET's query string."""
    body: dict[str, Any] = dict(parameters)
    for name in ("collections", "ids"):
        if name in body:
            body[name] = [part for part in body[name].split(",") if part]
    if "bbox" in body:
        body["bbox"] = body["bbox"].split(",")
    for name in ("intersects", "query"):
        if name in body:
            body[name] = _json(name, body[name])
    if "filter" in body and body.get("filter-lang", "cql2-text") == "cql2-json":
        body["filter"] = _json("filter", body["filter"])
    if "fields" in body:
        body["fields"] = _fields_from_text(body["fields"])
    if "sortby" in body:
        body["sortby"] = [
            {"field": part.lstrip("+-"), "direction": "desc" if part.startswith("-") else "asc"}
            for part in map(str.strip, body["sortby"].split(","))  # an unescaped + arrives as a blank
        ]
    return body


def parse(body: dict[str, Any]) -> Search:
    """Validate a POST body; raise BadRequestError naming the parameter that is wrong."""
    if body.get("bbox") and body.get("intersects"):
        raise BadRequestError("bbox and intersects exclude each other; send one")
    area = None
    if body.get("bbox"):
        area = _box(body["bbox"])
    elif body.get("intersects"):
        area = _geometry(body["intersects"])
    return Search(
        collections=_names("collections", body.get("collections")),
        ids=_names("ids", body.get("ids")),
        area=area,
        interval=_interval(body["datetime"]) if body.get("datetime") else None,
        query={} if body.get("query") is None else _query(body["query"]),
        filter=_filter(body["filter"]) if body.get("filter") else None,
        fields=_fields(body["fields"]) if "fields" in body else None,
        sortby=_sortby(body.get("sortby") or []),
        limit=min(_whole("limit", body.get("limit", DEFAULT_LIMIT), least=1), LARGEST_LIMIT),
        offset=_whole("token", body.get("token", 0), least=0),
    )


def lookup(item: dict[str, Any], name: str) -> Any:
    """The value of a property or, for names like ``id``, of the item itself; None when absent."""
    name = name.removeprefix("properties.")
    return item["properties"].get(name, item.get(name))


def sort_key(item: dict[str, Any], name: str) -> tuple[bool, str, Any]:
    """Sorts by one field, whatever mixture of types it holds; items without it come last when ascending."""
    value = lookup(item, name)
    if isinstance(value, int | float):
        return False, "", value
    return value is None, "text", str(value)


def select_fields(item: dict[str, Any], fields: dict[str, Any] | None) -> dict[str, Any]:
    """The item with what is included, less what is excluded and not itself included by name.

    Names lead to any depth (``assets.red.href``); without ``properties.`` they are those of properties too.
    """
    if fields is None:
        return item
    include, exclude = fields.get("include"), fields.get("exclude")
    asked = _paths(item, include)
    result = item
    if include or not exclude or "include" in fields:
        result = {}
        for path in asked if include else _paths(item, DEFAULT_FIELDS):
            _put(result, item, path)
    for path in _paths(item, exclude):
        if not any(other[: len(path)] == path for other in asked):
            result = _without(result, path)
    return result


def _paths(item: dict[str, Any], names: Sequence[str] | None) -> list[tuple[str, ...]]:
    """The keys that lead to each name, of those the item has."""
    paths = (_path(item, name) or _path(item, f"properties.{name}") for name in names or ())
    return [path for path in paths if path]


def _path(item: dict[str, Any], name: str) -> tuple[str, ...]:
    """Keys to a name, () where there is none; a key may have dots in it."""
    if name in item:
        return (name,)
    for key, inner in item.items():
        below = name.removeprefix(f"{key}.")
        if below != name and isinstance(inner, dict) and (path := _path(inner, below)):
            return (key, *path)
    return ()


def _put(target: dict[str, Any], source: dict[str, Any], path: tuple[str, ...]) -> None:
    """Copy what lies at a path, beside what of its surroundings is there already."""
    key, below = path[0], path[1:]
    if not below:
        target[key] = source[key]
    elif key not in target:
        _put(target.setdefault(key, {}), source[key], below)
    elif target[key] is not source[key]:  # else it is there as a whole
        _put(target[key], source[key], below)


def _without(place: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """A copy without what lies at a path."""
    key, below = path[0], path[1:]
    if key not in place:
        return place
    if not below:
        return {name: value for name, value in place.items() if name != key}
    return {**place, key: _without(place[key], below)}


def _overlap(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _compare(item: dict[str, Any], name: str, conditions: dict[str, Any]) -> bool:
    value = lookup(item, name)
    return value is not None and all(_holds(value, key, other) for key, other in conditions.items())


def _holds(value: Any, operator: str, other: Any) -> bool:
    # Clients' shortcuts such as query=["eo:cloud_cover<60"] send numbers as text.
    if isinstance(value, int | float) and isinstance(other, str):
        try:
            other = float(other)
        except ValueError:
            return False
    try:
        return OPERATORS[operator](value, other)
    except (TypeError, AttributeError):
        return False


def _fulfils(item: dict[str, Any], expression: cql2.Expr) -> bool:
    properties = item["properties"]
    seen = {name: item.get(name) for name in ("type", "id", "collection", "geometry")}
    moment = properties.get("datetime") or properties.get("start_datetime")
    try:
        return bool(expression.matches({**seen, "properties": {**properties, "datetime": moment}}))
    except Exception:
        # cql2 raises a bare Exception where an item lacks a property of the filter: no match.
        return False


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRequestError(f"{name} is not valid JSON: {error}") from error


def _names(name: str, value: Any) -> list[str] | None:
    if value is None or isinstance(value, str):
        return [value] if value else None
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise BadRequestError(f"{name} must be a list of names, not {value!r}")
    return value


def _whole(name: str, value: Any, least: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise BadRequestError(f"{name} must be a whole number, not {value!r}") from error
    if number < least:
        raise BadRequestError(f"{name} must be at least {least}, not {number}")
    return number


def _box(value: Any) -> shapely.Geometry:
    try:
        numbers = [float(part) for part in value]
    except (TypeError, ValueError) as error:
        raise BadRequestError(f"bbox must be 4 or 6 numbers, not {value!r}") from error
    if len(numbers) not in (4, 6):
        raise BadRequestError(f"bbox must be 4 or 6 numbers, not {len(numbers)}")
    half = len(numbers) // 2
    (west, south), (east, north) = numbers[:2], numbers[half : half + 2]
    if south > north:
        raise BadRequestError(f"bbox: south {south} lies north of north {north}")
    if west > east:  # across the antimeridian
        return shapely.union(shapely.box(west, south, 180, north), shapely.box(-180, south, east, north))
    return shapely.box(west, south, east, north)


def _geometry(value: Any) -> shapely.Geometry:
    try:
        return shapely.geometry.shape(value)
    except Exception as error:  # shapely raises many kinds
        raise BadRequestError(f"intersects is no GeoJSON geometry: {error}") from error


def _interval(text: Any) -> tuple[datetime, datetime]:
    ends = str(text).upper().split("/")
    if len(ends) > 2:
        raise BadRequestError(f"datetime {text!r} has more than two ends")
    moments = [None if end in ("", "..") else _moment(end) for end in ends]
    start, end = moments[0], moments[-1]
    if start is None and end is None:
        raise BadRequestError(f"datetime {text!r} is open at both ends")
    if start and end and start > end:
        raise BadRequestError(f"datetime {text!r} ends before it starts")
    return start or EVER, end or NEVER_ENDING


def _moment(text: str) -> datetime:
    if not RFC3339.fullmatch(text):
        raise BadRequestError(f"datetime {text!r} is not of the form 2020-01-31T12:00:00Z")
    try:
        return instant(text)
    except ValueError as error:
        raise BadRequestError(f"datetime {text!r}: {error}") from error


def _query(value: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(part, dict) for part in value.values()):
        raise BadRequestError('query must be of the form {"eo:cloud_cover": {"lte": 60}}')
    for name, conditions in value.items():
        for operator in conditions:
            if operator not in OPERATORS:
                raise BadRequestError(f"query: {name}: no operator {operator!r}; known are {list(OPERATORS)}")
    return value


def _filter(value: Any) -> cql2.Expr:
    try:
        expression = cql2.Expr(value)
        names = _operators(expression.to_json())
    except Exception as error:  # cql2 raises bare exceptions
        raise BadRequestError(f"filter is not valid CQL2: {' '.join(str(error).split())}") from error
    if unknown := sorted(name for name in names if not CQL2_OPERATORS.fullmatch(name)):
        raise BadRequestError(f"filter: no such operator or function: {', '.join(unknown)}")
    return expression


def _operators(expression: Any) -> set[str]:
    if isinstance(expression, list):
        return set().union(*map(_operators, expression))
    if isinstance(expression, dict) and "op" in expression:
        return {expression["op"]} | _operators(expression["args"])
    return set()


def _fields_from_text(text: str) -> dict[str, Any]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    exclude = [name[1:] for name in names if name.startswith("-")]
    include = [name.lstrip("+") for name in names if not name.startswith("-")]
    return {"include": include, "exclude": exclude} if include or not exclude else {"exclude": exclude}


def _fields(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(
        names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names))
        for names in value.values()
    ):
        raise BadRequestError('fields must be of the form {"include": [...], "exclude": [...]}')
    return value


def _sortby(value: Any) -> list[tuple[str, bool]]:
    try:
        return [(part["field"], part.get("direction", "asc") == "desc") for part in value]
    except (TypeError, KeyError, AttributeError) as error:
        raise BadRequestError('sortby must be of the form [{"field": "id", "direction": "asc"}]') from error
