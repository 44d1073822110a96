"""Searches of a catalogue that is busy, down or shared: borne with for a while, then told in one line."""

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from revisit.errors import RevisitError
from revisit.stac.api.misbehaviour import Fault
from revisit.stac.api.server import serve
from revisit.stac.slots import slot


def remote(archive: Any, url: str, **more: Any) -> dict[str, Any]:
    own = {"remote": {"inherits": "embedded", "url": url}}
    return {**archive.settings, "provider": "remote", "providers": own, "patience_s": 20, **more}


@contextmanager
def faulty(archive: Any, *faults: Fault, **more: Any) -> Iterator[dict[str, Any]]:
    """Settings of a search at a server with faults."""
    with serve([archive.folder], faults=faults) as url:
        yield remote(archive, url, **more)


def test_busy_catalogues_are_asked_again(search, archive) -> None:
    """The search then answers as if nothing had been: statuses, answers cut short, the landing page too."""
    kinds = [("search", "429", 2), ("search", "500", 1), ("search", "dropped", 2), ("^/$", "503", 1)]
    with faulty(archive, *(Fault(pattern, kind, times=times) for pattern, kind, times in kinds)) as settings:
        found = search("north", "sentinel-2", settings)
    assert len(found) == 6
    assert found[0]["assets"]["red"]["href"].startswith("served:///")


@pytest.mark.parametrize("kind", ["429", "503"])
def test_the_wait_a_catalogue_asks_for_is_kept(search, archive, kind: Any) -> None:
    """Retry-After goes before our own, shorter pauses."""
    began = time.monotonic()
    with faulty(archive, Fault("search", kind, times=1, retry_after="1")) as settings:
        assert len(search("north", "sentinel-2", settings)) == 6
    assert 1 <= time.monotonic() - began < 4


def test_an_outage_is_told_in_one_line(search, archive) -> None:
    """Address, how long, why, and that another day may be better."""
    settings = remote(archive, "http://127.0.0.1:9/stac", patience_s=0.5)
    with pytest.raises(RevisitError, match=r"127\.0\.0\.1:9/stac .* for \d s: .*refused; .*run again later"):
        search("north", "sentinel-2", settings)
    with (
        faulty(archive, Fault(".", "500"), patience_s=0.5) as settings,
        pytest.raises(RevisitError, match=r"HTTP 500 Internal Server Error; .*run again later"),
    ):
        search("north", "sentinel-2", settings)
    with (
        faulty(archive, Fault("search", "429", retry_after="3600")) as settings,
        pytest.raises(RevisitError, match=r"HTTP 429 .* asks to wait 3600 s; .*run again later"),
    ):
        search("north", "sentinel-2", settings)


def test_what_is_no_catalogue_is_told_at_once(search, archive) -> None:
    """A wrong address that answers will not mend."""
    began = time.monotonic()
    with faulty(archive) as settings:
        url = settings["providers"]["remote"]["url"]
        for address in (f"{url}/api.html", f"{url}/nothing"):
            with pytest.raises(RevisitError, match=r"did not answer .*; check the address$"):
                search("north", "sentinel-2", remote(archive, address))
    assert time.monotonic() - began < 5


def test_searches_keep_within_the_requests(search, archive, tmp_path: Path) -> None:
    """While other jobs hold every slot, a search waits; and it holds none while it pauses."""
    shared = {"requests": 1, "slots": str(tmp_path)}
    fault = Fault("search", "503", times=1, retry_after="1")
    with faulty(archive, fault, **shared) as settings:
        found: list[Any] = []
        job = threading.Thread(target=lambda: found.extend(search("north", "sentinel-2", settings)))
        folder = tmp_path / urlsplit(settings["providers"]["remote"]["url"]).netloc.replace(":", "_")
        with slot(folder, 1):
            job.start()
            time.sleep(0.5)
            assert fault.times == 1  # not asked yet
        time.sleep(0.9)  # in the pause that the server asked for
        assert fault.times == 0
        with (folder / "0.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        job.join(timeout=10)
    assert len(found) == 6
