"""Protects typed records: a wrong config is refused in one line with key, value and what is expected."""

from typing import Literal

import pytest
from pydantic import Field, field_validator

from revisit.errors import RevisitError
from revisit.record import Record, read


class Inner(Record):
    width: int = Field(ge=1)
    """Width in pixels."""
    mode: Literal["near", "far"] = "near"
    """Where."""


class Outer(Record):
    """An example."""

    inner: Inner
    """The inside."""
    by_name: dict[str, Inner] = {}
    """More of them."""
    shares: list[float] = [1.0]
    """Must sum to 1."""

    @field_validator("shares")
    @classmethod
    def _one(cls, shares: list[float]) -> list[float]:
        if sum(shares) != 1:
            raise ValueError(f"must sum to 1, not {sum(shares):g}; change one")
        return shares


def refusal(content, where="top"):
    with pytest.raises(RevisitError) as caught:
        read(Outer, content, where)
    return str(caught.value)


def test_a_right_record_is_read_with_its_defaults():
    assert read(Outer, {"inner": {"width": 2}}, "top").content() == {
        "inner": {"width": 2, "mode": "near"},
        "by_name": {},
        "shares": [1.0],
    }


def test_what_is_wrong_is_named_with_its_key():
    assert refusal({"inner": {"width": 0}}) == "top.inner.width: must be greater than or equal to 1, not 0"
    assert refusal({}) == "top.inner is missing; add it"
    assert refusal({}, where="") == "inner is missing; add it"
    assert (
        refusal({"inner": {"width": 1}, "shares": [1.0, 0.3]})
        == "top.shares: must sum to 1, not 1.3; change one"
    )


def test_an_unknown_key_is_told_the_known_ones():
    assert refusal({"inner": {"widht": 1}}) == "top.inner: unknown key 'widht'; did you mean 'width'?"
    line = refusal({"inner": {"width": 1, "colour": 2}})
    assert line == "top.inner: unknown key 'colour'; known keys: mode, width"
    line = refusal({"inner": {"width": 1}, "by_name": {"a": {"width": 1, "moed": "far"}}})
    assert line == "top.by_name.a: unknown key 'moed'; did you mean 'mode'?"
    assert "known keys: by_name, inner, shares" in refusal({"inner": {"width": 1}, "zzz": 1}, where="")


def test_a_field_is_described_by_the_string_below_it():
    assert (
        Outer.model_json_schema()["$defs"]["Inner"]["properties"]["width"]["description"]
        == "Width in pixels."
    )
