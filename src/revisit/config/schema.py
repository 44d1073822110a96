"""Writes what is generated from the records: the config's JSON schema, and its reference page.

    python -m revisit.config.schema

after a change of a record; a test fails while the files are out of step. Editors complete and check a study
that names the schema in its first line, as config.yaml does.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from revisit import parts
from revisit.config.study import Study
from revisit.files import write_text

SCHEMA = Path("workflow/schemas/config.schema.yaml")
REFERENCE = Path("docs/config.md")
# The key by which an entry names its part.
NAMED_BY = {
    "method": "name",
    "encoder": "name",
    "network": "network",
    "kind": "kind",
    "benchmark": "set",
    "task": "task",
}
SECTIONS = {
    "kind": ("Collections", "An entry of `collections`, by its `kind`."),
    "benchmark": ("Imports", "An entry of `imports`, by its `set`."),
    "method": ("Methods", "The `method` of an entry of `pretraining.methods`, by its `name`."),
    "encoder": ("Encoders", "The `encoder` of a method, by its `name`."),
    "task": ("Tasks", "An entry of `experiments`, by its `task`."),
    "network": ("Networks", "An entry of `networks` of an experiment on maps or change, by its `network`."),
}


def schema() -> dict[str, Any]:
    """The JSON schema of a study (draft 2020-12), with one alternative for each part."""
    content = Study.model_json_schema()
    definitions: dict[str, Any] = content["$defs"]
    alternatives: dict[str, list[dict[str, str]]] = {sort: [] for sort in SECTIONS}
    for sort in SECTIONS:
        for name in parts.names(sort):
            own = part_schema(sort, name)
            definitions.update(own.pop("$defs", {}))
            key = f"{sort}:{name}"
            definitions[key] = own
            alternatives[sort].append({"$ref": f"#/$defs/{key}"})
    for place in list(_places(content)):
        if sort := place.pop("x-part", None):
            place.pop("additionalProperties", None)
            place.pop("type", None)
            # A part from outside is named by a dotted path, and its keys are not known here.
            outside = {"type": "object", "properties": {NAMED_BY[sort]: {"pattern": ":"}}}
            place["anyOf"] = [*alternatives[sort], outside]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **content}


def part_schema(sort: str, name: str) -> dict[str, Any]:
    """The schema of a part's entry, in which the key that names the part can say nothing else."""
    own: dict[str, Any] = parts.find(sort, name).Settings.model_json_schema()
    key = NAMED_BY[sort]
    described = own.get("properties", {}).get(key, {}).get("description")
    own.setdefault("properties", {})[key] = {"const": name} | (
        {"description": described} if described else {}
    )
    own["required"] = sorted({*own.get("required", ()), key})
    return own


def reference() -> str:
    """The reference page: every section, then every part, a table of keys each."""
    content = Study.model_json_schema()
    lines = [
        "# Config reference",
        "",
        "Generated from the records of the code by `python -m revisit.config.schema`. A key without a",
        "default must be given; a key that is not listed is refused.",
        "",
        "## Study",
        "",
        *_table(content, content["$defs"]),
    ]
    for name, definition in content["$defs"].items():
        lines += [f"## {name}", "", *_about(definition), *_table(definition, content["$defs"])]
    for sort, (heading, about) in SECTIONS.items():
        lines += [f"## {heading}", "", about, ""]
        for name in parts.names(sort):
            own = part_schema(sort, name)
            lines += [f"### {name}", "", *_about(own), *_table(own, own.get("$defs", {}))]
            for nested, definition in own.get("$defs", {}).items():
                lines += [f"#### {nested}", "", *_about(definition), *_table(definition, own["$defs"])]
    return "\n".join(lines).rstrip() + "\n"


def description(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a field is; a field of a record may leave it to the record."""
    named = definitions.get(field.get("$ref", "").rpartition("/")[2], {})
    return str(field.get("description") or named.get("description", ""))


def _about(definition: dict[str, Any]) -> list[str]:
    text = " ".join(definition.get("description", "").split())
    return [text, ""] if text else []


def _table(definition: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    properties = definition.get("properties", {})
    if not properties:
        return []
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    required = definition.get("required", ())
    for key, field in properties.items():
        default = "" if key in required else f"`{_default(field.get('default'))}`"
        meaning = " ".join(description(field, definitions).split()).replace("|", "\\|")
        lines.append(f"| `{key}` | {_type(field).replace('|', '&#124;')} | {default} | {meaning} |")
    return [*lines, ""]


def _default(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()


def _type(field: dict[str, Any]) -> str:
    """A field's type and range in a few words."""
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"] if choice.get("type") != "null")
    if "x-part" in field:
        return f"{field['x-part']}"
    kind = field.get("type", "any")
    if kind == "array":
        return f"list of {_type(field.get('items', {}))}"
    if kind == "object" and isinstance(inner := field.get("additionalProperties"), dict):
        return f"{_type(inner)} by name"
    if kind == "object" and (patterns := field.get("patternProperties")):
        return f"{_type(next(iter(patterns.values())))} by name"
    return f"{kind}{_range(field)}"


def _range(field: dict[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]
    return f" {', '.join(limits)}" if limits else ""


def _places(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a schema."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _places(value)
    elif isinstance(node, list):
        for value in node:
            yield from _places(value)


def main() -> None:
    """Write both files below the current folder, the project's."""
    note = "# Generated by `python -m revisit.config.schema`; do not edit.\n"
    write_text(SCHEMA, note + yaml.safe_dump(schema(), sort_keys=False, allow_unicode=True, width=110))
    write_text(REFERENCE, reference())


if __name__ == "__main__":
    main()
