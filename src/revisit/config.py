"""Check a study's config: unknown keys, wrong types and names that point nowhere, each in one line."""

import difflib
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from revisit.errors import RevisitError
from revisit.methods.registry import METHODS


def check(config: dict[str, Any], schema_path: str | Path) -> dict[str, Any]:
    """Return the config if it is right; raise RevisitError naming the first wrong key otherwise."""
    schema = yaml.safe_load(Path(schema_path).read_text(encoding="utf-8"))
    errors = sorted(
        Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path))
    )
    if errors:
        raise RevisitError(_line(errors[0]))
    _check_names(config)
    return config


def _line(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties":
        known = set(error.schema.get("properties", {}))
        wrong = next(key for key in error.instance if key not in known)
        close = difflib.get_close_matches(str(wrong), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(known))}"
        return f"config: unknown key {wrong!r} in {where}; {hint}"
    if error.validator == "required":
        missing = next(key for key in error.schema["required"] if key not in error.instance)
        return f"config: key {missing!r} is missing in {where}"
    expected = error.schema.get("description", "")
    return f"config: {where}: {error.message}" + (f" ({expected.rstrip('.')})" if expected else "")


def _check_names(config: dict[str, Any]) -> None:
    """Names that must be defined elsewhere in the config."""
    providers = yaml.safe_load((Path(__file__).parent / "stac/providers.yaml").read_text(encoding="utf-8"))
    _known(config["provider"], {**providers, **config.get("providers", {})}, "provider")
    methods = config["pretraining"]["methods"]
    collections = config["collections"]
    for name, entry in methods.items():
        _known(name, METHODS, "pretraining.methods")
        _known(entry["collection"], collections, f"pretraining.methods.{name}.collection")
    for name, entry in config["experiments"].items():
        where = f"experiments.{name}"
        _known(entry["collection"], collections, f"{where}.collection")
        if entry["task"] == "multi-label":
            for method in entry["methods"]:
                _known(method, methods, f"{where}.methods")
                _known(
                    entry["pretrain_modality"], methods[method]["modalities"], f"{where}.pretrain_modality"
                )
        elif any("stmim" in network for network in entry["runs"]):
            method = entry.get("pretrain_method", "")
            _known(method, methods, f"{where}.pretrain_method")
            for network, modalities in entry["runs"].items():
                for part in [part for slug in modalities for part in slug.split("+") if "stmim" in network]:
                    _known(part, methods[method]["modalities"], f"{where}.runs.{network}")
    for region, entry in config["regions"].items():
        west, south, east, north = entry["bbox"]
        if not (west < east and south < north):
            raise RevisitError(
                f"config: regions.{region}.bbox: must be west, south, east, north in rising order"
            )
    for key in ("biomes", "tiles"):
        for region in config.get("archive", {}).get(key, {}):
            _known(region, config["regions"], f"archive.{key}")


def _known(name: str, names: Any, where: str) -> None:
    if name not in names:
        close = difflib.get_close_matches(name, list(names), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise RevisitError(
            f"config: {where}: {name!r} is not defined, there is {', '.join(sorted(names))}{hint}"
        )
