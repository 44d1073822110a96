"""Typed records: what a part of the config may say, with its defaults and the words that explain it.

A record stands in the file of what it configures. The config's schema, its reference page and the check at
planning are all made from the records; there is no second place that knows a key or a default.
"""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from revisit.errors import RevisitError


class Record(BaseModel):
    """A part of the config. The string below a field describes it; a key no field has is refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        serialize_by_alias=True,
    )

    def content(self) -> dict[str, Any]:
        """All fields, defaults too, as JSON can hold them."""
        return self.model_dump(mode="json")


def part(sort: str) -> Any:
    """Marks a field that holds a part's entry (``encoder: Annotated[dict[str, Any], part("encoder")]``).

    Which keys such an entry may have depends on the part it names; see ``revisit.parts``.
    """
    return Field(json_schema_extra={"x-part": sort})


Kind = TypeVar("Kind", bound=Record)


def read(kind: type[Kind], content: Mapping[str, Any], where: str) -> Kind:
    """``content`` as a record; raises RevisitError naming the first wrong key, with ``where`` it lies."""
    try:
        return kind.model_validate(dict(content))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # A misspelt key is missing too; that it is misspelt says more.
        first = min(errors, key=lambda one: one["type"] != "extra_forbidden")
        raise RevisitError(_line(kind, first, where)) from None


def _line(kind: type[Record], error: ErrorDetails, where: str) -> str:
    path = [str(step) for step in error["loc"]]
    if error["type"] == "extra_forbidden":
        inside = ".".join(filter(None, (where, *path[:-1]))) or "the top level"
        known = _fields_at(kind, path[:-1])
        close = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(known))}"
        return f"{inside}: unknown key {path[-1]!r}; {hint}"
    key = ".".join(filter(None, (where, *path)))
    if error["type"] == "missing":
        return f"{key} is missing; add it"
    message = (
        error["msg"].removeprefix("Value error, ").replace("Input should", "must").partition(", unable")[0]
    )
    return f"{key}: {message}" + ("" if error["type"] == "value_error" else f", not {error['input']!r}")


def _fields_at(kind: type[Record], path: list[str]) -> list[str]:
    """The keys of the record that lies at ``path`` below ``kind``, as far as the types tell."""
    schema = kind.model_json_schema()
    place: dict[str, Any] = schema
    for step in path:
        place = _resolved(place, schema)
        following = (
            place.get("properties", {}).get(step) or place.get("additionalProperties") or place.get("items")
        )
        if not isinstance(following, dict):
            return []
        place = following
    return list(_resolved(place, schema).get("properties", {}))


def _resolved(place: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for choice in place.get("anyOf", ()):
        if "$ref" in choice:
            place = choice
    if "$ref" in place:
        found: dict[str, Any] = schema["$defs"][place["$ref"].rpartition("/")[2]]
        return found
    return place
