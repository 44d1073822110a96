"""Scene records from items as the catalogues really wrote them, and from items made to be awkward."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit.cube.stacking.acquisitions import Clip
from revisit.cube.stacking.decode import physical
from revisit.errors import RevisitError
from revisit.record import read
from revisit.stac import adapter
from revisit.stac.providers import BANDS, Provider
from revisit.stac.providers import source as source_of

ALL = [*BANDS["sentinel-2"]]
KEYS = {"asset", "source", "unit", "scale", "offset", "nodata"}


def source(provider: str, sensor: str, own: dict[str, Any] | None = None) -> Any:
    """A source, with own providers as a config has them."""
    records = {name: read(Provider, content, f"providers.{name}") for name, content in (own or {}).items()}
    return source_of(provider, sensor, records)


def real(shared: Path, name: str) -> list[dict[str, Any]]:
    return json.loads((shared / "real/stac/items" / f"{name}.json").read_text())["features"]


def optical(baseline: str | None = "05.00", offset: float | None = None, **properties: Any) -> dict[str, Any]:
    stated = {} if offset is None else {"scale": 0.0001, "offset": offset}
    return {
        "id": "scene",
        "properties": {"datetime": "2022-06-01T00:00:00Z", "s2:processing_baseline": baseline, **properties},
        "assets": {
            "red": {"href": "https://x/red.tif", "raster:bands": [stated]},
            "B04": {"href": "https://x/B04.tif"},
            "scl": {"href": "https://x/scl.tif"},
        },
    }


@pytest.mark.parametrize(
    ("name", "provider", "sensor"),
    [
        ("cdse__sentinel-2-l2a", "cdse", "sentinel-2"),
        ("earth-search-v1__sentinel-2-l2a", "earth-search-l2a", "sentinel-2"),
        ("planetary-computer__sentinel-2-l2a", "planetary-computer", "sentinel-2"),
        ("planetary-computer__sentinel-1-rtc", "planetary-computer", "sentinel-1"),
        ("planetary-computer__esa-worldcover", "planetary-computer", "worldcover"),
    ],
)
def test_every_real_item_has_a_record(shared: Path, name: str, provider: str, sensor: str) -> None:
    """All items of all providers give the same keys in the same spelling."""
    origin = source(provider, sensor)
    for item in real(shared, name):
        record = adapter.scene(item, origin, BANDS[sensor])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", record["datetime"])
        assert record["platform"] == record["platform"].lower()
        assert record["epsg"] == 4326 if sensor == "worldcover" else record["epsg"] // 100 in (326, 327)
        assert set(record["bands"]) == set(BANDS[sensor])
        assert all(set(band) == KEYS for band in record["bands"].values())
        if sensor == "sentinel-2":
            assert re.fullmatch(r"\d\d[A-Z]{3}", record["tile"])
            assert re.fullmatch(r"\d\d\.\d\d", record["processing_baseline"])
            assert 1 <= record["relative_orbit"] <= 143
            assert record["bands"]["red"]["scale"] == 0.0001
            assert record["bands"]["scl"]["unit"] == "class"
            assert record["bands"]["scl"]["offset"] == 0


def test_the_offset_of_every_real_item(shared: Path) -> None:
    """Stated though applied, stated, not mentioned: the offset is right once for each, never twice."""
    for item in real(shared, "earth-search-v1__sentinel-2-l2a"):
        record = adapter.scene(item, source("earth-search-l2a", "sentinel-2"), ["red"])
        flagged = item["properties"]["earthsearch:boa_offset_applied"]
        assert item["assets"]["red"]["raster:bands"][0]["offset"] == (-0.1 if flagged else 0)
        assert record["bands"]["red"]["offset"] == 0
        assert record["offset_rule"] == (
            "already applied by the provider" if flagged else "baseline 02.14 is before the offset"
        )
    for item in real(shared, "cdse__sentinel-2-l2a"):
        record = adapter.scene(item, source("cdse", "sentinel-2"), ["red"])
        assert record["bands"]["red"]["offset"] == -0.1
    for item in real(shared, "planetary-computer__sentinel-2-l2a"):
        origin = source("planetary-computer", "sentinel-2")
        assert adapter.scene(item, origin, ["red"])["bands"]["red"]["offset"] == 0
        item["properties"]["s2:processing_baseline"] = "04.00"
        assert adapter.scene(item, origin, ["red"])["bands"]["red"]["offset"] == -0.1


def test_earth_search_collection_1() -> None:
    """Assets by common name, the offset stated and not yet applied; a tile's two strips are both kept."""

    def item(name: str, strip: str) -> dict[str, Any]:
        bands = [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}]
        return {
            "id": name,
            "properties": {
                "datetime": "2020-07-01T10:36:29.000000Z",
                "platform": "sentinel-2a",
                "proj:code": "EPSG:32631",
                "grid:code": "MGRS-31UFS",
                "s2:processing_baseline": "05.00",
                "s2:datastrip_id": f"S2A_OPER_MSI_L2A_DS_S2RP_20230429T000000_S{strip}_N05.00",
            },
            "assets": {
                "red": {"href": "https://x/B04.tif", "raster:bands": bands},
                "scl": {"href": "https://x/SCL.tif", "raster:bands": [{"nodata": 0, "data_type": "uint8"}]},
                "cloud": {
                    "href": "https://x/CLD_20m.tif",
                    "raster:bands": [{"nodata": 0, "data_type": "uint8"}],
                },
            },
        }

    one, other = item("one", "20200701T103629"), item("other", "20200701T104000")
    bands = adapter.scene(one, source("earth-search", "sentinel-2"), ["red", "scl", "cloud"])["bands"]
    assert [(band["scale"], band["offset"]) for band in bands.values()] == [(0.0001, -0.1), (1, 0), (1, 0)]
    assert [band["unit"] for band in bands.values()] == ["reflectance", "class", "per cent"]
    assert len(adapter.drop_duplicates([one, other])) == 2


def test_real_duplicates(shared: Path) -> None:
    """Two tile-dates are there twice, reprocessed: the highest baseline stays, whatever the order."""
    items = real(shared, "earth-search-v1__sentinel-2-l2a")
    kept = [item["id"] for item in adapter.drop_duplicates(items)]
    assert len(kept) == len(items) - 2
    assert {"S2A_32TMT_20200305_1_L2A", "S2A_32TNT_20200305_1_L2A"} <= set(kept)
    assert [item["id"] for item in adapter.drop_duplicates(items[::-1])] == kept


def test_real_ground_range_radar(shared: Path) -> None:
    """Its stated projection is a made-up rectangle: not passed on, and marked; footprints may be in parts."""
    origin = source("earth-search", "sentinel-1")
    items = real(shared, "earth-search-v1__sentinel-1-grd")
    assert {item["geometry"]["type"] for item in items} == {"Polygon", "MultiPolygon"}
    for item in items:
        with pytest.raises(RevisitError, match=rf"{item['id']} has no asset for band 'vv', only hh"):
            adapter.scene(item, origin, ["vv"])
        item["assets"]["vv"] = item["assets"]["hh"]
        record = adapter.scene(item, origin, ["vv"])
        assert (record["geolocation"], record["epsg"]) == ("gcp", None)
        assert record["bands"]["vv"]["unit"] == "amplitude"
        assert record["orbit_state"] in ("ascending", "descending")
    assert len(adapter.drop_duplicates(items)) == len(items)


def test_the_real_archive(shared: Path) -> None:
    """Amplitude with its calibration and nodata 65535; reflectance without an offset, as the items state."""
    own = {
        "belgium": {
            "inherits": "embedded",
            "folder": "x",
            "sensors": {
                "sentinel-1": {"collection": "sentinel-1-grd", "unit": "amplitude", "calibration_db": -83}
            },
        }
    }
    items = json.loads((shared / "real/archive/items.json").read_text())["features"]
    for item in items:  # as our own API serves them
        for asset in item["assets"].values():
            asset["href"] = f"served:///{asset['href']}"
    radar = [item for item in items if item["collection"] == "sentinel-1-grd"]
    band = adapter.scene(radar[0], source("belgium", "sentinel-1", own), ["vv"])["bands"]["vv"]
    assert (band["unit"], band["calibration_db"], band["nodata"]) == ("amplitude", -83, 65535)
    optic = [item for item in items if item["collection"] == "sentinel-2-l2a"]
    record = adapter.scene(optic[0], source("belgium", "sentinel-2", own), ["red", "scl"])
    assert record["bands"]["red"]["offset"] == 0
    assert record["offset_rule"] == "as the item states"
    assert len(adapter.drop_duplicates(items)) == 22


@pytest.mark.parametrize(
    ("rule", "item", "offset"),
    [
        ("stated", optical("05.00", -0.1), -0.1),
        ("stated", optical("05.00", 0.0), 0.0),
        ("stated", optical("05.00"), -0.1),
        ("stated", optical("02.14"), 0.0),
        ("baseline", optical("04.00", 0.0), -0.1),
        ("baseline", optical("03.01", -0.1), 0.0),
        ("unless-applied", optical("05.00", -0.1, **{adapter.APPLIED: True}), 0.0),
        ("unless-applied", optical("05.00", 0.0, **{adapter.APPLIED: False}), -0.1),
        ("unless-applied", optical("02.14", -0.1), 0.0),
        ("none", optical("05.00", -0.1), 0.0),
    ],
)
def test_offset_rules(rule: str, item: dict[str, Any], offset: float) -> None:
    """Each rule against what items state, claim and keep silent about."""
    own = {"own": {"inherits": "embedded", "sensors": {"sentinel-2": {"offset_rule": rule}}}}
    assert adapter.scene(item, source("own", "sentinel-2", own), ["red"])["bands"]["red"]["offset"] == offset


def radar(**stated: Any) -> dict[str, Any]:
    return {
        "id": "scene",
        "properties": {"datetime": "2022-06-01T00:00:00Z"},
        "assets": {"vv": {"href": "https://x/vv.tif", "raster:bands": [stated]}},
    }


@pytest.mark.parametrize(
    ("unit", "own", "item", "power"),
    [
        ("linear power", {}, radar(), 200.0),
        ("linear power", {"scale": 0.001}, radar(), 0.2),
        ("linear power", {"scale": 0.5}, radar(scale=0.001, offset=-0.1), 0.1),
        ("decibel", {}, radar(scale=0.01, offset=-22), 0.01),
        ("decibel", {"scale": 0.05}, radar(), 10.0),
        ("decibel", {"scale": -0.1}, radar(scale=None, offset=None), 0.01),
    ],
)
def test_scale_and_offset_of_backscatter(
    unit: str, own: dict[str, Any], item: dict[str, Any], power: float
) -> None:
    """Number * scale + offset, as the item or else the provider says; of decibel before it becomes power."""
    entry = {"collection": "c", "unit": unit, **own}
    origin = source("own", "sentinel-1", {"own": {"url": "https://x", "sensors": {"sentinel-1": entry}}})
    band = adapter.scene(item, origin, ["vv"])["bands"]["vv"]
    clip = Clip(Path("vv.tif"), "", band["unit"], band["nodata"], band["scale"], band["offset"], 0)
    np.testing.assert_allclose(physical(np.array([200], "int16"), clip), power, rtol=1e-5)


def test_an_offset_is_never_guessed() -> None:
    """Without a baseline, a rule that hangs on it refuses the scene instead of choosing."""
    with pytest.raises(RevisitError, match="states no processing baseline"):
        adapter.scene(optical(None), source("planetary-computer", "sentinel-2"), ["red"])


def test_spellings_of_the_same_thing() -> None:
    """Tile, baseline, orbit and projection are found wherever an extension's version puts them."""
    item = optical()
    uri = "S2A_MSIL2A_20200305T103021_N0500_R108_T32TMT_20230630T022413.SAFE"
    places: list[tuple[dict[str, Any], Any, Any]] = [
        ({"s2:mgrs_tile": "31UFS"}, adapter.tile, "31UFS"),
        ({"grid:code": "MGRS-31UFS"}, adapter.tile, "31UFS"),
        ({}, adapter.tile, None),
        ({"processing:version": "05.11"}, adapter.baseline, "05.11"),
        ({"s2:product_uri": uri}, adapter.baseline, "05.00"),
        ({"s2:product_uri": uri}, adapter.relative_orbit, 108),
        ({"proj:epsg": 32631}, adapter.epsg, 32631),
        ({"proj:code": "EPSG:32631"}, adapter.epsg, 32631),
        ({"proj:code": None}, adapter.epsg, None),
    ]
    for properties, reader, value in places:
        assert reader({**item, "properties": properties}) == value, properties
    named = {**item, "id": "S2A_MSIL2A_20200305T103021_N0214_R065_T32TMT_20200305T132101", "properties": {}}
    assert (adapter.tile(named), adapter.baseline(named), adapter.relative_orbit(named)) == (
        "32TMT",
        "02.14",
        65,
    )
    on_asset = {**item, "assets": {"red": {"href": "x", "proj:code": "EPSG:32720"}}}
    assert adapter.epsg(on_asset) == 32720


def test_moments() -> None:
    """A blank for T, an offset for Z, and null with a start all become one form."""
    item = optical()
    for stated, expected in [
        ({"datetime": "2020-01-01 05:00:00+01:00"}, "2020-01-01T04:00:00Z"),
        ({"datetime": "2020-01-01T05:00:00.25Z"}, "2020-01-01T05:00:00.250000Z"),
        ({"datetime": None, "start_datetime": "2020-01-01 00:00:00+00:00"}, "2020-01-01T00:00:00Z"),
    ]:
        assert adapter.moment({**item, "properties": stated}) == expected


def test_assets_by_common_name() -> None:
    """A catalogue that nobody described is read by common names, old and new, at the finest resolution."""
    own = {"own": {"url": "https://x", "sensors": {"sentinel-2": {"collection": "c", "unit": "reflectance"}}}}
    origin = source("own", "sentinel-2", own)
    item = optical()
    item["assets"] = {
        "R60": {"href": "a", "gsd": 60, "bands": [{"eo:common_name": "red"}]},
        "R10": {"href": "b", "gsd": 10, "bands": [{"eo:common_name": "red"}]},
        "G": {"href": "c", "eo:bands": [{"common_name": "green"}]},
    }
    assert adapter.find_asset(item, "red", origin)[0] == "R10"
    assert adapter.find_asset(item, "green", origin)[0] == "G"
    with pytest.raises(RevisitError, match="own: item scene has no asset for band 'blue', only G, R10, R60"):
        adapter.find_asset(item, "blue", origin)


def test_duplicates_keep_the_parts_of_a_shared_tile() -> None:
    """Of one baseline the newest stays; a tile that two data strips share keeps both its parts."""
    first = optical(
        **{
            "grid:code": "MGRS-31UFS",
            "s2:datastrip_id": "A_S20220601T100000_N05",
            "created": "2022-06-02T00:00:00Z",
        }
    )
    newer = copy.deepcopy(first) | {"id": "newer"}
    newer["properties"]["created"] = "2022-06-03T00:00:00Z"
    part = copy.deepcopy(first) | {"id": "part"}
    part["properties"]["s2:datastrip_id"] = "A_S20220601T100300_N05"
    older = copy.deepcopy(part) | {"id": "older"}
    older["properties"]["s2:processing_baseline"] = "02.14"
    kept = [item["id"] for item in adapter.drop_duplicates([newer, older, first, part])]
    assert kept == ["newer", "part"]


def test_maps_beside_each_other_are_no_duplicates(shared: Path) -> None:
    """Tiles of one WorldCover map share platforms and period; without a grid code their own tile tells."""
    (item,) = real(shared, "planetary-computer__esa-worldcover")
    assert adapter.tile(item) == "S60W030"
    del item["properties"]["grid:code"]
    assert adapter.tile(item) == "S60W030"
    other = copy.deepcopy(item) | {"id": "ESA_WorldCover_10m_2021_v200_S60W027"}
    other["properties"]["esa_worldcover:product_tile"] = "S60W027"
    assert len(adapter.drop_duplicates([item, other])) == 2
    older = copy.deepcopy(other) | {"id": "older"}
    older["properties"]["esa_worldcover:product_version"] = "1.0.0"
    assert adapter.drop_duplicates([older, other]) == [other]


def test_maps_without_a_tile_are_told_by_their_box() -> None:
    """As Impact Observatory's, which have a tile of their own, and as any that have none."""
    period = {
        "datetime": None,
        "start_datetime": "2021-01-01T00:00:00Z",
        "end_datetime": "2022-01-01T00:00:00Z",
    }
    one = {"id": "31U-2021", "bbox": [0.0, 48.0, 6.0, 56.0], "properties": period | {"io:tile_id": "31U"}}
    two = {"id": "32U-2021", "bbox": [6.0, 48.0, 12.0, 56.0], "properties": period | {"io:tile_id": "32U"}}
    assert adapter.tile(one) == "31U"
    assert adapter.drop_duplicates([one, two]) == [one, two]
    bare = [item | {"properties": period} for item in (one, two)]
    assert adapter.drop_duplicates(bare) == bare
    assert len(adapter.drop_duplicates([bare[0], bare[0] | {"id": "again"}])) == 1


def test_tiles_of_elevation_are_no_duplicates() -> None:
    """All tiles bear one moment and platform; their corner, in the id alone, tells them apart."""

    def item(corner: str) -> dict[str, Any]:
        return {
            "id": f"Copernicus_DSM_COG_10_{corner}_DEM",
            "properties": {"datetime": "2021-04-22T00:00:00Z", "platform": "TanDEM-X", "proj:epsg": 4326},
            "assets": {"data": {"href": "https://x/dem.tif"}},
        }

    tiles = [item("N51_00_E005_00"), item("N51_00_E004_00"), item("S01_00_W070_00")]
    assert [adapter.tile(tile) for tile in tiles] == ["N51_00_E005_00", "N51_00_E004_00", "S01_00_W070_00"]
    assert len(adapter.drop_duplicates(tiles)) == 3
    band = adapter.scene(tiles[0], source("planetary-computer", "dem"), ["elevation"])["bands"]["elevation"]
    assert (band["unit"], band["asset"], band["nodata"]) == ("metres", "data", None)


def strip_of(item: dict[str, Any], name: str, began: str) -> dict[str, Any]:
    """The part of the same tile, on the same pass, that another data strip has."""
    other = copy.deepcopy(item) | {"id": name}
    key = next(key for key in other["properties"] if key.endswith(":datastrip_id"))
    other["properties"][key] = re.sub(r"_S\d{8}T\d{6}_", f"_S{began}_", other["properties"][key])
    return other


def test_a_strip_is_no_duplicate_of_another_that_was_processed_anew(shared: Path) -> None:
    """Each strip counts for itself: the newest of the one, and the other, of which there is the old alone."""
    items = real(shared, "earth-search-v1__sentinel-2-l2a")
    new, old = (item for item in items if item["id"].startswith("S2A_32TMT_20200305"))
    part = strip_of(old, "S2A_32TMT_20200305_2_L2A", "20200305T103500")
    assert (adapter.baseline(new), adapter.baseline(part)) == ("05.00", "02.14")
    for given in ([new, old, part], [part, old, new]):
        assert [item["id"] for item in adapter.drop_duplicates(given)] == [part["id"], new["id"]]


@pytest.mark.parametrize("name", ["cdse", "earth-search-v1", "planetary-computer"])
def test_strips_and_processings_as_each_catalogue_tells_them(shared: Path, name: str) -> None:
    """Of two strips of one tile, the one processed twice is there once, and the other stays."""
    (item, *_) = real(shared, f"{name}__sentinel-2-l2a")
    part = strip_of(item, "part", "20200101T000000")
    again = copy.deepcopy(item) | {"id": "again"}
    for key in ("s2:processing_baseline", "processing:version"):
        if key in again["properties"]:
            again["properties"][key] = "06.00"
    for key in ("s2:datastrip_id", "eopf:datastrip_id"):
        if key in again["properties"]:  # the station and the moment of the processing are in it too
            again["properties"][key] = re.sub(
                r"_\w{4}_\d{8}T\d{6}_S", "_S2RP_20300101T000000_S", again["properties"][key]
            )
    kept = [found["id"] for found in adapter.drop_duplicates([item, again, part])]
    assert sorted(kept) == ["again", "part"]
