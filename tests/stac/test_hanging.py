"""Servers that hang, move or stutter: they cost time, never a scene, and never the wrong file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from revisit.errors import RevisitError
from revisit.stac import clip, patient_api
from revisit.stac import fetch as module
from revisit.stac.api.misbehaviour import Fault
from revisit.stac.api.server import serve


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of silence is as good as half a minute."""
    monkeypatch.setattr(module, "TIMEOUTS_S", (1, 1))
    monkeypatch.setattr(patient_api, "TIMEOUT_S", 1)
    monkeypatch.setitem(clip.GDAL, "GDAL_HTTP_LOW_SPEED_TIME", "1")
    monkeypatch.setitem(clip.GDAL, "GDAL_HTTP_TIMEOUT", "1")
    monkeypatch.setitem(clip.GDAL, "GDAL_HTTP_MAX_RETRY", "0")


@contextmanager
def remote(archive: Any, *faults: Fault) -> Iterator[dict[str, Any]]:
    """Settings of a search at a server with faults."""
    with serve([archive.folder], faults=faults) as url:
        own = {"remote": {"inherits": "embedded", "url": url}}
        yield {**archive.settings, "provider": "remote", "providers": own, "patience_s": 20}


@pytest.mark.parametrize("kind", ["silent", "stalled"])
def test_a_store_that_hangs_for_a_while_costs_no_scene(fetch, kind: Any) -> None:
    """It never answers, or stops in the middle of a file: given up, and asked again."""
    fault = Fault("20200605/red", kind, times=3)
    manifest = fetch(faults=[fault])
    assert (len(manifest["scenes"]), manifest["quarantine"], fault.times) == (3, [], 0)


@pytest.mark.parametrize("kind", ["silent", "stalled"])
def test_a_store_that_hangs_for_good_ends_the_job(fetch, kind: Any) -> None:
    """In bounded time, by name, without a manifest; what else came is kept."""
    began = time.monotonic()
    with pytest.raises(RevisitError, match=r"nothing came for .*'red' of S2A_31UFS_20200605.*timed out"):
        fetch(faults=[Fault("20200605/red", kind)], patience_s=0.1)
    assert time.monotonic() - began < 25
    assert not (fetch.folder / "manifest.json").exists()
    assert len(list(fetch.folder.rglob("*.tif"))) == 8


@pytest.mark.parametrize("kind", ["silent", "stalled"])
def test_a_catalogue_that_hangs_is_asked_again(search, archive, kind: Any) -> None:
    """Its landing page and its answers; for good it is one line."""
    with remote(archive, Fault("^/$", kind, times=1), Fault("search", kind, times=1)) as settings:
        assert len(search("north", "sentinel-2", settings)) == 6
    with (
        remote(archive, Fault("search", kind)) as settings,
        pytest.raises(RevisitError, match=r"did not answer .* timed out.*run again later"),
    ):
        search("north", "sentinel-2", {**settings, "patience_s": 0.1})


def test_a_date_to_wait_for_is_waited_for(fetch) -> None:
    """Retry-After as a date (RFC 9110, 10.2.3), which counts in whole seconds."""
    until = datetime.now(UTC) + timedelta(seconds=2)
    began = time.monotonic()
    fault = Fault("20200605/red", "429", times=3, retry_after=format_datetime(until, usegmt=True))
    assert len(fetch(faults=[fault])["scenes"]) == 3
    assert time.monotonic() - began > 0.9


def test_bursts_of_failures_cost_no_scene(fetch, search, archive) -> None:
    """Every few requests the whole provider fails for a while, as when it is overloaded."""
    bursts = [Fault(".", "500", times=4, after=after) for after in (3, 6, 9)]
    manifest = fetch(faults=bursts)
    assert (len(manifest["scenes"]), manifest["quarantine"]) == (3, [])
    assert [burst.times for burst in bursts] == [0, 0, 0]
    with remote(archive, Fault(".", "503", times=3), Fault(".", "500", times=2, after=1)) as settings:
        assert len(search("north", "sentinel-2", settings)) == 6


@pytest.mark.parametrize("status", ["301", "302", "307", "308"])
def test_files_that_have_moved_are_followed(fetch, archive, status: Any) -> None:
    """To another server, and to the same clips."""
    plain = fetch()
    with serve([archive.folder]) as elsewhere:
        moved = fetch(faults=[Fault("20200605/", status, location=elsewhere)])
    digests = [[band["sha256"] for band in scene["bands"].values()] for scene in plain["scenes"]]
    assert [[band["sha256"] for band in scene["bands"].values()] for scene in moved["scenes"]] == digests


def test_no_file_of_this_machine_stands_in_for_one_that_has_moved(fetch, archive) -> None:
    """A redirect to file:// is not followed, wherever it leads."""
    here = Fault("20200605/red", "302", location=f"file://{archive.folder}/..")
    path = archive.folder.parent / "assets/0/sentinel-2-l2a/S2A_31UFS_20200605/red.tif"
    path.parent.mkdir(parents=True)
    path.write_bytes((archive.folder / "sentinel-2-l2a/S2A_31UFS_20200605/red.tif").read_bytes())
    with pytest.raises(RevisitError, match="'red' of S2A_31UFS_20200605"):
        fetch(faults=[here], patience_s=0.1)


@pytest.mark.parametrize("status", ["307", "308"])
def test_a_catalogue_that_has_moved_is_followed(search, archive, status: Any) -> None:
    """Landing page and searches; items come from where it is now."""
    with (
        serve([archive.folder]) as elsewhere,
        remote(archive, Fault(".", status, location=elsewhere)) as settings,
    ):
        assert len(search("north", "sentinel-2", settings)) == 6


@pytest.mark.parametrize("status", ["301", "302"])
def test_a_search_is_not_asked_anew_without_what_was_asked_for(search, archive, status: Any) -> None:
    """These redirects turn POST into a GET without bbox and years, whose answer is any items at all."""
    with (
        serve([archive.folder]) as elsewhere,
        remote(archive, Fault("search", status, location=elsewhere)) as settings,
        pytest.raises(RevisitError, match=rf"HTTP {status}.* to {elsewhere}/search; check the address"),
    ):
        search("north", "sentinel-2", settings)
    with (
        serve([archive.folder]) as elsewhere,
        remote(archive, Fault("^/$", status, location=elsewhere)) as settings,
    ):
        assert len(search("north", "sentinel-2", settings)) == 6


def test_a_cut_connection_is_no_short_file(fetch) -> None:
    """Half of every file, at first: the clips are those of whole files."""
    plain = fetch()
    for path in Path(fetch.folder).rglob("*.tif"):
        path.unlink()
    assert (
        fetch(faults=[Fault("20200605", "dropped", times=12)])["scenes"][1]["bands"]["red"]["sha256"]
        == (plain["scenes"][1]["bands"]["red"]["sha256"])
    )
