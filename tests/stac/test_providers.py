"""Definitions of providers: the shipped ones are whole, users' own are checked key by key."""

from pathlib import Path
from typing import Any

import pytest

from revisit.errors import RevisitError
from revisit.stac.providers import BANDS, resolve, source

SHIPPED = ("embedded", "earth-search", "earth-search-l2a", "planetary-computer", "cdse")
BELGIUM = {
    "inherits": "embedded",
    "folder": "somewhere",
    "sensors": {
        "sentinel-1": {
            "collection": "sentinel-1-grd",
            "unit": "amplitude",
            "calibration_db": -83,
            "nodata": 65535,
        }
    },
}


@pytest.mark.parametrize("provider", SHIPPED)
@pytest.mark.parametrize("sensor", BANDS)
def test_shipped_definitions_are_whole(provider: str, sensor: str) -> None:
    """Every sensor has a collection, a unit and an asset for each band; amplitude has its calibration."""
    found = source(provider, sensor)
    assert found.collection
    assert set(found.assets) == set(BANDS[sensor])
    assert (found.calibration_db is not None) == (found.unit == "amplitude")
    assert (found.url is None) == (provider == "embedded")


def test_the_offset_rule_hangs_on_the_provider() -> None:
    """The one thing that silently shifts every reflectance by 0.1."""
    rules = {provider: source(provider, "sentinel-2").offset_rule for provider in SHIPPED}
    assert rules == {
        "embedded": "stated",
        "earth-search": "stated",
        "earth-search-l2a": "unless-applied",
        "planetary-computer": "baseline",
        "cdse": "stated",
    }
    assert source("earth-search", "sentinel-2").collection == "sentinel-2-c1-l2a"


def test_radar_without_terrain_correction_is_marked() -> None:
    """Ground range files have no projection; terrain-corrected ones are the default elsewhere."""
    assert source("earth-search", "sentinel-1").geolocation == "gcp"
    assert source("planetary-computer", "sentinel-1").geolocation == "grid"
    assert source("cdse", "sentinel-1").provider == "planetary-computer"


def test_own_definitions_inherit() -> None:
    """A folder of files with other units needs only what differs to be said."""
    found = source("belgium", "sentinel-1", {"belgium": BELGIUM})
    assert (found.provider, found.folder, found.url) == ("belgium", Path("somewhere"), None)
    assert (found.unit, found.calibration_db, found.nodata) == ("amplitude", -83, 65535)
    assert found.assets == {"vv": "vv", "vh": "vh"}
    assert source("belgium", "sentinel-2", {"belgium": BELGIUM}).collection == "sentinel-2-l2a"


def test_a_folder_is_a_definition() -> None:
    """`provider: {folder: path}` is enough for a folder laid out as the embedded archive."""
    found = source({"folder": "here"}, "sentinel-1")
    assert (found.provider, found.folder, found.collection) == ("folder", Path("here"), "sentinel-1-rtc")


def test_a_folder_does_not_inherit_an_address() -> None:
    """A folder that inherits from a remote provider is served here and signed by nobody."""
    found = source({"folder": "here", "inherits": "planetary-computer"}, "sentinel-2")
    assert (found.url, found.sign, found.assets["red"]) == (None, None, "B04")


def test_sensors_can_come_from_elsewhere() -> None:
    """One provider for optical, another for radar, each with its own address and signing."""
    own: dict[str, Any] = {
        "mine": {"inherits": "earth-search", "sensors": {"sentinel-1": {"from": "planetary-computer"}}}
    }
    radar = source("mine", "sentinel-1", own)
    assert (radar.provider, radar.sign, radar.unit) == (
        "planetary-computer",
        "planetary-computer",
        "linear power",
    )
    assert source("mine", "sentinel-2", own).provider == "mine"


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"urls": "https://x"}, ["providers.own.urls", "no such key", "url"]),
        ({"url": "ftp://x"}, ["providers.own.url", "https"]),
        ({"url": "https://x", "folder": "y"}, ["both url and folder"]),
        ({"gdal": {"AWS_SECRET_ACCESS_KEY": "x"}}, ["providers.own.gdal", "without keys or secrets"]),
        ({"sign": "aws"}, ["providers.own.sign", "planetary-computer"]),
        ({"inherits": "nobody"}, ["providers.own.inherits", "nobody", "embedded"]),
        ({"inherits": "own"}, ["circle"]),
        ({"sensors": {"sentinel-3": {}}}, ["providers.own.sensors.sentinel-3", "no such sensor"]),
        ({"sensors": {"sentinel-2": {"unit": "class"}}}, ["collection", "missing"]),
        ({"sensors": {"sentinel-2": {"unit": "percent"}}}, ["sentinel-2.unit", "percent", "reflectance"]),
        ({"sensors": {"sentinel-2": {"scale": "0,1"}}}, ["sentinel-2.scale", "a number"]),
        ({"sensors": {"sentinel-2": {"nodata": True}}}, ["sentinel-2.nodata", "a number"]),
        ({"sensors": {"sentinel-2": {"offset_rule": "twice"}}}, ["offset_rule", "twice", "unless-applied"]),
        ({"sensors": {"sentinel-2": {"assets": {"infrared": "B08"}}}}, ["collection"]),
        (
            {"inherits": "cdse", "sensors": {"sentinel-2": {"assets": {"infrared": "B08"}}}},
            ["assets.infrared", "no such band", "nir"],
        ),
        ({"inherits": "embedded", "sensors": {"sentinel-1": {"unit": "amplitude"}}}, ["calibration_db"]),
        ({"sensors": {"sentinel-1": {"from": "cdse", "unit": "decibel"}}}, ["from", "unit"]),
        ({"sensors": {"sentinel-1": {"from": "own"}}}, ["sentinel-1.from"]),
        ({"sensors": {"sentinel-1": 5}}, ["sentinel-1", "mapping"]),
        (5, ["providers.own", "mapping"]),
    ],
)
def test_wrong_definitions_name_the_key(definition: Any, words: list[str]) -> None:
    """One line says which key of the config is wrong and what it could be."""
    with pytest.raises(RevisitError) as caught:
        resolve("own", {"own": definition})
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


def test_what_a_provider_has_not() -> None:
    """An unknown provider, a sensor it does not have and a circle of references each say so."""
    with pytest.raises(RevisitError, match=r"no provider 'nasa'; known are .*embedded"):
        source("nasa", "sentinel-2")
    with pytest.raises(RevisitError, match=r"no sensor 'sentinel-1', only \['sentinel-2'\]"):
        source("o", "sentinel-1", {"o": {"sensors": {"sentinel-2": {"collection": "x", "unit": "class"}}}})
    circle = {
        "a": {"sensors": {"sentinel-1": {"from": "b"}}},
        "b": {"sensors": {"sentinel-1": {"from": "a"}}},
    }
    with pytest.raises(RevisitError, match="circle"):
        source("a", "sentinel-1", circle)
