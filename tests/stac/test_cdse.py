"""Copernicus Data Space as it answers: pages without a count, items of STAC 1.1, JPEG 2000 behind keys."""

import copy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from revisit.errors import RevisitError
from revisit.stac import adapter
from revisit.stac.providers import source

KEYS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret"}
EPSG, LEFT, TOP, PIXELS = 32631, 600_000, 5_700_000, 300
GEOJSON = "application/geo+json"
Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def served(answer: Callable[[BaseHTTPRequestHandler, bytes], Answer]) -> Iterator[str]:
    """A server on localhost that answers as a function says; yields its host and port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self) -> None:
            status, headers, body = answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = reply  # noqa: N815

        def log_message(self, *given: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def catalogue(items: list[dict[str, Any]], asked: list[dict[str, Any]]) -> Any:
    """A catalogue in the manner of CDSE: two items a page, the next one by a token in the body, no count."""

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        root = f"http://{request.headers['Host']}"
        content: dict[str, Any]
        if request.path.strip("/") == "":
            content = {
                "type": "Catalog", "id": "cdse-stac", "stac_version": "1.1.0", "description": "",
                "conformsTo": [
                    "https://api.stacspec.org/v1.0.0/core",
                    "https://api.stacspec.org/v1.0.0/item-search",
                    "https://api.stacspec.org/v1.0.0/item-search#query",
                ],
                "links": [
                    {"rel": "self", "href": root, "type": "application/json"},
                    {"rel": "root", "href": root, "type": "application/json"},
                    {"rel": "search", "href": f"{root}/search", "type": GEOJSON, "method": "POST"},
                ],
            }  # fmt: skip
        else:
            parameters = json.loads(body)
            asked.append(parameters)
            begin = int(parameters.get("token", "next:0").removeprefix("next:"))
            links = [{"rel": "root", "href": root, "type": "application/json"}]
            if begin + 2 < len(items):
                following = {**parameters, "token": f"next:{begin + 2}"}
                address = {"rel": "next", "href": f"{root}/search", "type": GEOJSON}
                links.append({**address, "method": "POST", "body": following})
            content = {"type": "FeatureCollection", "features": items[begin : begin + 2], "links": links}
            content["numberReturned"] = len(content["features"])
        return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()

    return answer


def cdse(host: str, **more: Any) -> dict[str, Any]:
    """The shipped provider, its catalogue and its object store at an address of ours."""
    gdal = {"AWS_S3_ENDPOINT": host, "AWS_HTTPS": "NO"}
    return {"local": {"inherits": "cdse", "url": f"http://{host}", "gdal": gdal, **more}}


def test_recorded_items_page_by_page(shared: Path, search: Any) -> None:
    """All pages are followed, without a count; cloud cover is asked for as a number."""
    path = shared / "real/stac/items/cdse__sentinel-2-l2a.json"
    items, asked = json.loads(path.read_text())["features"], []
    bands = ["blue", "nir", "swir16", "scl"]
    with served(catalogue(items, asked)) as host:
        settings = {"provider": "local", "providers": cdse(host), "bbox": [5.0, 51.0, 5.1, 51.1]}
        years = sorted({int(item["properties"]["datetime"][:4]) for item in items})
        settings |= {"years": years, "bands": bands, "cloud_cover_max": 100}
        found = search("here", "sentinel-2", settings)
    assert sorted(item["id"] for item in found) == sorted(item["id"] for item in items)
    assert len(asked) == 3
    assert asked[0]["collections"] == ["sentinel-2-l2a"]
    assert all(parameters["query"] == {"eo:cloud_cover": {"lte": 100}} for parameters in asked)
    for item in found:
        record = adapter.scene(item, source("cdse", "sentinel-2"), bands)
        assert record["epsg"] == int(item["assets"]["B02_10m"]["proj:code"].removeprefix("EPSG:"))
        assert [entry["asset"] for entry in record["bands"].values()] == [
            "B02_10m", "B08_10m", "B11_20m", "SCL_20m",
        ]  # fmt: skip
        for name, entry in record["bands"].items():
            # The files themselves, not the alternate addresses, which want a session of a browser.
            assert entry["source"].startswith("s3://eodata/") and entry["source"].endswith(".jp2")
            assert (entry["scale"], entry["offset"]) == ((1, 0) if name == "scl" else (0.0001, -0.1))
            assert entry["nodata"] == 0
        assert record["processing_baseline"] in ("05.00", "05.09", "05.10", "05.11")
        assert record["offset_rule"] == "as the item states"


@pytest.fixture
def product(tmp_path: Path) -> tuple[Path, dict[str, Any], list[float], dict[str, np.ndarray]]:
    """An item with two files of JPEG 2000, its bbox, and the numbers that were written."""
    numbers, assets = {}, {}
    for band, size, dtype in (("B04_10m", 10, "uint16"), ("SCL_20m", 20, "uint8")):
        side = PIXELS * 10 // size
        high = 6000 if dtype == "uint16" else 11
        numbers[band] = np.random.default_rng(size).integers(1, high, (side, side)).astype(dtype)
        path = tmp_path / "store" / "eodata" / f"{band}.jp2"
        path.parent.mkdir(parents=True, exist_ok=True)
        profile = {"count": 1, "height": side, "width": side, "dtype": dtype, "crs": f"EPSG:{EPSG}"}
        profile |= {"transform": from_origin(LEFT, TOP, size, size), "QUALITY": "100", "REVERSIBLE": "YES"}
        with rasterio.open(path, "w", driver="JP2OpenJPEG", **profile) as file:
            file.write(numbers[band], 1)
        assets[band] = {"href": f"s3://eodata/{band}.jp2", "type": "image/jp2", "nodata": 0}
        if dtype == "uint16":
            assets[band] |= {"raster:scale": 0.0001, "raster:offset": -0.1}
    edges = (LEFT + 500, TOP - 2500, LEFT + 2500, TOP - 500)
    bbox = list(transform_bounds(f"EPSG:{EPSG}", "EPSG:4326", *edges))
    west, south, east, north = bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "S2A_MSIL2A_20241107T105251_N0511_R051_T31UFS_20241107T123948",
        "collection": "sentinel-2-l2a",
        "bbox": bbox,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": "2024-11-07T10:52:51Z", "platform": "sentinel-2a", "processing:version": "05.11",
            "grid:code": "MGRS-31UFS", "proj:code": f"EPSG:{EPSG}",
        },
        "links": [],
        "assets": assets,
    }  # fmt: skip
    return tmp_path / "store", item, bbox, numbers


def store(folder: Path, seen: list[Any]) -> Any:
    """An object store that gives whole files and ranges to whoever signs with the right key."""

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        signature = request.headers.get("Authorization", "")
        seen.append((request.command, request.path, signature))
        if "Credential=somebody/" not in signature:
            text = "The AWS Access Key Id you provided does not exist in our records."
            fault = f"<Error><Code>InvalidAccessKeyId</Code><Message>{text}</Message></Error>"
            return 403, {"Content-Type": "application/xml"}, f'<?xml version="1.0"?>{fault}'.encode()
        content = (folder / request.path.split("?")[0].strip("/")).read_bytes()
        headers = {"Accept-Ranges": "bytes"}
        if not (part := request.headers.get("Range")):
            return 200, headers, content
        first, last = part.removeprefix("bytes=").split("-")
        end = min(int(last), len(content) - 1) if last else len(content) - 1
        headers["Content-Range"] = f"bytes {first}-{end}/{len(content)}"
        return 206, headers, content[int(first) : end + 1]

    return answer


@pytest.fixture
def without_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for key in (*KEYS, "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def settings_of(host: str, bbox: list[float]) -> dict[str, Any]:
    settings = {"provider": "local", "providers": cdse(host), "bbox": bbox, "epsg": EPSG, "workers": 2}
    return {**settings, "years": [2024], "bands": ["red", "scl"], "patience_s": 30, "max_quarantined": 0}


def test_jpeg_2000_from_an_object_store(
    product: Any, search: Any, download: Any, tmp_path: Path, without_keys: pytest.MonkeyPatch
) -> None:
    """Requests are signed with the keys of the environment, and the window has the numbers of the file."""
    folder, item, bbox, numbers = product
    for key, value in KEYS.items():
        without_keys.setenv(key, value)
    seen: list[Any] = []
    with served(store(folder, seen)) as host:
        out = tmp_path / "scenes" / "manifest.json"
        manifest = download([item], "here", "sentinel-2", 2024, out, settings_of(host, bbox))
    assert {path.split("?")[0] for _, path, _ in seen} >= {"/eodata/B04_10m.jp2", "/eodata/SCL_20m.jp2"}
    assert all(signature.startswith("AWS4-HMAC-SHA256 Credential=somebody/") for *_, signature in seen)
    (scene,) = manifest["scenes"]
    for band, asset, size in (("red", "B04_10m", 10), ("scl", "SCL_20m", 20)):
        with rasterio.open(out.parent / scene["bands"][band]["path"]) as clip:
            column, row = (
                round(number) for number in ~from_origin(LEFT, TOP, size, size) @ clip.transform @ (0, 0)
            )
            whole = numbers[asset][row : row + clip.height, column : column + clip.width]
            np.testing.assert_array_equal(clip.read(1), whole)
            assert (clip.nodata, clip.dtypes[0]) == (0, str(whole.dtype))
    assert (scene["bands"]["red"]["scale"], scene["bands"]["red"]["offset"]) == (0.0001, -0.1)


@pytest.mark.parametrize("keys", [{}, {**KEYS, "AWS_ACCESS_KEY_ID": "nobody"}])
def test_keys_that_are_missing_or_wrong(
    product: Any, download: Any, tmp_path: Path, without_keys: pytest.MonkeyPatch, keys: dict[str, str]
) -> None:
    """Said at once and in one line, with the names of the variables; waiting would not mend it."""
    folder, item, bbox, _ = product
    for key, value in keys.items():
        without_keys.setenv(key, value)
    with served(store(folder, [])) as host, pytest.raises(RevisitError) as raised:
        settings = {**settings_of(host, bbox), "patience_s": 600}
        download([item], "here", "sentinel-2", 2024, tmp_path / "scenes" / "manifest.json", settings)
    told = str(raised.value)
    assert "s3://eodata/" in told and "\n" not in told
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment" in told


def test_level_1c(shared: Path) -> None:
    """Reflectance at the top of the atmosphere with the offset of its baseline."""
    (item, *_) = json.loads((shared / "real/stac/items/cdse__sentinel-2-l2a.json").read_text())["features"]
    item = copy.deepcopy(item) | {"id": item["id"].replace("MSIL2A", "MSIL1C")}
    bare = {"href": "s3://eodata/B04.jp2", "type": "image/jp2"}
    origin = source("cdse-l1c", "sentinel-2")
    for baseline, offset in (("05.11", -0.1), ("02.09", 0.0)):
        item["properties"]["processing:version"] = baseline
        record = adapter.scene({**item, "assets": {"B04": bare}}, origin, ["red"])["bands"]["red"]
        assert (record["scale"], record["offset"]) == (0.0001, offset)
    assert (origin.collection, origin.quantity) == ("sentinel-2-l1c", "top-of-atmosphere reflectance")
