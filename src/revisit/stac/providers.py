"""Providers of imagery: the shipped definitions (providers.yaml says what keys mean) and users' own."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from revisit.errors import RevisitError

BANDS = {
    "sentinel-1": ("vv", "vh"),
    "sentinel-2": (
        *("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3"),
        *("nir", "nir08", "nir09", "swir16", "swir22", "scl"),
    ),
    "worldcover": ("map",),
}
UNITS = ("reflectance", "linear power", "decibel", "amplitude", "class")
OFFSET_RULES = ("none", "stated", "baseline", "unless-applied")
SIGNERS = ("planetary-computer",)
Definition = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """One sensor at one provider: where to search, how to read, what the numbers mean."""

    provider: str
    sensor: str
    collection: str
    unit: str
    url: str | None = None
    folder: Path | None = None
    sign: str | None = None
    gdal: dict[str, Any] = field(default_factory=dict)
    assets: dict[str, str] = field(default_factory=dict)
    scale: float = 1.0
    offset_rule: str = "none"
    nodata: float | None = None
    calibration_db: float | None = None
    geolocation: str = "grid"

    def signed(self, href: str) -> str:
        """The href as it can be opened now; signatures expire, so ask anew before each read."""
        if self.sign == "planetary-computer":
            import planetary_computer

            return planetary_computer.sign_url(href)
        return href


def source(provider: str | Definition, sensor: str, own: dict[str, Definition] | None = None) -> Source:
    """The source of a sensor.

    ``provider`` is a name, shipped or one of ``own`` (the config's ``providers``), or a definition,
    such as ``{"folder": path}``, which inherits from ``embedded`` where it does not say otherwise.
    Raises RevisitError naming the wrong key.
    """
    seen: list[str] = []
    while True:
        name, definition = resolve(provider, own)
        if name in seen:
            raise RevisitError(
                f"providers.{name}.sensors.{sensor}.from: goes in a circle: {' -> '.join(seen)}"
            )
        seen.append(name)
        sensors = definition.get("sensors", {})
        if sensor not in sensors:
            raise RevisitError(
                f"provider {name}: no sensor {sensor!r}, only {sorted(sensors)}; "
                f"add it to the definition, for instance as {{from: planetary-computer}}"
            )
        if "from" not in sensors[sensor]:
            break
        provider = sensors[sensor]["from"]
    access = {key: definition[key] for key in ("url", "sign", "gdal") if key in definition}
    folder = Path(definition["folder"]) if "folder" in definition else None
    return Source(provider=name, sensor=sensor, folder=folder, **access, **sensors[sensor])


def resolve(provider: str | Definition, own: dict[str, Definition] | None = None) -> tuple[str, Definition]:
    """A provider's name and validated definition, with all that it inherits."""
    known = {**_shipped(), **(own or {})}
    if isinstance(provider, dict):
        name = "folder" if "folder" in provider else "provider"
        known[name], provider = {"inherits": "embedded", **provider}, name
    definition = _inherited(provider, known, ())
    _check(provider, definition, known)
    return provider, definition


@cache
def _shipped() -> dict[str, Definition]:
    return yaml.safe_load(Path(__file__).with_name("providers.yaml").read_text(encoding="utf-8"))


def _inherited(name: Any, known: dict[str, Definition], below: tuple[str, ...]) -> Definition:
    if name not in known:
        where = f"providers.{below[-1]}.inherits" if below else "provider"
        raise RevisitError(f"{where}: no provider {name!r}; known are {', '.join(sorted(known))}")
    if name in below:
        raise RevisitError(f"providers.{name}.inherits: goes in a circle: {' -> '.join((*below, name))}")
    definition = known[name]
    if not isinstance(definition, dict):
        raise RevisitError(f"providers.{name}: must be a mapping of keys, not {definition!r}")
    if "inherits" not in definition:
        return definition
    above = _inherited(definition["inherits"], known, (*below, name))
    own = {key: value for key, value in definition.items() if key != "inherits"}
    if "folder" in own:  # items of a folder are not searched or signed elsewhere
        above = {key: value for key, value in above.items() if key not in ("url", "sign")}
    return _merge(above, own)


def _merge(above: Definition, own: Definition) -> Definition:
    """``own`` over ``above``, mappings key by key; a sensor taken ``from`` elsewhere replaces the whole."""
    result = dict(above)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        whole = both and ("from" in value or "from" in result[key])
        result[key] = _merge(result[key], value) if both and not whole else value
    return result


def _check(name: str, definition: Definition, known: dict[str, Definition]) -> None:
    where = f"providers.{name}"
    _check_keys(where, definition, PROVIDER_KEYS)
    if ("url" in definition) and ("folder" in definition):
        raise RevisitError(f"{where}: has both url and folder; keep one")
    for sensor, entry in definition.get("sensors", {}).items():
        here = f"{where}.sensors.{sensor}"
        if sensor not in BANDS:
            raise RevisitError(f"{here}: no such sensor; known are {', '.join(BANDS)}")
        if not isinstance(entry, dict):
            raise RevisitError(f"{here}: must be a mapping of keys, not {entry!r}")
        _check_keys(here, entry, SENSOR_KEYS)
        if "from" in entry:
            if len(entry) > 1:
                raise RevisitError(
                    f"{here}: from goes without other keys, found {sorted(set(entry) - {'from'})}"
                )
            if entry["from"] not in known or entry["from"] == name:
                raise RevisitError(f"{here}.from: no other provider {entry['from']!r}")
            continue
        for key in ("collection", "unit"):
            if key not in entry:
                raise RevisitError(f"{here}: key {key!r} is missing")
        if entry["unit"] == "amplitude" and "calibration_db" not in entry:
            raise RevisitError(f"{here}: unit amplitude needs the key calibration_db")
        for band in entry.get("assets", {}):
            if band not in BANDS[sensor]:
                raise RevisitError(
                    f"{here}.assets.{band}: no such band; known are {', '.join(BANDS[sensor])}"
                )


def _check_keys(where: str, entry: Definition, rules: dict[str, tuple[str, Callable[[Any], bool]]]) -> None:
    for key, value in entry.items():
        if key not in rules:
            raise RevisitError(f"{where}.{key}: no such key; known are {', '.join(rules)}")
        form, fits = rules[key]
        if not fits(value):
            raise RevisitError(f"{where}.{key}: must be {form}, not {value!r}")


def _one_of(choices: tuple[str, ...]) -> tuple[str, Callable[[Any], bool]]:
    return f"one of {', '.join(choices)}", lambda value: value in choices


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TEXT: tuple[str, Callable[[Any], bool]] = ("text", lambda value: isinstance(value, str))
_NUMBER: tuple[str, Callable[[Any], bool]] = ("a number", _is_number)
_MAPPING: tuple[str, Callable[[Any], bool]] = ("a mapping", lambda value: isinstance(value, dict))
PROVIDER_KEYS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "url": (
        "an address such as https://host/v1",
        lambda value: isinstance(value, str) and value.startswith(("http://", "https://")),
    ),
    "folder": _TEXT,
    "inherits": _TEXT,
    "sign": _one_of(SIGNERS),
    "gdal": (
        "a mapping of GDAL options, without keys or secrets",
        lambda value: (
            isinstance(value, dict) and not any(re.search("SECRET|ACCESS_KEY|TOKEN", key) for key in value)
        ),
    ),
    "sensors": _MAPPING,
}
SENSOR_KEYS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "from": _TEXT,
    "collection": _TEXT,
    "assets": (
        "a mapping of band to asset name",
        lambda value: isinstance(value, dict) and all(isinstance(name, str) for name in value.values()),
    ),
    "unit": _one_of(UNITS),
    "scale": _NUMBER,
    "offset_rule": _one_of(OFFSET_RULES),
    "nodata": _NUMBER,
    "calibration_db": _NUMBER,
    "geolocation": _one_of(("grid", "gcp")),
}
