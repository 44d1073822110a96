"""Catalogues and files that lead astray: to this machine's own files, out of memory, to other bands."""

import json
import resource
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from revisit.errors import RevisitError
from revisit.stac.api import server
from revisit.stac.api.folders import Catalogue
from revisit.stac.clip import Area, UnreadableError, cut
from revisit.stac.search import PAGE

NAME = "S2A_31UFS_20200605"


def change(archive: Any, edit: Any, name: str = NAME) -> None:
    """Change an item of the catalogue."""
    items = archive.items()
    edit(next(item for item in items if item["id"] == name))
    archive.write(items)


@pytest.mark.parametrize(
    "href",
    [
        "/etc/hostname",
        "../../../../etc/hostname",
        "file:///etc/hostname",
        "/vsicurl/http://127.0.0.1:9/red.tif",
        "/vsizip//etc/archive.zip/red.tif",
        "zip+https://127.0.0.1:9/a.zip",
        "GTIFF_DIR:1:/etc/hostname",
        "<VRTDataset rasterXSize='1' rasterYSize='1'/>",
        "",
        None,
    ],
)
def test_an_href_leads_to_the_web_or_nowhere(fetch, search, archive, caplog, href: Any) -> None:
    """Frozen or found, such an item is left out by name before anything is opened."""
    items = search("north", "sentinel-2", archive.settings, archive.folder)
    next(item for item in items if item["id"] == NAME)["assets"]["red"]["href"] = href
    (entry,) = fetch(items=items)["quarantine"]
    assert entry["item"] == NAME
    assert f"asset 'red': {href!r} is no address" in entry["cause"]


def test_a_catalogue_of_local_paths_is_refused(search, archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a remote API would send it: of such items none is kept."""
    monkeypatch.setattr(
        server,
        "_absolute",
        lambda request, item: {
            **item,
            "assets": {key: {**asset, "href": f"/{asset['href']}"} for key, asset in item["assets"].items()},
        },
    )
    with pytest.raises(RevisitError, match="is no address of a file on the web"):
        search("north", "sentinel-2", archive.settings, archive.folder)


def test_a_file_that_names_others_is_no_raster(fetch, archive) -> None:
    """A VRT in place of a GeoTIFF, which would read this machine's own files."""
    path = archive.folder / f"sentinel-2-l2a/{NAME}/red.tif"
    local = archive.folder.parent / "local.tif"
    path.rename(local)
    path.write_text(
        '<VRTDataset rasterXSize="96" rasterYSize="96"><SRS>EPSG:32631</SRS>'
        "<GeoTransform>643200, 10, 0, 5676600, 0, -10</GeoTransform>"
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{local}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    (entry,) = fetch(patience_s=0)["quarantine"]
    assert entry["item"] == NAME
    assert "not recognized" in entry["cause"]


@pytest.mark.parametrize("href", ["/dev/zero", "file:///etc/hostname", "items.json"])
def test_the_next_page_is_on_the_web(search, archive, monkeypatch: pytest.MonkeyPatch, href: str) -> None:
    """A link to a file of this machine is told, not read."""
    page = server._page

    def astray(request: Any, body: Any) -> Any:
        content = json.loads(page(request, body).body)
        content["links"] = [{"rel": "next", "href": href, "method": "GET"}]
        return server.JSONResponse(content)

    monkeypatch.setattr(server, "_page", astray)
    with pytest.raises(RevisitError, match="which is no address on the web"):
        search("north", "sentinel-2", archive.settings, archive.folder)


def test_pages_that_go_in_a_circle_end(search, archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A next link that leads back would be followed for ever."""
    page = server._page

    def circle(request: Any, body: Any) -> Any:
        content = json.loads(page(request, body).body)
        again = {"rel": "next", "href": str(request.url), "method": "POST", "body": body}
        content["links"] = [again]
        return server.JSONResponse(content)

    monkeypatch.setattr(server, "_page", circle)
    with pytest.raises(RevisitError, match="its pages go in a circle"):
        search("north", "sentinel-2", archive.settings, archive.folder)


def test_what_is_of_another_collection_is_left_out(
    search, archive, caplog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some APIs ignore what they are asked for."""
    monkeypatch.setattr(Catalogue, "search", lambda self, search: self.items)
    assert len(archive.items()) < PAGE
    found = search("north", "sentinel-2", archive.settings, archive.folder)
    assert {item["collection"] for item in found} == {"sentinel-2-l2a"}
    assert "item S1A_20190401 is of sentinel-1-rtc" in caplog.text


@pytest.mark.parametrize(
    ("edit", "cause"),
    [
        (lambda item: item["properties"].update(datetime=None), "neither datetime nor start_datetime"),
        (lambda item: item["properties"].update({"sat:relative_orbit": "north"}), "cannot be understood"),
        (lambda item: item["properties"].update({"proj:epsg": "UTM"}), "cannot be understood"),
        (lambda item: item["properties"].update({"eo:cloud_cover": "some"}), "cannot be understood"),
        (lambda item: item["assets"]["red"].update(href=None), "asset 'red': None is no address"),
        (lambda item: item["assets"]["red"].pop("href"), "asset 'red': None is no address"),
        (lambda item: item["assets"]["red"]["raster:bands"][0].update(scale="much"), "scale 'much' is no"),
        (lambda item: item["assets"]["red"]["raster:bands"][0].update(scale=0), "its scale is 0"),
        (lambda item: item["assets"]["red"]["raster:bands"][0].update(nodata="none"), "nodata 'none' is no"),
        (lambda item: item["assets"]["red"].update({"raster:bands": {}, "bands": 3}), "cannot be understood"),
        (lambda item: item["assets"]["red"].update({"eo:bands": None}), "cannot be understood"),
        (lambda item: item["properties"].update({"sat:orbit_state": 3}), "cannot be understood"),
    ],
)
def test_items_that_make_no_sense_are_named_and_left_out(
    search, archive, caplog, monkeypatch: pytest.MonkeyPatch, edit: Any, cause: str
) -> None:
    """One such item costs itself, not the search, and no number is guessed."""
    answer = Catalogue.search

    def spoilt(self: Catalogue, asked: Any) -> Any:
        items = json.loads(json.dumps(answer(self, asked)))
        edit(next(item for item in items if item["id"] == NAME))
        return items

    monkeypatch.setattr(Catalogue, "search", spoilt)
    found = search("north", "sentinel-2", {**archive.settings, "patience_s": 0}, archive.folder)
    assert len(found) == 5
    assert NAME in caplog.text and cause in caplog.text


def test_an_asset_without_address_that_nobody_needs_costs_nothing(search, archive) -> None:
    """A thumbnail, say."""
    change(archive, lambda item: item["assets"].update(thumbnail={"href": None}, overview={}))
    assert len(search("north", "sentinel-2", archive.settings, archive.folder)) == 6


@pytest.mark.parametrize("box", [{}, {"bbox": None}, {"bbox": ["west", 0, 0, 0]}])
def test_a_map_that_is_nowhere_is_left_out(
    search, archive, caplog, monkeypatch: pytest.MonkeyPatch, box: dict[str, Any]
) -> None:
    """Without tile and platform only its box tells it from others."""
    answer = Catalogue.search

    def beside(self: Catalogue, asked: Any) -> Any:
        (item,) = answer(self, asked)
        return [item, {key: value for key, value in item.items() if key != "bbox"} | {"id": "nowhere"} | box]

    monkeypatch.setattr(Catalogue, "search", beside)
    settings = {**archive.settings, "bands": ["map"], "patience_s": 0}
    (found,) = search("north", "worldcover", settings, archive.folder)
    assert found["id"] == "map_2020"
    assert "left out: embedded: item nowhere cannot be understood" in caplog.text


def test_frozen_items_edited_by_hand_are_told(fetch, search, archive) -> None:
    """The download says which item, and what to do."""
    items = search("north", "sentinel-2", archive.settings, archive.folder)
    del items[4]["properties"]["datetime"]
    with pytest.raises(RevisitError, match=rf"{items[4]['id']} has neither .*run the stage search again"):
        fetch(items=items)


def test_an_item_without_a_geometry_is_as_good_as_any(fetch, search, archive) -> None:
    """Where a scene lies is read from its files."""
    items = search("north", "sentinel-2", archive.settings, archive.folder)
    for item in items:
        item["geometry"] = None
        item.pop("bbox")
    assert len(fetch(items=items)["scenes"]) == 3


def test_swapped_bands_are_noticed_where_they_say_so(search, archive, caplog) -> None:
    """The key says red, the asset itself says near infrared; of radar, the other polarisation."""
    change(archive, lambda item: item["assets"]["red"].update({"eo:bands": [{"common_name": "nir"}]}))
    change(
        archive, lambda item: item["assets"]["vv"].update({"sar:polarizations": ["VH"]}), name="S1A_20200401"
    )
    assert len(search("north", "sentinel-2", archive.settings, archive.folder)) == 5
    assert f"item {NAME}: asset 'red' should be red, and says that it is nir" in caplog.text
    radar = {**archive.settings, "bands": ["vv", "vh"]}
    assert len(search("north", "sentinel-1", radar, archive.folder)) == 3
    assert "asset 'vv' should be vv, and says that it is vh" in caplog.text


def test_bands_that_describe_themselves_more_finely_stay(search, archive) -> None:
    """Catalogues call three bands rededge, or the narrow near infrared; that contradicts nothing."""
    change(archive, lambda item: item["assets"]["red"].update({"eo:bands": [{"common_name": "rededge"}]}))
    assert len(search("north", "sentinel-2", archive.settings, archive.folder)) == 6


def test_a_file_that_lies_elsewhere_is_told(fetch, archive, caplog) -> None:
    """Its own projection puts it far from the region: no valid data, and not what its item says."""
    import rasterio

    for asset in ("blue", "red", "scl"):
        with rasterio.open(archive.folder / f"sentinel-2-l2a/{NAME}/{asset}.tif", "r+") as file:
            file.crs = "EPSG:32655"
    manifest = fetch()
    assert manifest["without_data"] == [NAME]
    assert len(manifest["scenes"]) == 2
    assert f"no valid data over the region: {NAME}" in caplog.text


def test_a_long_id_is_no_hindrance(fetch, search, archive) -> None:
    """A file system takes names of 255 bytes."""
    items = search("north", "sentinel-2", archive.settings, archive.folder)
    items[3]["id"] = "S2A_" + "x" * 300
    items[4]["id"] = "S2A_" + "x" * 301
    assert len(fetch(items=items)["scenes"]) == 3


def huge(path: Path, side: int, rows_per_strip: int) -> None:
    """A TIFF of a few hundred bytes that claims to be ``side`` pixels a side, EPSG:32631, 10 m."""
    short, long, double = 3, 4, 12
    geokeys = [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32631]
    tags: list[tuple[int, int, list[Any]]] = [
        (256, long, [side]),
        (257, long, [side]),
        (258, short, [16]),
        (259, short, [1]),
        (262, short, [1]),
        (273, long, [8]),
        (277, short, [1]),
        (278, long, [rows_per_strip]),
        (279, long, [64]),
        (33550, double, [10.0, 10.0, 0.0]),
        (33922, double, [0.0, 0.0, 0.0, 640_000.0, 5_680_000.0, 0.0]),
        (34735, short, geokeys),
    ]
    formats = {short: "H", long: "I", double: "d"}
    start = 8 + 64
    beyond = start + 2 + 12 * len(tags) + 4
    entries, extra = b"", b""
    for tag, kind, values in tags:
        packed = struct.pack(f"<{len(values)}{formats[kind]}", *values)
        place = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", beyond + len(extra))
        extra += packed if len(packed) > 4 else b""
        entries += struct.pack("<HHI", tag, kind, len(values)) + place
    head = struct.pack("<2sHI", b"II", 42, start) + bytes(64)
    path.write_bytes(head + struct.pack("<H", len(tags)) + entries + bytes(4) + extra)


@pytest.mark.parametrize("rows_per_strip", [1_000_000, 100_000, 1])
def test_a_raster_that_claims_to_be_huge_takes_no_memory(tmp_path: Path, rows_per_strip: int) -> None:
    """A million pixels a side in a few hundred bytes: broken, or without data, and told at once."""
    huge(tmp_path / "huge.tif", 1_000_000, rows_per_strip)
    assert (tmp_path / "huge.tif").stat().st_size < 1000
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    area = Area(32631, (643_000.0, 5_676_000.0, 644_000.0, 5_677_000.0))
    if rows_per_strip == 1:  # GDAL takes strips that are not listed for empty ones
        assert not cut(str(tmp_path / "huge.tif"), area, tmp_path / "clip.tif", nodata=0)["valid"]
    else:
        with pytest.raises(UnreadableError):
            cut(str(tmp_path / "huge.tif"), area, tmp_path / "clip.tif")
    assert time.monotonic() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    assert not (tmp_path / "clip.tif").exists()


def test_an_ordinary_file_in_one_strip_is_read(tmp_path: Path) -> None:
    """Not every file is tiled: one of 40 MB in one block is none too large."""
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    grid = from_origin(640_000, 5_680_000, 10, 10)
    profile = {"driver": "GTiff", "height": 4500, "width": 4500, "count": 1, "dtype": "uint16"}
    with rasterio.open(
        tmp_path / "strip.tif", "w", crs="EPSG:32631", transform=grid, blockysize=4500, **profile
    ) as file:
        file.write(np.ones((4500, 4500), "uint16"), 1)
    area = Area(32631, (643_000.0, 5_676_000.0, 644_000.0, 5_677_000.0))
    assert cut(str(tmp_path / "strip.tif"), area, tmp_path / "clip.tif")["valid"]
