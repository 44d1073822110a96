"""Items and collections are valid STAC and carry the fields the public catalogues have, checked offline."""

import json
from pathlib import Path
from typing import Any

import pystac
import pytest
from shapely.geometry import shape

REQUIRED = {
    "sentinel-2-l2a": {
        "datetime", "eo:cloud_cover", "proj:epsg", "grid:code", "s2:processing_baseline", "s2:tile",
        "view:sun_elevation", "view:sun_azimuth", "view:incidence_angle", "sat:relative_orbit",
    },
    "sentinel-1-rtc": {
        "datetime", "proj:epsg", "proj:shape", "proj:transform", "sat:orbit_state", "sat:relative_orbit",
        "sar:instrument_mode", "sar:polarizations", "sar:product_type", "sar:frequency_band",
    },
    "esa-worldcover": {"datetime", "start_datetime", "end_datetime", "proj:epsg", "grid:code"},
    "land-cover-truth": {"datetime", "start_datetime", "end_datetime", "proj:epsg"},
}  # fmt: skip
BANDS = {
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16",
    "swir22", "scl",
}  # fmt: skip


def test_items_are_valid_and_complete(built: Any) -> None:
    """Clients parse items with pystac; search, download and stack read these fields."""
    for content in built.items:
        item = pystac.Item.from_dict(content)
        item.stac_extensions = []  # their schemas are only on the network
        item.validate()
        assert item.bbox == pytest.approx(list(shape(content["geometry"]).bounds))
        assert REQUIRED[content["collection"]] <= set(content["properties"])
        for asset in content["assets"].values():
            assert not Path(asset["href"]).is_absolute() and "raster:bands" in asset
    for item in built.of("sentinel-2-l2a"):
        assert set(item["assets"]) == BANDS
        resolutions = {
            name: asset["raster:bands"][0]["spatial_resolution"] for name, asset in item["assets"].items()
        }
        assert (resolutions["red"], resolutions["swir16"], resolutions["coastal"]) == (10, 20, 60)
    identifiers = [item["id"] for item in built.items]
    assert len(set(identifiers)) == len(identifiers)


def test_collections_cover_their_items(built: Any) -> None:
    """A client that trusts a collection's extent must not miss an item."""
    contents = json.loads((built.folder / "collections.json").read_text())
    assert {content["id"] for content in contents} == set(REQUIRED)
    for content in contents:
        collection = pystac.Collection.from_dict(content)
        collection.validate()
        west, south, east, north = collection.extent.spatial.bboxes[0]
        start, end = collection.extent.temporal.intervals[0]
        for item in built.of(content["id"]):
            box = item["bbox"]
            assert west <= box[0] and south <= box[1] and box[2] <= east and box[3] <= north
            moment = pystac.Item.from_dict(item).datetime
            assert moment is None or start <= moment <= end
