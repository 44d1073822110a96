"""Definitions of providers: the shipped ones are whole, users' own are checked key by key."""

from pathlib import Path
from typing import Any

import pytest

from revisit.errors import RevisitError
from revisit.record import Record, read
from revisit.stac.providers import BANDS, Provider, check_provider, resolve
from revisit.stac.providers import source as source_of

SHIPPED = (
    *("embedded", "earth-search", "earth-search-l2a", "planetary-computer", "planetary-computer-grd"),
    *("cdse", "cdse-l1c"),
)
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


class Section(Record):
    """The part of a study that own providers lie in."""

    providers: dict[str, Provider]


def records(own: dict[str, Any] | None) -> dict[str, Provider]:
    """Definitions as the config's section `providers` has them."""
    return read(Section, {"providers": own or {}}, "config").providers


def source(provider: str, sensor: str, own: dict[str, Any] | None = None) -> Any:
    return source_of(provider, sensor, records(own))


@pytest.mark.parametrize(
    ("provider", "sensor"),
    [
        (provider, sensor)
        for provider in SHIPPED
        for sensor in BANDS
        if sensor not in ("land-cover", "io-lulc" if provider == "embedded" else "truth")
    ],
)
def test_shipped_definitions_are_whole(provider: str, sensor: str) -> None:
    """Every sensor has a collection, a unit and an asset for each band; amplitude has its calibration."""
    if (provider, sensor) == ("embedded", "dem"):
        pytest.skip("the simulated Earth is flat")
    found = source(provider, sensor)
    assert found.collection
    assert set(found.assets) == set(BANDS[sensor])
    calibrated = found.calibration_db is not None or bool(found.calibration_asset)
    assert calibrated == (found.unit == "amplitude")
    assert (found.url is None) == (provider == "embedded")


def test_the_offset_rule_hangs_on_the_provider() -> None:
    """The one thing that silently shifts every reflectance by 0.1."""
    rules = {provider: source(provider, "sentinel-2").offset_rule for provider in SHIPPED}
    assert rules == {
        "embedded": "stated",
        "earth-search": "stated",
        "earth-search-l2a": "unless-applied",
        "planetary-computer": "baseline",
        "planetary-computer-grd": "baseline",
        "cdse": "stated",
        "cdse-l1c": "stated",
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


def test_a_folder_does_not_inherit_an_address() -> None:
    """A folder that inherits from a remote provider is served here and signed by nobody."""
    own = {"own": {"folder": "here", "inherits": "planetary-computer"}}
    found = source("own", "sentinel-2", own)
    assert (found.url, found.sign, found.assets["red"]) == (None, None, "B04")


def test_an_address_does_not_inherit_a_folder() -> None:
    """The way back: the files of a folder may have a twin behind an API."""
    own = {"own": {"inherits": "belgium", "url": "https://x"}, "belgium": BELGIUM}
    found = source("own", "sentinel-1", own)
    assert (found.url, found.folder, found.nodata) == ("https://x", None, 65535)


def test_whole_numbers_are_integers() -> None:
    """They are in the digest by which a download goes on: 0 and 0.0 must not fetch a study anew."""
    found = source("earth-search", "sentinel-1")
    assert [repr(number) for number in (found.nodata, found.calibration_db)] == ["0", "0"]


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
        ({"urls": "https://x"}, ["config.providers.own: unknown key 'urls'", "did you mean 'url'"]),
        ({"url": "ftp://x"}, ["providers.own.url", "https"]),
        ({"url": "https://x", "folder": "y"}, ["both url and folder"]),
        (
            {"gdal": {"AWS_SECRET_ACCESS_KEY": "x"}},
            ["providers.own.gdal", "AWS_SECRET_ACCESS_KEY", "environment"],
        ),
        ({"sign": "aws"}, ["providers.own.sign", "planetary-computer"]),
        ({"inherits": "nobody"}, ["providers.own.inherits", "nobody", "embedded"]),
        ({"inherits": "own"}, ["circle"]),
        ({"sensors": {"sentinel-3": {}}}, ["providers.own.sensors.sentinel-3", "sentinel-2"]),
        ({"sensors": {"sentinel-2": {"unit": "class"}}}, ["collection", "missing"]),
        ({"sensors": {"sentinel-2": {"unit": "percent"}}}, ["sentinel-2.unit", "percent", "reflectance"]),
        ({"sensors": {"sentinel-2": {"scale": "0,1"}}}, ["sentinel-2.scale", "valid number"]),
        ({"sensors": {"sentinel-2": {"nodata": True}}}, ["sentinel-2.nodata", "valid number"]),
        ({"sensors": {"sentinel-2": {"offset_rule": "twice"}}}, ["offset_rule", "twice", "unless-applied"]),
        ({"sensors": {"sentinel-2": {"assets": {"red": "B08"}}}}, ["collection"]),
        (
            {"inherits": "cdse", "sensors": {"sentinel-2": {"assets": {"infrared": "B08"}}}},
            ["assets.infrared", "no such band", "nir"],
        ),
        ({"inherits": "embedded", "sensors": {"sentinel-1": {"unit": "amplitude"}}}, ["calibration_db"]),
        ({"sensors": {"sentinel-1": {"from": "cdse", "unit": "decibel"}}}, ["from", "unit"]),
        ({"sensors": {"sentinel-1": {"from": "own"}}}, ["sentinel-1.from: no other provider", "cdse"]),
        ({"sensors": {"sentinel-1": 5}}, ["sentinel-1", "valid dictionary"]),
        (5, ["providers.own", "valid dictionary"]),
    ],
)
def test_wrong_definitions_name_the_key(definition: Any, words: list[str]) -> None:
    """One line says which key of the config is wrong and what it could be."""
    with pytest.raises(RevisitError) as caught:
        resolve("own", records({"own": definition}))
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


def test_a_provider_that_cannot_serve_is_refused_at_planning(tmp_path: Path) -> None:
    """An unknown name, a sensor it lacks, a folder that is not there or is no catalogue."""
    with pytest.raises(RevisitError, match="no provider 'embeded'; did you mean 'embedded'"):
        check_provider("embeded", {})
    only = {
        "mine": {"url": "https://x", "sensors": {"sentinel-2": {"collection": "x", "unit": "reflectance"}}}
    }
    check_provider("mine", records(only), ["sentinel-2"])
    with pytest.raises(RevisitError, match="no sensor 'worldcover'"):
        check_provider("mine", records(only), ["sentinel-2", "worldcover"])
    folder = tmp_path / "series"
    own = records(
        {
            "series": {"inherits": "embedded", "folder": str(folder)},
            "mixed": {"inherits": "cdse", "sensors": {"sentinel-1": {"from": "series"}}},
        }
    )
    for name, sensors in (("series", []), ("mixed", ["sentinel-2", "sentinel-1"])):
        with pytest.raises(RevisitError, match=r"providers\.series\.folder: .*series does not exist"):
            check_provider(name, own, sensors)
    check_provider("mixed", own, ["sentinel-2"])
    folder.mkdir()
    (folder / "collections.json").write_text("[]")
    with pytest.raises(RevisitError, match=r"providers\.series\.folder: .*has no items\.json"):
        check_provider("series", own)
    (folder / "items.json").write_text("{}")
    check_provider("series", own)


@pytest.mark.parametrize("provider", SHIPPED)
def test_content_reads_back(provider: str) -> None:
    """The plan hands definitions to jobs as JSON: the keys as the config spells them, nothing unstated."""
    content = resolve(provider).content()
    assert read(Provider, content, "providers") == resolve(provider)
    assert None not in content.values()
    own = {"mine": {"sensors": {"sentinel-1": {"from": "cdse"}}}}
    assert {name: record.content() for name, record in records(own).items()} == own
