"""Faults on demand really are the faults they claim to be."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import rasterio
from rasterio.errors import RasterioError, RasterioIOError

from revisit.archive.faults import Fault
from revisit.archive.faults import spoil as spoil_with
from revisit.archive.make import build
from revisit.archive.settings import Settings
from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.record import read
from revisit.stac import search
from revisit.stac.providers import BANDS


@pytest.fixture
def copy(built: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built.folder, tmp_path / "copy"))


def spoil(folder: Path, faults: list[dict[str, Any]]) -> None:
    spoil_with(folder, [read(Fault, fault, "faults") for fault in faults])


def first(folder: Path, collection: str) -> dict[str, Any]:
    items = read_json(folder / "items.json")["features"]
    return next(item for item in items if item["collection"] == collection)


@pytest.mark.parametrize("kind", ["truncated", "corrupt"])
@pytest.mark.parametrize(("collection", "asset"), [("sentinel-2-l2a", "nir"), ("sentinel-1-rtc", "vh")])
def test_spoilt_files_open_but_do_not_read(copy: Path, kind: str, collection: str, asset: str) -> None:
    """The worst faults pass the open and fail in the pixels."""
    item = first(copy, collection)
    spoil(copy, [{"kind": kind, "item": item["id"], "asset": asset}])
    with rasterio.open(copy / item["assets"][asset]["href"]) as file, pytest.raises(RasterioError):
        file.read()


def test_error_page_and_missing_file_do_not_open(copy: Path) -> None:
    item = first(copy, "sentinel-2-l2a")
    faults = [
        {"kind": "not-a-raster", "item": item["id"], "asset": "red"},
        {"kind": "missing-file", "item": item["id"], "asset": "blue"},
    ]
    spoil(copy, faults)
    for asset in ("red", "blue"):
        with pytest.raises(RasterioIOError):
            rasterio.open(copy / item["assets"][asset]["href"])
    assert {"red", "blue"} <= set(first(copy, "sentinel-2-l2a")["assets"])


def test_missing_asset_and_duplicate_change_the_items(copy: Path) -> None:
    """An index names the item as it was before other faults moved it."""
    before = read_json(copy / "items.json")["features"]
    asset = next(iter(before[5]["assets"]))
    spoil(copy, [{"kind": "duplicate", "item": 0}, {"kind": "missing-asset", "item": 5, "asset": asset}])
    after = read_json(copy / "items.json")["features"]
    assert [item["id"] for item in after[:1] + after[2:]] == [item["id"] for item in before]
    assert after[1] == {**before[0], "id": f"{before[0]['id']}_1"}
    assert set(before[5]["assets"]) - set(after[6]["assets"]) == {asset}


@pytest.mark.parametrize(
    ("sensor", "collection", "year"),
    [
        ("sentinel-2", "sentinel-2-l2a", 2021),
        ("sentinel-1", "sentinel-1-rtc", 2020),
        ("worldcover", "esa-worldcover", 2020),
    ],
)
def test_a_duplicate_is_served_and_found_to_be_one(
    copy: Path, settings: dict[str, Any], sensor: str, collection: str, year: int
) -> None:
    """All the way through our own API: there is one item more, and the search keeps one of each."""
    place = {"bbox": settings["bbox"], "provider": "embedded", "years": [year], "bands": BANDS[sensor]}
    asked = read(search.Settings, place, "search")
    before = [item["id"] for item in search.search("little", sensor, asked, copy)]
    item = first(copy, collection)
    spoil(copy, [{"kind": "duplicate", "item": item["id"]}, {"kind": "duplicate", "item": item["id"]}])
    listed = [item["id"] for item in read_json(copy / "items.json")["features"]]
    known = set(read_json(copy / "truth.json")["displacement_pixels"])
    assert len(set(listed)) == len(listed)
    assert {name for name in listed if name.startswith("S")} == known
    after = [item["id"] for item in search.search("little", sensor, asked, copy)]
    assert len(after) == len(before) and after != before
    assert set(after) <= set(listed)


def test_faults_come_with_the_settings(tmp_path: Path, settings: dict[str, Any]) -> None:
    """The stage takes faults too, so a whole run can be tried on a bad archive."""
    short = {**settings, "years": {"sentinel-1": [], "sentinel-2": [2021], "worldcover": []}, "tiles": 1}
    short["dates_per_year"] = {"sentinel-2": 1}
    short["faults"] = [{"kind": "duplicate", "item": 0}]
    build("little", read(Settings, short, "archive"), tmp_path / "out")
    items = read_json(tmp_path / "out" / "items.json")["features"]
    assert items[0]["assets"] == items[1]["assets"] and items[0]["id"] != items[1]["id"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "eaten", "item": 0, "asset": "map"}, "kind: must be 'truncated'"),
        ({"kind": "corrupt", "item": "nothing", "asset": "map"}, "no item 'nothing'"),
        ({"kind": "corrupt", "item": 0, "asset": "ultraviolet"}, "no asset 'ultraviolet'"),
    ],
)
def test_faults_that_cannot_be_are_named(copy: Path, fault: dict[str, Any], message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        spoil(copy, [fault])
