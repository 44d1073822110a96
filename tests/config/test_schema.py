"""Protects the one place that knows keys and defaults: schema and reference page are made of the records."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from revisit import parts
from revisit.config import schema

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made():
    return schema.schema()


def test_the_schema_in_the_tree_is_the_generated_one(made):
    assert yaml.safe_load((ROOT / schema.SCHEMA).read_text()) == made


def test_the_reference_page_in_the_tree_is_the_generated_one():
    assert (ROOT / schema.REFERENCE).read_text() == schema.reference()


def test_editors_find_every_shipped_study_right_and_a_wrong_key_wrong(made):
    Draft202012Validator.check_schema(made)
    validator = Draft202012Validator(made)
    for path in (ROOT / "config.yaml", *(ROOT / "workflow/presets").glob("*.yaml")):
        study = yaml.safe_load(path.read_text())
        assert [error.message for error in validator.iter_errors(study)] == [], path.name
        for entry in study["pretraining"]["methods"].values():
            entry["method"]["mask_ration"] = 0.5
            assert not validator.is_valid(study)
            break


def test_every_key_is_described(made):
    undescribed = [
        f"{name}.{key}"
        for name, definition in {"study": made, **made["$defs"]}.items()
        for key, field in definition.get("properties", {}).items()
        if not schema.description(field, made["$defs"]) and "const" not in field
    ]
    assert undescribed == []


def test_every_part_has_its_keys_on_the_page():
    page = schema.reference()
    for sort in schema.SECTIONS:
        for name in parts.names(sort):
            assert f"### {name}\n" in page
