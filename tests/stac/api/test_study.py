"""The results of a study as a STAC API: every product an Item, every href open to other software."""

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree, which
from typing import Any

import pystac
import pytest
import requests
import xarray as xr
from pystac_client import Client

from revisit.stac.api.catalogue import catalogue
from revisit.stac.api.folders import Catalogue
from revisit.stac.api.server import serve

REGIONS = ("north", "south")
ORIGIN = {"Origin": "https://radiantearth.github.io"}


def test_every_product_is_an_item_of_one_collection(results: Path) -> None:
    """Two regions share their scenes: ids are unique all the same. What has not been made is not missed.

    A cube and a variant of it have the same id, and collections of their own.
    """
    catalogue = Catalogue([results])
    counts = {
        name: sum(item["collection"] == name for item in catalogue.items) for name in catalogue.collections
    }
    assert counts == {
        "dem": 1,
        "dem-scenes": 1,
        "features": 1,
        "sentinel-2-raw": 2,
        "sentinel-2-scenes": 6,
        "unmasked-sentinel-2-raw": 1,
        "worldcover-labels": 2,
        "worldcover-scenes": 2,
    }
    assert len({(item["collection"], item["id"]) for item in catalogue.items}) == 16
    assert {item["properties"]["revisit:region"] for item in catalogue.items} == set(REGIONS)
    # Of a study under way: a cube being made has no Item yet, a product that is gone has no link.
    (results / "cubes/south/sentinel-2/raw.json").unlink()
    rmtree(results / "scenes/north/sentinel-2/2020/fetched")
    catalogue = Catalogue([results])
    (cube,) = (item for item in catalogue.items if item["collection"] == "sentinel-2-raw")
    assert cube["links"] == []


@pytest.mark.parametrize("placed", [True, False])
def test_features_alone_are_a_study_wherever_their_images_were(results: Path, placed: bool) -> None:
    """Of a set that was imported there is neither scene nor cube, and often no place."""
    for folder in ("cubes", "scenes", "variants"):
        rmtree(results / folder)
    if not placed:
        path = results / "features/pairs/method/s2/seed0/s2.json"
        item = json.loads(path.read_text())
        del item["bbox"]
        path.write_text(json.dumps({**item, "geometry": None}))
    with serve([results]) as url:
        client = Client.open(url)
        (collection,) = client.get_collections()
        assert (collection.extent.spatial.bboxes == [[-180, -90, 180, 90]]) is not placed
        assert [item.id for item in client.search(collections=["features"]).items()] == ["pairs-method"]
    catalogue(results / "collections.json", results / "items.json")
    assert len(pystac.ItemCollection.from_file(results / "items.json")) == 1


def test_clients_find_items_links_and_files(results: Path, archive: Any) -> None:
    """What pystac-client reads is valid, every link and file that it names is there, searches find it."""
    with serve([results]) as url:
        client = Client.open(url)
        for collection in client.get_collections():
            collection.validate()
            assert collection.item_assets
            assert collection.summaries.lists["revisit:region"]
            for entry in collection.get_items():
                again = pystac.Item.from_dict(json.loads(json.dumps(entry.to_dict())))
                assert again.to_dict() == entry.to_dict()
                again.stac_extensions = []  # their schemas are on the web alone
                again.validate()
                assert entry.get_collection().id == collection.id
                assert {"root", "self", "parent", "collection"} <= {link.rel for link in entry.links}
                for link in entry.links:
                    assert requests.get(link.href, timeout=5).status_code == 200, link
                for asset in entry.assets.values():
                    metadata = "/zarr.json" if asset.href.endswith(".zarr") else ""
                    assert requests.get(asset.href + metadata, timeout=5).status_code == 200, asset
        cube = client.get_collection("sentinel-2-raw").get_item("north-sentinel-2-raw")
        sources = [pystac.read_file(link.href) for link in cube.get_links("derived_from")]
        assert sorted(source.id for source in sources) == [
            f"north-S2A_31UFS_2020{day}" for day in ("0305", "0605", "0905")
        ]
        (features,) = client.get_collection("features").get_items()
        (link,) = features.get_links("derived_from")
        assert pystac.read_file(link.href).id == "north-sentinel-2-raw"
        # Cubes have a period, which a search in the midst of it finds.
        cubes = {"collections": ["sentinel-2-raw"]}
        assert client.search(**cubes, bbox=archive.bbox, datetime="2020-04-01").matched() == 2
        assert client.search(**cubes, datetime="2019").matched() == 0
        assert client.search(filter="\"revisit:variant\" = 'unmasked'").matched() == 1
        assert client.search(filter="\"revisit:region\" = 'south'", **cubes).matched() == 1


def test_a_cube_is_read_over_http(results: Path) -> None:
    """Its metadata name all arrays, since HTTP lists no folders; a chunk arrives byte by byte as it lies."""
    store = results / "cubes/north/sentinel-2/raw.zarr"
    with serve([results]) as url:
        cube = Client.open(url).get_collection("sentinel-2-raw").get_item("north-sentinel-2-raw")
        href = cube.assets["cube"].href
        metadata = requests.get(f"{href}/zarr.json", timeout=5)
        assert metadata.headers["content-type"] == "application/json"
        assert "reflectance" in metadata.json()["consolidated_metadata"]["metadata"]
        chunk = requests.get(f"{href}/reflectance/c/0/0/0/0", timeout=5)
        assert chunk.content == (store / "reflectance/c/0/0/0/0").read_bytes()
        assert chunk.headers["content-type"] == "application/octet-stream"


@pytest.mark.skipif(find_spec("aiohttp") is None, reason="reading over HTTP takes fsspec and aiohttp")
def test_xarray_opens_a_cube_by_its_address(results: Path) -> None:
    store = results / "cubes/north/sentinel-2/raw.zarr"
    with serve([results]) as url:
        cube = Client.open(url).get_collection("sentinel-2-raw").get_item("north-sentinel-2-raw")
        served = xr.open_zarr(cube.assets["cube"].href, chunks=None).load()
    xr.testing.assert_identical(served, xr.open_zarr(store, chunks=None).load())


def test_pages_of_any_origin_may_read(results: Path) -> None:
    """STAC Browser is a page from elsewhere: without these headers its requests are blocked."""
    with serve([results]) as url:
        for path in ("", "/collections", "/search", "/nowhere"):
            answer = requests.get(url + path, headers=ORIGIN, timeout=5)
            assert answer.headers["access-control-allow-origin"] == "*"
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        before = requests.options(f"{url}/search", headers={**ORIGIN, **asked}, timeout=5)
        assert before.status_code == 200
        assert "POST" in before.headers["access-control-allow-methods"]
        assert "content-type" in before.headers["access-control-allow-headers"]
        chunk = f"{url}/assets/0/cubes/north/sentinel-2/raw.zarr/reflectance/c/0/0/0/0"
        part = requests.get(chunk, headers={**ORIGIN, "Range": "bytes=0-9"}, timeout=5)
        assert part.status_code == 206
        assert "Content-Range" in part.headers["access-control-expose-headers"]


PAGE = """<!doctype html><pre id="told"></pre><script>
(async () => {
  const told = [], root = "%s", body = JSON.stringify({collections: ["sentinel-2-raw"]});
  try {
    const headers = {"Content-Type": "application/json"};
    const found = await (await fetch(root + "/search", {method: "POST", headers, body})).json();
    const chunk = found.features[0].assets.cube.href + "/reflectance/c/0/0/0/0";
    const part = await fetch(chunk, {headers: {Range: "bytes=0-9"}});
    told.push(found.features.length, part.status, part.headers.get("Content-Range").split("/")[0]);
  } catch (error) { told.push(String(error)); }
  document.getElementById("told").textContent = "told: " + told.join(", ");
})();
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(which("chromium") is None, reason="takes the browser chromium")
def test_a_browser_lets_a_page_of_elsewhere_read(results: Path, tmp_path: Path) -> None:
    """The same as a real browser sees it: a search by POST, and a range of a chunk."""
    page = tmp_path / "page.html"
    with serve([results]) as url:
        page.write_text(PAGE % url)
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000"]
        command += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
        seen = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "told: 2, 206, bytes 0-9" in seen.stdout, seen.stderr[-2000:]
