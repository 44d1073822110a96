"""A tiny archive for the tests of search and download: a few dates of 96 x 96 pixels, made on the spot.

And both stages as functions of plain settings, with pauses between tries as short as can be.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from revisit.record import Record, read
from revisit.stac import clip, patience
from revisit.stac import download as stage_download
from revisit.stac import search as stage_search
from revisit.stac.api.server import serve

EPSG, LEFT, TOP, PIXELS = 32631, 643200.0, 5676600.0, 96
BANDS = ("blue", "green", "red", "nir")


@dataclass
class Archive:
    """The folder, a bbox (degrees) well inside its rasters, and settings that fit both stages."""

    folder: Path
    bbox: list[float]

    @property
    def settings(self) -> dict[str, Any]:
        common = {"provider": "embedded", "providers": {}, "bbox": self.bbox, "epsg": None, "workers": 4}
        return {**common, "years": [2019, 2020], "bands": ["blue", "red", "scl"]}

    def items(self) -> list[dict[str, Any]]:
        return json.loads((self.folder / "items.json").read_text())["features"]

    def write(self, items: list[dict[str, Any]]) -> None:
        (self.folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))


def write_raster(path: Path, data: np.ndarray, epsg: int, transform: Any, nodata: float | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": data.shape[0], "width": data.shape[1], "count": 1}
    profile |= {"dtype": data.dtype.name, "crs": f"EPSG:{epsg}", "transform": transform, "nodata": nodata}
    with rasterio.open(
        path, "w", tiled=True, blockxsize=64, blockysize=64, compress="deflate", **profile
    ) as f:
        f.write(data, 1)


def item(name: str, collection: str, bbox: list[float], properties: dict, assets: dict) -> dict[str, Any]:
    west, south, east, north = bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": collection,
        "bbox": bbox,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties,
        "links": [],
        "assets": assets,
        "stac_extensions": [],
    }


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Six Sentinel-2 dates (offset from 2020 on), four of Sentinel-1, one land-cover map."""
    folder = tmp_path / "archive"
    rng = np.random.default_rng(7)
    extent = (LEFT, TOP - 10 * PIXELS, LEFT + 10 * PIXELS, TOP)
    footprint = list(transform_bounds(f"EPSG:{EPSG}", "EPSG:4326", *extent))
    grid = from_origin(LEFT, TOP, 10, 10)
    items = []
    for number, date in enumerate(
        ["2019-03-05", "2019-06-05", "2019-09-05", "2020-03-05", "2020-06-05", "2020-09-05"]
    ):
        name, late = f"S2A_31UFS_{date.replace('-', '')}", date >= "2020"
        assets: dict[str, Any] = {}
        for band in BANDS:
            path = f"sentinel-2-l2a/{name}/{band}.tif"
            write_raster(folder / path, rng.integers(1100, 4000, (96, 96)).astype("uint16"), EPSG, grid, 0)
            stated = {"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1 if late else 0.0}
            assets[band] = {"href": path, "type": "image/tiff", "raster:bands": [stated]}
        path = f"sentinel-2-l2a/{name}/scl.tif"
        classes = rng.integers(3, 7, (48, 48)).astype("uint8")
        write_raster(folder / path, classes, EPSG, from_origin(LEFT, TOP, 20, 20), 0)
        assets["scl"] = {"href": path, "type": "image/tiff", "raster:bands": [{"nodata": 0}]}
        properties = {
            "datetime": f"{date}T10:30:21Z",
            "platform": "sentinel-2a",
            "eo:cloud_cover": 5 + 15.0 * number,
            "proj:epsg": EPSG,
            "grid:code": "MGRS-31UFS",
            "s2:processing_baseline": "05.00" if late else "02.14",
            "sat:relative_orbit": 51,
        }
        items.append(item(name, "sentinel-2-l2a", footprint, properties, assets))
    for date in ["2019-04-01", "2019-10-01", "2020-04-01", "2020-10-01"]:
        name = f"S1A_{date.replace('-', '')}"
        assets = {}
        for band in ("vv", "vh"):
            path = f"sentinel-1-rtc/{name}/{band}.tif"
            power = rng.gamma(4, 0.02, (96, 96)).astype("float32")
            write_raster(folder / path, power, EPSG, grid, -32768)
            assets[band] = {"href": path, "type": "image/tiff", "raster:bands": [{"nodata": -32768}]}
        state = "ascending" if "-04-" in date else "descending"
        properties = {"datetime": f"{date}T05:44:00Z", "platform": "SENTINEL-1A", "sat:orbit_state": state}
        items.append(item(name, "sentinel-1-rtc", footprint, {**properties, "proj:epsg": EPSG}, assets))
    west, south, east, north = footprint
    pixel = 1 / 12000
    shape = (int((north - south) / pixel) + 40, int((east - west) / pixel) + 40)
    path = "esa-worldcover/map_2020.tif"
    corner = from_origin(west - 20 * pixel, north + 20 * pixel, pixel, pixel)
    write_raster(folder / path, rng.choice([10, 30, 40, 80], shape).astype("uint8"), 4326, corner, 0)
    period = {
        "datetime": None,
        "start_datetime": "2020-01-01T00:00:00Z",
        "end_datetime": "2020-12-31T23:59:59Z",
    }
    items.append(
        item("map_2020", "esa-worldcover", footprint, period, {"map": {"href": path, "type": "image/tiff"}})
    )
    collections = [
        {
            "type": "Collection",
            "id": name,
            "stac_version": "1.0.0",
            "description": name,
            "license": "CC0-1.0",
            "links": [],
            "extent": {
                "spatial": {"bbox": [footprint]},
                "temporal": {"interval": [["2019-01-01T00:00:00Z", "2020-12-31T23:59:59Z"]]},
            },
        }
        for name in ("sentinel-2-l2a", "sentinel-1-rtc", "esa-worldcover")
    ]
    (folder / "collections.json").write_text(json.dumps(collections))
    result = Archive(folder, [west + 0.004, south + 0.003, east - 0.004, north - 0.003])
    result.write(items)
    return result


def settings_of(kind: type[Record], settings: dict[str, Any]) -> Any:
    """A stage's settings, of those that both stages have."""
    return read(kind, {key: value for key, value in settings.items() if key in kind.model_fields}, "test")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(patience, "LONGEST_PAUSE_S", 0.2)
    monkeypatch.setitem(clip.GDAL, "GDAL_HTTP_RETRY_DELAY", "0.01")


@pytest.fixture
def search() -> Callable[..., Any]:
    """The search stage: region, sensor, settings and what our own API serves to its items."""

    def run(region: str, sensor: str, settings: dict[str, Any], folder: Path | None = None) -> Any:
        return stage_search.search(region, sensor, settings_of(stage_search.Settings, settings), folder)

    return run


@pytest.fixture
def download() -> Callable[..., Any]:
    """The download stage, of items to its manifest."""

    def run(items: Any, region: str, sensor: str, year: int, out: Path, settings: Any, *folder: Path) -> Any:
        own = settings_of(stage_download.Settings, settings)
        return stage_download.download(items, region, sensor, year, out, own, *folder)

    return run


@pytest.fixture
def fetch(archive: Archive, search: Any, download: Any, tmp_path: Path):
    """Download a year, with changes of settings and faults of the server if given."""
    out = tmp_path / "scenes" / "manifest.json"

    def run(
        sensor: str = "sentinel-2", year: int = 2020, faults: Any = (), items: Any = None, **settings: Any
    ) -> Any:
        settings = {**archive.settings, "patience_s": 20, "max_quarantined": 0.5, **settings}
        if sensor != "sentinel-2":
            settings["bands"] = {"sentinel-1": ["vv", "vh"], "worldcover": ["map"]}[sensor]
        items = items or search("north", sensor, settings, archive.folder)
        if not faults:
            return download(items, "north", sensor, year, out, settings, archive.folder)
        with serve([archive.folder], faults=faults) as url:
            settings |= {"provider": "remote", "providers": {"remote": {"inherits": "embedded", "url": url}}}
            return download(items, "north", sensor, year, out, settings)

    run.folder = out.parent  # type: ignore[attr-defined]
    return run
