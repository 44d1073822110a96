"""The embedded STAC API, over HTTP, as clients use it."""

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pystac
import pytest
import requests
from pystac_client import Client

from revisit.errors import RevisitError
from revisit.stac.api.folders import Catalogue
from revisit.stac.api.misbehaviour import Fault
from revisit.stac.api.server import serve


@pytest.fixture
def url(archive):
    with serve([archive.folder]) as address:
        yield address


def test_starts_and_stops_quickly(archive) -> None:
    """Every job starts one: it must be up in half a second, and gone afterwards."""
    start = time.perf_counter()
    with serve([archive.folder]) as address:
        assert requests.get(address, timeout=5).status_code == 200
        assert time.perf_counter() - start < 0.5
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=5)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("limit", [1, 3, 4, 11, 100])
def test_pages_hold_every_item_once(url: str, method: str, limit: int) -> None:
    """Next links work in both ways of asking, whatever the page size, and keep the conditions."""
    search = Client.open(url).search(
        method=method, limit=limit, bbox=[0, 0, 90, 90], datetime="2019-01-01/2020-12-31"
    )
    names = [entry.id for entry in search.items()]
    assert len(names) == len(set(names)) == 11
    assert search.matched() == 11
    conditions = {"collections": ["sentinel-2-l2a"], "query": {"eo:cloud_cover": {"gte": 30}}}
    again = Client.open(url).search(method=method, limit=limit, **conditions)
    assert sum(1 for _ in again.items()) == 4


def test_numbers_matched_and_returned(url: str) -> None:
    """The two counts differ on a page that is not the last."""
    page = requests.get(f"{url}/search?limit=4", timeout=5).json()
    assert (page["numberMatched"], page["numberReturned"], len(page["features"])) == (11, 4, 4)
    last = requests.get(f"{url}/search?limit=4&token=8", timeout=5).json()
    assert not [link for link in last["links"] if link["rel"] == "next"]


def test_search_conditions(url: str) -> None:
    """What pystac-client can ask: collections, ids, geometry, time, query, CQL2, sorting and fields."""
    client = Client.open(url)

    def names(**conditions) -> list[str]:
        return [entry["id"] for entry in client.search(**conditions).items_as_dicts()]

    s2 = {"collections": ["sentinel-2-l2a"]}
    assert len(names(**s2)) == 6
    assert names(ids=["S1A_20190401", "absent"]) == ["S1A_20190401"]
    assert names(bbox=[0, 0, 1, 1]) == []
    assert len(names(intersects={"type": "Point", "coordinates": [5.06, 51.218]}, **s2)) == 6
    assert names(datetime="2020-07-01T00:00:00Z/..", **s2) == ["S2A_31UFS_20200905"]
    assert "map_2020" in names(datetime="2020-05-01T00:00:00Z/2020-05-02T00:00:00Z")
    assert len(names(query={"eo:cloud_cover": {"lt": 40}}, **s2)) == 3
    assert len(names(query=["eo:cloud_cover<40"], **s2)) == 3
    assert len(names(filter="eo:cloud_cover < 40 AND platform = 'sentinel-2a'", **s2)) == 3
    json_filter = {"op": "<", "args": [{"property": "eo:cloud_cover"}, 40]}
    assert len(names(filter=json_filter, filter_lang="cql2-json", **s2)) == 3
    assert names(sortby="-properties.datetime", **s2)[0] == "S2A_31UFS_20200905"
    assert names(sortby=[{"field": "eo:cloud_cover", "direction": "desc"}], **s2)[0] == "S2A_31UFS_20200905"
    two = [{"field": "collection", "direction": "asc"}, {"field": "datetime", "direction": "desc"}]
    assert names(sortby=two)[:3] == ["map_2020", "S1A_20201001", "S1A_20200401"]
    slim = next(client.search(fields=["id", "properties.platform"], **s2).items_as_dicts())
    assert set(slim) == {"id", "properties"}
    assert slim["properties"] == {"platform": "sentinel-2a"}


def test_documents_are_valid_stac(url: str) -> None:
    """Landing page, collections and items pass the core schemas, and their links lead where they say."""
    client = Client.open(url)
    client.validate()
    for collection in client.get_collections():
        collection.validate()
        found = list(collection.get_items())
        assert found
        for entry in found:
            entry.validate()
            assert requests.get(entry.get_self_href(), timeout=5).json()["id"] == entry.id
    assert isinstance(pystac.read_file(f"{url}/collections/esa-worldcover/items/map_2020"), pystac.Item)
    landing = requests.get(url, timeout=5).json()
    for link in landing["links"]:
        answer = requests.get(link["href"], timeout=5)
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] == link["type"].split(";")[0]


def test_queryables_name_the_properties(url: str) -> None:
    """A client can ask what it may filter by, for all or for one collection."""
    everything = requests.get(f"{url}/queryables", timeout=5).json()["properties"]
    assert everything["eo:cloud_cover"] == {"type": "number"}
    radar = requests.get(f"{url}/collections/sentinel-1-rtc/queryables", timeout=5).json()["properties"]
    assert "sat:orbit_state" in radar
    assert "eo:cloud_cover" not in radar


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/collections/none", 404),
        ("/collections/none/items", 404),
        ("/collections/sentinel-2-l2a/items/none", 404),
        ("/search?limit=-1", 400),
        ("/search?bbox=1,2,3", 400),
        ("/search?filter=eo:cloud_cover%20%3C", 400),
        ("/nowhere", 404),
    ],
)
def test_faulty_requests_are_answered_in_json(url: str, path: str, status: int) -> None:
    """A client learns what was wrong instead of getting everything or a traceback."""
    answer = requests.get(url + path, timeout=5)
    assert answer.status_code == status
    assert answer.json()["description"]


def test_posted_nonsense_is_refused(url: str) -> None:
    """A body that is no JSON object gets 400."""
    for body in ("{", "[]"):
        assert requests.post(f"{url}/search", data=body, timeout=5).status_code == 400


def test_assets_by_range(url: str, archive) -> None:
    """GDAL reads windows: a range must be answered with exactly those bytes."""
    entry = next(Client.open(url).search(ids=["S2A_31UFS_20190305"]).items_as_dicts())
    href = entry["assets"]["red"]["href"]
    content = (archive.folder / "sentinel-2-l2a/S2A_31UFS_20190305/red.tif").read_bytes()
    part = requests.get(href, headers={"Range": "bytes=10-29"}, timeout=5)
    assert part.status_code == 206
    assert part.content == content[10:30]
    assert part.headers["content-range"] == f"bytes 10-29/{len(content)}"
    head = requests.head(href, timeout=5)
    assert int(head.headers["content-length"]) == len(content)
    assert head.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    "path",
    [
        *("/assets/0/../secret.txt", "/assets/0/%2e%2e/secret.txt", "/assets/0/..%2fsecret.txt"),
        *("/assets/0/link.txt", "/assets/0//etc/hostname", "/assets/7/items.json", "/assets/0/a%00b"),
    ],
)
def test_nothing_outside_the_folder_is_served(url: str, archive, path: str) -> None:
    """No dots, encodings, absolute paths or links lead out of the folder."""
    secret = archive.folder.parent / "secret.txt"
    secret.write_text("secret")
    if not (archive.folder / "link.txt").exists():
        (archive.folder / "link.txt").symlink_to(secret)
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request("GET", path)
    assert connection.getresponse().status == 404


def test_several_folders_share_their_collections(archive, tmp_path: Path) -> None:
    """Regions served together: items of all, one collection with the extent of both."""
    other = tmp_path / "other"
    other.mkdir()
    collections = json.loads((archive.folder / "collections.json").read_text())
    collections[0]["extent"]["spatial"]["bbox"] = [[10, 40, 11, 41]]
    collections[0]["extent"]["temporal"]["interval"] = [["2015-01-01T00:00:00Z", None]]
    (other / "collections.json").write_text(json.dumps(collections))
    moved = [{**entry, "id": f"other-{entry['id']}"} for entry in archive.items()[:2]]
    (other / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": moved}))
    catalogue = Catalogue([archive.folder, other])
    assert len(catalogue.items) == 13
    extent = catalogue.collections["sentinel-2-l2a"]["extent"]
    assert extent["spatial"]["bbox"][0][1:3] == [40, 11]
    assert extent["temporal"]["interval"] == [["2015-01-01T00:00:00Z", None]]
    with pytest.raises(RevisitError, match="there twice"):
        Catalogue([archive.folder, archive.folder])
    with pytest.raises(RevisitError, match="neither a study"):
        Catalogue([tmp_path])


def test_a_proxy_of_the_surroundings_is_passed_by(archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters set http_proxy; it cannot reach this machine's own loopback."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serve([archive.folder]) as address:
        assert requests.get(address, timeout=5).status_code == 200


def test_faults_count_down(archive) -> None:
    """A fault hits the paths of its pattern as often as asked, then the server is well again."""
    faults = [
        Fault("red", "429", times=2),
        Fault("blue", "truncated"),
        Fault("search", "403-expired", times=1),
    ]
    with serve([archive.folder], faults=faults) as address:
        red, blue = (
            f"{address}/assets/0/sentinel-2-l2a/S2A_31UFS_20190305/{band}.tif" for band in ("red", "blue")
        )
        assert [requests.get(red, timeout=5).status_code for _ in range(3)] == [429, 429, 200]
        whole = (archive.folder / "sentinel-2-l2a/S2A_31UFS_20190305/blue.tif").read_bytes()
        assert requests.get(blue, timeout=5).content == whole[: len(whole) // 2]
        assert requests.get(f"{address}/search", timeout=5).status_code == 403
        assert requests.get(f"{address}/search", timeout=5).status_code == 200


def test_the_command_line_serves(archive) -> None:
    """`revisit serve` prints its address and answers there."""
    with serve([archive.folder]) as taken:
        port = taken.rpartition(":")[2]
        command = [sys.executable, "-m", "revisit.cli", "serve", str(archive.folder), "--port", port]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert f"port {port} is not free" in result.stderr
    process = subprocess.Popen([*command[:-1], "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = next(word for word in line.split() if word.startswith("http")).rstrip(";")
        assert requests.get(address, timeout=5).json()["type"] == "Catalog"
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_the_real_archive(shared: Path) -> None:
    """The real series over Belgium is found by cloud cover, by query and by CQL2 alike."""
    with serve([shared / "real" / "archive"]) as address:
        client = Client.open(address)
        assert client.search().matched() == 22
        clear = client.search(collections=["sentinel-2-l2a"], query={"eo:cloud_cover": {"lt": 50}})
        same = client.search(collections=["sentinel-2-l2a"], filter="eo:cloud_cover < 50")
        assert [entry.id for entry in clear.items()] == [entry.id for entry in same.items()]
        assert clear.matched() == 2


@pytest.mark.slow
def test_stac_api_validator(archive) -> None:
    """The public validator finds nothing that it can judge without the network and without its own slips.

    It fetches JSON schemas from the network; where that fails, pystac's copies stand in
    (test_documents_are_valid_stac). It contradicts itself on nested includes (fewer and more than five
    fields at once), and compares `in` with text instead of a list.
    """
    classes = ["core", "collections", "features", "item-search", "filter"]
    classes += ["item-search#sort", "item-search#fields", "item-search#query"]
    comparisons = {"eq": "20", "neq": "20", "lt": "40", "lte": "35", "gt": "10", "gte": "20"}
    substrings = {"starts-with": "sent", "ends-with": "2a", "contains": "nel"}
    geometry = {"type": "Polygon", "coordinates": [[[5, 51], [6, 51], [6, 52], [5, 52], [5, 51]]]}
    with serve([archive.folder]) as address:
        command = [str(Path(sys.executable).with_name("stac-api-validator")), "--root-url", f"{address}/"]
        command += ["--collection", "sentinel-2-l2a", "--geometry", json.dumps(geometry)]
        command += [word for name in classes for word in ("--conformance", name)]
        command += ["--fields-nested-property", "properties.eo:cloud_cover"]
        command += ["--query-comparison-field", "eo:cloud_cover", "--query-substring-field", "platform"]
        command += [
            w for key, value in (comparisons | substrings).items() for w in (f"--query-{key}-value", value)
        ]
        command += ["--query-in-field", "platform", "--query-in-values", "sentinel-2a,sentinel-2b"]
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "NO_PROXY": "*"},
        )
    assert "Errors:" in result.stdout, result.stderr[-2000:]
    errors = [line for line in result.stdout.partition("Errors:")[2].splitlines() if line.startswith("- ")]
    network = ("schemas.stacspec.org", "stac-extensions.github.io", "Failed to resolve", "ProxyError")
    slips = ("'include': ['properties.eo:cloud_cover']}} response contained fewer than 5", '{"in": [')
    assert [line for line in errors if not any(word in line for word in (*network, *slips))] == []
