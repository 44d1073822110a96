"""Downloads of a failing provider: what may pass is lived through, what lasts is quarantined."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from revisit.archive.faults import Fault as Spoilt
from revisit.archive.faults import spoil
from revisit.errors import RevisitError
from revisit.files import sha256
from revisit.stac import download as stage_download
from revisit.stac.api.misbehaviour import Fault
from revisit.stac.api.server import serve
from revisit.stac.providers import Source


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path) for path in files}


@pytest.fixture
def remote(archive, search, download, tmp_path: Path) -> Callable[..., Any]:
    """Download the archive's 2020 from a server at an address, into a folder."""
    items = search("north", "sentinel-2", archive.settings, archive.folder)

    def run(url: str, name: str, **more: Any) -> Any:
        own = {"remote": {"inherits": "embedded", "url": url}}
        settings = {**archive.settings, "provider": "remote", "providers": own, "patience_s": 0.5, **more}
        out = tmp_path / name / "manifest.json"
        return download(items, "north", "sentinel-2", 2020, out, settings)

    return run


def test_a_server_stopped_midway_costs_time_and_no_scene(
    archive, remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job fails with what it has kept and no manifest; the next run ends in the same files to the bit."""
    with serve([archive.folder]) as url:
        whole = remote(url, "undisturbed")
    read, fetched = stage_download.fetch, []
    server = ExitStack()
    url = server.enter_context(serve([archive.folder], port=int(url.rpartition(":")[2])))

    def stops_after_four(*given: Any) -> Any:
        found = read(*given)
        fetched.append(given[2])
        if len(fetched) == 3:
            time.sleep(2)  # under way when the job gives up
        elif len(fetched) == 4:
            server.close()
        return found

    monkeypatch.setattr(stage_download, "fetch", stops_after_four)
    folder = tmp_path / "disturbed"
    with pytest.raises(RevisitError) as caught:
        remote(url, "disturbed", workers=2)
    line = str(caught.value)
    kept = len(fetched)
    assert 4 <= kept < 9
    assert line.startswith("download: sentinel-2 of north, 2020: nothing came for ")
    for word in (url.removeprefix("http://"), "refused", f"{kept} of 9 clips are kept", "run again later"):
        assert word in line
    assert "\n" not in line
    assert not (folder / "manifest.json").exists()
    assert len(list(folder.rglob("*.tif"))) == kept
    with serve([archive.folder], port=int(url.rpartition(":")[2])) as url:
        assert remote(url, "disturbed") == whole
    assert len(fetched) == 9
    assert digests(folder) == digests(tmp_path / "undisturbed")


def test_a_manifest_of_before_does_not_outlive_a_failure(archive, remote, tmp_path: Path) -> None:
    """A job repeated by hand, half of whose clips are gone, must not leave its old word standing."""
    with serve([archive.folder]) as url:
        remote(url, "out")
    for path in (tmp_path / "out").rglob("red.tif"):
        path.unlink()
    with pytest.raises(RevisitError, match="6 of 9 clips are kept"):
        remote(url, "out")
    assert not (tmp_path / "out/manifest.json").exists()


def test_a_provider_that_is_down_is_waited_for_once(remote) -> None:
    """Not once per asset: nine assets and one worker end after one patience."""
    began = time.monotonic()
    with pytest.raises(RevisitError, match="nothing came for"):
        remote("http://127.0.0.1:9", "out", workers=1, patience_s=1)
    assert time.monotonic() - began < 4


def test_an_interruption_is_not_kept_waiting(remote, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads in a long pause, and the assets still to come, end with the job: here by a full disk."""
    read = stage_download.fetch
    busy = threading.Event()

    def full(*given: Any) -> Any:
        if "20200605" not in str(given[2]):
            return read(*given)
        busy.wait(5)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage_download, "fetch", full)
    monkeypatch.setattr("revisit.stac.patience.FIRST_PAUSE_S", 1000)
    monkeypatch.setattr("revisit.stac.patience.LONGEST_PAUSE_S", 1000)
    began = time.monotonic()
    threading.Timer(1, busy.set).start()
    with pytest.raises(RevisitError, match="No space left"):
        remote("http://127.0.0.1:9", "out", workers=9, patience_s=10_000)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("kind", ["408", "429", "500", "503", "dropped", "403-expired"])
def test_passing_faults_are_lived_through(fetch, kind: Any) -> None:
    """A store that is busy for a while, or hangs up, costs time, not scenes."""
    faults = [Fault("20200605/red", kind, times=7)]
    manifest = fetch(faults=faults)
    assert len(manifest["scenes"]) == 3
    assert manifest["quarantine"] == []
    assert faults[0].times == 0


@pytest.mark.parametrize("kind", ["408", "429", "500", "503", "dropped", "403-expired"])
def test_what_might_pass_is_never_a_quarantine(fetch, kind: Any) -> None:
    """However long it lasts: the job fails, and names the asset and the way out."""
    with pytest.raises(RevisitError, match=r"'red' of S2A_31UFS_20200605 at 127.*search\.sentinel-2\.skip"):
        fetch(faults=[Fault("20200605/red", kind)], patience_s=0.3)
    assert not (fetch.folder / "manifest.json").exists()
    assert len(list(fetch.folder.rglob("*.tif"))) == 8  # the others all came


def test_the_wait_a_store_asks_for_is_kept(fetch) -> None:
    """Retry-After goes before our own, shorter pauses; one longer than patience ends the job at once."""
    began = time.monotonic()
    assert len(fetch(faults=[Fault("20200605/red", "429", times=3, retry_after="1")])["scenes"]) == 3
    assert 1 <= time.monotonic() - began < 5
    began = time.monotonic()
    with pytest.raises(RevisitError, match="asks to wait 3600 s"):
        fetch(faults=[Fault("20200605/nir", "503", retry_after="3600")], bands=["nir"])
    assert time.monotonic() - began < 5


def test_a_slow_store_is_waited_for(fetch) -> None:
    """An answer that takes its time is no fault."""
    assert len(fetch(faults=[Fault("20200605/red", "slow", times=1, delay=0.3)])["scenes"]) == 3


@pytest.mark.parametrize(("fault", "cause"), [("truncated", "red.tif"), ("410", "410")])
def test_what_lasts_is_quarantined(fetch, caplog: pytest.LogCaptureFixture, fault: Any, cause: str) -> None:
    """The scene goes whole, named with its asset and the cause; the others stay."""
    manifest = fetch(faults=[Fault("20200605/red", fault)])
    assert [scene["id"][10:] for scene in manifest["scenes"]] == ["20200305", "20200905"]
    (entry,) = manifest["quarantine"]
    assert (entry["item"], entry["asset"]) == ("S2A_31UFS_20200605", "red")
    assert cause in entry["cause"]
    assert "quarantined: S2A_31UFS_20200605, asset 'red'" in caplog.text
    assert "127.0.0.1" not in json.dumps(manifest)
    assert len(json.loads((fetch.folder / "items.json").read_text())["features"]) == 2


@pytest.mark.parametrize("kind", ["truncated", "corrupt", "not-a-raster", "missing-file"])
def test_what_is_spoilt_in_the_archive_is_quarantined(fetch, archive, kind: Any) -> None:
    """Files as real archives have them spoilt; nothing of the attempt is left behind."""
    spoil(archive.folder, [Spoilt(kind=kind, item="S2A_31UFS_20200605", asset="red")])
    manifest = fetch(patience_s=0)
    assert [entry["item"] for entry in manifest["quarantine"]] == ["S2A_31UFS_20200605"]
    assert len(manifest["scenes"]) == 2
    assert not list(fetch.folder.rglob(".*"))


def test_too_large_a_quarantine_fails(fetch, archive) -> None:
    """A third of a year is more than a fifth: causes and both ways out in one line, and what came is kept."""
    (archive.folder / "sentinel-2-l2a/S2A_31UFS_20200605/red.tif").unlink()
    with pytest.raises(RevisitError) as caught:
        fetch(max_quarantined=0.2)
    line = str(caught.value)
    for word in ("1 of 3 scenes", "S2A_31UFS_20200605 (", "404", "search.sentinel-2.skip", "(0.2)"):
        assert word in line
    assert not (fetch.folder / "manifest.json").exists()
    assert len(list(fetch.folder.rglob("*.tif"))) == 8
    manifest = fetch(max_quarantined=0.34)
    assert (len(manifest["scenes"]), len(manifest["quarantine"])) == (2, 1)


def test_what_is_quarantined_is_fetched_by_a_later_run(fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rerun tries the quarantined asset again, and only that one."""
    fetch(faults=[Fault("20200605/red", "410")])
    fetched: list[Path] = []
    read = stage_download.fetch
    monkeypatch.setattr(stage_download, "fetch", lambda *given: fetched.append(given[2]) or read(*given))
    manifest = fetch(faults=[Fault("no such path", "500")])
    assert (len(manifest["scenes"]), manifest["quarantine"]) == (3, [])
    assert [path.parent.name for path in fetched] == ["S2A_31UFS_20200605"]


def test_signatures_are_renewed(
    fetch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each try asks for its signature, and one that has expired is not used for the next; none is told."""
    signed: list[str] = []
    monkeypatch.setattr(
        Source, "signed", lambda self, href: signed.append(href) or f"{href}?sig={len(signed)}"
    )
    # GDAL asks twice to open a file, then we ask why it could not.
    manifest = fetch(faults=[Fault("20200605/red", "403-expired", times=3)], workers=1)
    assert len(manifest["scenes"]) == 3
    assert len(signed) == 9 + 1
    with pytest.raises(RevisitError) as caught:
        fetch(faults=[Fault("20200605/nir", "403-expired")], bands=["red", "nir"], patience_s=0.5)
    gone = fetch(faults=[Fault("20200605/green", "truncated")], bands=["red", "green"])
    assert len(gone["quarantine"]) == 1
    assert "sig" not in f"{json.dumps([manifest, gone])} {caught.value} {caplog.text}"
