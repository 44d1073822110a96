"""What spans sections of the config is refused before there is any data, whatever the kind."""

from typing import Any

import pytest

from revisit import parts
from revisit.errors import RevisitError
from revisit.patches.kind import Entry, Kind
from revisit.record import read

ENTRY = {"patch_pixels": 32, "min_valid": 0.9}
OWN: dict[str, dict[str, Any]] = {
    "bitemporal": {"years": [2019, 2020], "sensors": ["sentinel-1"]},
    "dates": {"samples_per_place": 4},
    "pairs": {"max_days_apart": 12, "samples_per_place": 3},
    "series": {"dates": 5, "min_dates": 2},
    "yearly": {"label_year": 2020},
}
SEARCHED = {"sentinel-1": [2019, 2020], "sentinel-2": [2020], "labels": [2019, 2020]}


def check(kind: str, searched: dict[str, list[int]], block_pixels: int = 64, **changes: Any) -> Entry:
    found: type[Kind[Any]] = parts.find("kind", kind)
    entry = read(found.Settings, {"kind": kind, **ENTRY, **OWN[kind], **changes}, "collections.mine")
    found.check("mine", entry, searched, block_pixels)
    return entry


@pytest.mark.parametrize("kind", sorted(OWN))
def test_every_kind(kind: str) -> None:
    """Every kind is here, takes its entry, describes its keys, and wants whole patches in a block."""
    assert parts.names("kind") == tuple(sorted(OWN))
    entry = check(kind, SEARCHED)
    assert entry.allow_empty is False
    described = type(entry).model_json_schema()["properties"].items()
    assert [name for name, about in described if not about.get("description")] == []
    with pytest.raises(RevisitError, match=r"patch_pixels: 32 does not divide split\.block_pixels, 80"):
        check(kind, SEARCHED, block_pixels=80)
    with pytest.raises(RevisitError, match=r"collections\.mine\.min_valid: .*less than or equal to 1"):
        check(kind, SEARCHED, min_valid=90)


def test_sensors() -> None:
    """Pairs need both sensors, a series those it names; land cover is no image."""
    with pytest.raises(RevisitError, match="needs sentinel-1, but searched are sentinel-2"):
        check("pairs", {"sentinel-2": [2020], "labels": [2020]})
    with pytest.raises(RevisitError, match="needs labels, but searched are sentinel-1, sentinel-2"):
        check("series", SEARCHED, sensors=["labels"])
    check("series", {"sentinel-2": [2020]}, sensors=["sentinel-2"])


def test_label_year() -> None:
    """The labels' year is searched for every sensor and for the labels, where there are any."""
    with pytest.raises(RevisitError, match=r"label_year: 2019, but sentinel-2 is searched in \[2020\]"):
        check("yearly", SEARCHED, label_year=2019)
    with pytest.raises(RevisitError, match=r"label_year: 2021, but the labels are of \[2020\]"):
        check("yearly", {"labels": [2020], "sentinel-2": [2021]}, label_year=2021)
    check("yearly", {"sentinel-2": [2020]})


def test_dates() -> None:
    """No place can have more dates than are taken."""
    with pytest.raises(RevisitError, match="min_dates is 6, more than dates, 5"):
        check("series", SEARCHED, min_dates=6)


def test_a_label_covers_something() -> None:
    """From a share of 0 on, every patch would be labelled with every class."""
    with pytest.raises(RevisitError, match=r"collections\.mine\.min_class_fraction: .*greater than 0"):
        check("pairs", SEARCHED, min_class_fraction=0)
    assert check("pairs", SEARCHED, min_class_fraction=1).min_class_fraction == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"sensors": None}, r"years: 2019, but sentinel-2 is searched in \[2020\]; change is between two"),
        ({"years": [2018, 2020]}, r"mine\.years: 2018, but sentinel-1 is searched in \[2019, 2020\]"),
        ({"years": [2020, 2019]}, r"years: \[2020, 2019\]; give two, the earlier first"),
        ({"years": [2020, 2020]}, "give two, the earlier first"),
        ({"years": [2020]}, r"mine\.years: .*at least 2"),
        ({"sensors": ["sentinel-3"]}, "needs sentinel-3, but searched are"),
    ],
)
def test_change_needs_two_years(changes: dict[str, Any], message: str) -> None:
    """Of the sensors it takes and of the labels; a study without labels may still learn from such pairs."""
    if not message:
        check("bitemporal", SEARCHED)
        check("bitemporal", {"sentinel-1": [2019, 2020]})
        return
    with pytest.raises(RevisitError, match=message):
        check("bitemporal", SEARCHED, **changes)


def test_change_needs_labels_of_both_years() -> None:
    """One map would have to be compared with itself."""
    with pytest.raises(RevisitError, match=r"mine\.years: 2019, but there are labels of \[2020\]; change is"):
        check("bitemporal", SEARCHED | {"labels": [2020]})


def test_single_dates_are_of_a_sensor_that_is_searched() -> None:
    """Sentinel-2 where none is named."""
    check("dates", SEARCHED, sensor="sentinel-1")
    with pytest.raises(RevisitError, match="needs sentinel-2, but searched are sentinel-1"):
        check("dates", {"sentinel-1": [2020]})
