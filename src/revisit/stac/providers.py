"""Providers of imagery: the shipped definitions (providers.yaml says what keys mean) and users' own."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_serializer, model_validator

from revisit.cube import bands as cube
from revisit.cube.labels.maps import MAPS
from revisit.errors import RevisitError
from revisit.record import Record, read
from revisit.stac.signing import signed

Number = Annotated[float, Field(strict=True)]  # no text, no truth value
Sensor = Literal["sentinel-1", "sentinel-2", "worldcover", "io-lulc", "truth", "land-cover", "dem"]
Quantity = Literal[
    "surface reflectance",
    "top-of-atmosphere reflectance",
    "backscatter",
    "gamma nought backscatter",
    "sigma nought backscatter",
    "relative backscatter",
]
BANDS: dict[str, tuple[str, ...]] = {
    **cube.BANDS,
    "sentinel-2": (*cube.BANDS["sentinel-2"], "scl"),
    **dict.fromkeys(MAPS, ("map",)),
    "dem": ("elevation",),
}


class Stated(Record):
    """A record whose content is what was stated, under the names the config has."""

    @model_serializer(mode="wrap")
    def _stated(self, serialise: Callable[["Stated"], dict[str, Any]]) -> dict[str, Any]:
        return {key: value for key, value in serialise(self).items() if value is not None}


class SensorSource(Stated):
    """One sensor at a provider: the collection its items are in and what its files mean."""

    from_: str | None = Field(None, alias="from")
    """Take this sensor from that other provider; no other key may stand beside it."""
    collection: str | None = None
    """The STAC collection."""
    assets: dict[str, str] | None = None
    """Name of each band's asset; bands not named here are found by their common name."""
    unit: Literal["reflectance", "linear power", "decibel", "amplitude", "class", "metres"] | None = None
    """What the numbers are after scaling."""
    quantity: Quantity | None = None
    """What is measured, as cubes say it; if absent, surface reflectance or backscatter."""
    scale: Number | None = None
    """Physical value = number * scale + offset, where the items state none; 1 if absent."""
    offset_rule: Literal["none", "stated", "baseline", "unless-applied"] | None = None
    """Where the offset of reflectance comes from: always 0; the item; the processing baseline; or 0 where
    the item says that the provider has applied it."""
    nodata: Number | None = None
    """The number that means no data, where neither item nor file states one; if absent, of classes 0."""
    calibration_db: Number | None = None
    """Of an amplitude: decibel = 20 log10(number) + calibration_db."""
    calibration_asset: str | None = None
    """Of an amplitude of a Sentinel-1 ground range product: the asset of its calibration annotation, with
    {band} for the band. Amplitudes become the power of sigma nought by it, and items without it are left
    out. "": none, and calibration_db counts."""
    geolocation: Literal["grid", "gcp"] | None = None
    """grid: the files have a projection. gcp: they have only ground control points."""

    @model_validator(mode="after")
    def _alone(self) -> "SensorSource":
        if self.from_ is not None and (others := sorted(self.content().keys() - {"from"})):
            raise ValueError(f"from goes without other keys, found {', '.join(others)}")
        return self


class Provider(Stated):
    """A catalogue of imagery: a STAC API, or a folder laid out as the embedded archive."""

    url: str | None = None
    """Root of the STAC API, such as https://host/v1."""
    folder: str | None = None
    """Folder that holds items.json, collections.json and the files they name, instead of an API."""
    inherits: str | None = None
    """Another provider, whose keys hold where this one has none."""
    sign: Literal["planetary-computer"] | None = None
    """How addresses are signed just before a read."""
    gdal: dict[str, Any] | None = None
    """GDAL options for the files, such as AWS_REQUEST_PAYER; never keys or secrets."""
    sensors: dict[Sensor, SensorSource] | None = None
    """What there is of each sensor."""

    @field_validator("url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is no address such as https://host/v1")
        return url

    @field_validator("gdal")
    @classmethod
    def _no_secrets(cls, gdal: dict[str, Any] | None) -> dict[str, Any] | None:
        if secret := [key for key in gdal or {} if re.search("SECRET|ACCESS_KEY|TOKEN", key)]:
            raise ValueError(f"set {secret[0]} in the environment; a config is no place for keys or secrets")
        return gdal

    @model_validator(mode="after")
    def _consistent(self) -> "Provider":
        if self.url and self.folder:
            raise ValueError("has both url and folder; keep one")
        for sensor, entry in (self.sensors or {}).items():
            for band in entry.assets or {}:
                if band not in BANDS[sensor]:
                    known = ", ".join(BANDS[sensor])
                    raise ValueError(f"sensors.{sensor}.assets.{band}: no such band; known are {known}")
        return self


Providers = Mapping[str, Provider]


@dataclass(frozen=True)
class Source:
    """One sensor at one provider, all that is inherited filled in: where to search, how to read.

    Neither ``url`` nor ``folder``: the embedded archive of the region.
    """

    provider: str
    sensor: str
    collection: str
    unit: str
    url: str | None = None
    folder: Path | None = None
    sign: str | None = None
    gdal: dict[str, Any] = field(default_factory=dict)
    assets: dict[str, str] = field(default_factory=dict)
    quantity: str | None = None
    scale: float = 1.0
    offset_rule: str = "none"
    nodata: float | None = None
    calibration_db: float | None = None
    calibration_asset: str = ""
    geolocation: str = "grid"

    def signed(self, href: str) -> str:
        """The href as it can be opened now; signatures expire, so ask anew before each read.

        Raises PassingError where the signature cannot be had.
        """
        return href if self.sign is None else signed(href)


def source(provider: str, sensor: str, own: Providers | None = None) -> Source:
    """The source of a sensor at a provider, shipped or one of ``own`` (the config's ``providers``).

    Raises RevisitError naming the wrong key.
    """
    seen: list[str] = []
    while True:
        definition = resolve(provider, own)
        if provider in seen:
            raise RevisitError(
                f"providers.{provider}.sensors.{sensor}.from: goes in a circle: {' -> '.join(seen)}"
            )
        seen.append(provider)
        sensors = {str(name): entry for name, entry in (definition.sensors or {}).items()}
        if sensor not in sensors:
            raise RevisitError(
                f"provider {provider}: no sensor {sensor!r}, only {sorted(sensors)}; "
                f"add it to the definition, for instance as {{from: planetary-computer}}"
            )
        entry = sensors[sensor]
        if entry.from_ is None:
            break
        provider = entry.from_
    access = {key: value for key, value in definition.content().items() if key in ("url", "sign", "gdal")}
    folder = Path(definition.folder) if definition.folder else None
    meaning = {key: _plain(value) for key, value in entry.content().items()}
    return Source(provider=provider, sensor=sensor, folder=folder, **access, **meaning)


def resolve(name: str, own: Providers | None = None) -> Provider:
    """A provider's definition with all that it inherits; raises RevisitError naming the wrong key."""
    known = {**_shipped(), **(own or {})}
    where = f"providers.{name}"
    merged = read(Provider, _inherited(name, known, ()), where)
    for sensor, entry in (merged.sensors or {}).items():
        here = f"{where}.sensors.{sensor}"
        if entry.from_ is not None:
            if entry.from_ not in known or entry.from_ == name:
                hint = _hint(entry.from_, known.keys() - {name})
                raise RevisitError(f"{here}.from: no other provider {entry.from_!r}{hint}")
            continue
        for key in ("collection", "unit"):
            if getattr(entry, key) is None:
                raise RevisitError(f"{here}.{key} is missing; add it")
        if entry.unit == "amplitude" and entry.calibration_db is None and not entry.calibration_asset:
            raise RevisitError(f"{here}.calibration_db is missing; the unit amplitude needs it")
    return merged


def check_provider(name: str, providers: Providers, sensors: Iterable[str] = ()) -> None:
    """Refuse, before anything runs, a provider that cannot serve ``sensors``.

    Raises RevisitError where its name or one it refers to is unknown, a key is wrong or missing, it lacks a
    sensor, or a folder of it is not there or no catalogue.
    """
    folders = {name: resolve(name, providers).folder}
    for sensor in sensors:
        origin = source(name, sensor, providers)
        folders[origin.provider] = str(origin.folder) if origin.folder else None
    for provider, folder in folders.items():
        for file in ("", "collections.json", "items.json") if folder else ():
            assert folder
            if not (Path(folder) / file).exists():
                lacks = f"has no {file}" if file else "does not exist"
                raise RevisitError(
                    f"providers.{provider}.folder: {folder} {lacks}; "
                    f"give a folder that holds collections.json, items.json and the files they name"
                )


@cache
def _shipped() -> dict[str, Provider]:
    content = yaml.safe_load(Path(__file__).with_name("providers.yaml").read_text(encoding="utf-8"))
    return {name: read(Provider, definition, f"providers.{name}") for name, definition in content.items()}


def _inherited(name: str, known: Providers, below: tuple[str, ...]) -> dict[str, Any]:
    """The keys of a definition over those of the ones above it."""
    if name not in known:
        where = f"providers.{below[-1]}.inherits" if below else "provider"
        raise RevisitError(f"{where}: no provider {name!r}{_hint(name, known)}")
    if name in below:
        raise RevisitError(f"providers.{name}.inherits: goes in a circle: {' -> '.join((*below, name))}")
    own = known[name].content()
    parent = own.pop("inherits", None)
    if parent is None:
        return own
    above = _inherited(parent, known, (*below, name))
    if "folder" in own:  # items of a folder are not searched or signed elsewhere
        above = {key: value for key, value in above.items() if key not in ("url", "sign")}
    if "url" in own:
        above.pop("folder", None)
    return _merge(above, own)


def _merge(above: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """``own`` over ``above``, mappings key by key; a sensor taken ``from`` elsewhere replaces the whole."""
    result = dict(above)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        whole = both and ("from" in value or "from" in result[key])
        result[key] = _merge(result[key], value) if both and not whole else value
    return result


def _plain(value: Any) -> Any:
    """A whole number as an integer: 0 and 0.0 are one setting."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(sorted(known))}"
