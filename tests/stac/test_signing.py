"""Protects signed addresses: the true signer, a token service, a store that refuses what is out of date."""

import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from planetary_computer.sas import Settings

from revisit.errors import RevisitError
from revisit.job import Job
from revisit.stac import signing
from revisit.stac.api.misbehaviour import Fault
from revisit.stac.api.server import serve
from revisit.stac.local import SERVED
from revisit.stac.signing import LEAST_LEFT_S

STORE = "http://account.blob.core.windows.net/container/"
SOON_S = LEAST_LEFT_S + 1  # a token is taken for good a second longer


class Store(ThreadingHTTPServer):
    """Gives tokens, and is the proxy by which the store of the files is reached, which lie at ``files``.

    Some requests after the first token was given, it is refused for ever.
    """

    def __init__(self, files: str) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files, self.left = files, 8
        self.given: list[str] = []
        self.refused: list[str] = []


class Answers(BaseHTTPRequestHandler):
    """What the store answers."""

    server: Store

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if not address.netloc:  # not by proxy: a token is asked for
            self._give("old" if self.server.left > 0 else "new")
        elif address.query == "sig=new" or self.server.left > 0:
            self.server.left -= 1
            place = address.path.removeprefix(urlsplit(STORE).path)
            self._answer(302, Location=f"{self.server.files}/assets/0/{place}")
        else:
            self.server.refused.append(address.query)
            self._answer(403)

    do_HEAD = do_GET  # noqa: N815

    def _give(self, token: str) -> None:
        self.server.given.append(token)
        left = timedelta(seconds=SOON_S) if token == "old" else timedelta(hours=1)
        said = {"msft:expiry": (datetime.now(UTC) + left).isoformat(), "token": f"sig={token}"}
        self._answer(200, json.dumps(said).encode())

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said: Any) -> None:
        """Say nothing."""


def test_a_token_that_expires_midway_is_had_anew(archive, search, tmp_path: Path) -> None:
    """No scene is lost, and neither token is told.

    The job has a process of its own, which is told of service and store by its environment alone.
    """
    items = search("north", "sentinel-2", archive.settings, archive.folder)
    (tmp_path / "items.json").write_text(json.dumps({"features": items}).replace(SERVED, STORE))
    manifest = tmp_path / "scenes/manifest.json"
    with serve([archive.folder]) as url, Store(url) as store:
        threading.Thread(target=store.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{store.server_port}"
        own = {"remote": {"inherits": "embedded", "url": url, "sign": "planetary-computer"}}
        job = Job(
            "revisit.stac.download",
            names={"region": "north", "sensor": "sentinel-2", "year": "2020"},
            input={"found": str(tmp_path / "items.json")},
            output={"manifest": str(manifest)},
            settings={
                **{"provider": "remote", "providers": own, "bbox": archive.bbox},
                **{"bands": ["blue", "red", "scl"], "patience_s": 20, "workers": 2},
            },
        )
        job.write(tmp_path / "job.json")
        done = subprocess.run(
            [sys.executable, "-m", "revisit.cli", "run", str(tmp_path / "job.json")],
            env={**os.environ, "PC_SDK_SAS_URL": f"{address}/token", "http_proxy": address},
            capture_output=True,
            text=True,
        )
        store.shutdown()
    assert done.returncode == 0, done.stderr
    found = json.loads(manifest.read_text())
    assert (len(found["scenes"]), found["quarantine"]) == (3, [])
    assert store.given[0] == "old" and store.given[-1] == "new"
    assert set(store.refused) == {"sig=old"}
    assert "sig=" not in manifest.read_text() + done.stdout + done.stderr


@pytest.mark.parametrize(("kind", "told"), [("silent", "timed out"), ("503", "HTTP 503")])
def test_a_service_that_gives_no_token_ends_the_job(
    archive, search, download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, told: str
) -> None:
    """One that takes the question and never answers would hold the job, and its slot, for ever."""
    monkeypatch.setattr(signing, "TIMEOUTS_S", (0.2, 0.2))
    found = search("north", "sentinel-2", archive.settings, archive.folder)
    items = json.loads(json.dumps(found).replace(SERVED, STORE))
    began = time.monotonic()
    with serve([archive.folder], faults=[Fault("token", kind)]) as url:
        monkeypatch.setattr(Settings.get(), "sas_url", f"{url}/token")
        own = {"remote": {"inherits": "embedded", "url": url, "sign": "planetary-computer"}}
        settings = {**archive.settings, "provider": "remote", "providers": own, "patience_s": 0.1}
        with pytest.raises(RevisitError, match=f"nothing came for .*no signature: .*{told}"):
            download(items, "north", "sentinel-2", 2020, tmp_path / "manifest.json", settings)
    assert time.monotonic() - began < 20


def test_what_is_no_token_may_pass(archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of a proxy instead, say."""
    with serve([archive.folder]) as url:
        monkeypatch.setattr(Settings.get(), "sas_url", f"{url}/assets/0/items.json?")
        with pytest.raises(signing.PassingError, match=r"no signature: .* answered with no token"):
            signing.signed(f"{STORE}red.tif")
