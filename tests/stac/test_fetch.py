"""One asset: whether a failure to read it is the file's fault, by what its server says."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from revisit.files import sha256
from revisit.stac import fetch as module
from revisit.stac.api.misbehaviour import Fault
from revisit.stac.api.server import serve
from revisit.stac.clip import Area, cut
from revisit.stac.failures import PassingError, UnreadableError
from revisit.stac.fetch import fetch

PATH = "assets/0/sentinel-2-l2a/S2A_31UFS_20200605/red.tif"
S3 = {"AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE", "AWS_NO_SIGN_REQUEST": "YES"}


def test_a_cause_that_has_passed_is_nobodys_fault(archive, tmp_path: Path) -> None:
    """GDAL meets a fault, the server is well when asked, and the second reading succeeds."""
    area = Area.around(archive.bbox)
    # GDAL's request to open the file.
    with serve([archive.folder], faults=[Fault("red", "403-expired", times=1)]) as url:
        assert fetch(f"{url}/{PATH}", area, tmp_path / "red.tif", 0, 0, {})["valid"]


def test_a_file_that_can_be_had_only_whole_is_read_from_a_copy(
    archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the same bits as in parts; of the copy nothing is left."""
    area = Area.around(archive.bbox)

    def no_parts(href: str, *given: Any) -> Any:
        if href.startswith("http"):
            raise UnreadableError("Read failed")
        return cut(href, *given)

    with serve([archive.folder]) as url:
        found = fetch(f"{url}/{PATH}", area, tmp_path / "parts/red.tif", 0, 0, {})
        monkeypatch.setattr(module, "cut", no_parts)
        assert fetch(f"{url}/{PATH}", area, tmp_path / "whole/red.tif", 0, 0, {}) == found
    assert sha256(tmp_path / "parts/red.tif") == sha256(tmp_path / "whole/red.tif")
    assert [path.name for path in (tmp_path / "whole").iterdir()] == ["red.tif"]


@pytest.mark.parametrize("kind", ["429", "500", "dropped", "403-expired"])
def test_a_failure_between_opening_and_reading_is_the_servers(archive, tmp_path: Path, kind: Any) -> None:
    """GDAL then calls the file unrecognised; the server, asked, says why."""
    area, fault = Area.around(archive.bbox), Fault("red", kind, after=1)
    with serve([archive.folder], faults=[fault]) as url, pytest.raises(PassingError):
        fetch(f"{url}/{PATH}", area, tmp_path / "red.tif", 0, 0, {})


def test_an_object_store_out_of_reach_may_pass(archive, tmp_path: Path) -> None:
    """Of s3:// only GDAL's word is had, and it must not be read as the absence of a file."""
    area, options = Area.around(archive.bbox), {**S3, "AWS_S3_ENDPOINT": "127.0.0.1:9"}
    with pytest.raises(PassingError, match="connect"):
        fetch("s3://bucket/red.tif", area, tmp_path / "red.tif", 0, 0, options)


@pytest.fixture
def bucket() -> Iterator[str]:
    """An object store that has nothing, and is overloaded for paths with ``busy``; yields its host."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            busy = "busy" in self.path
            code, text = ("SlowDown", "Please reduce your request rate.") if busy else NO_KEY
            body = (
                f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'.encode()
            )
            self.send_response(503 if busy else 404)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


NO_KEY = ("NoSuchKey", "The specified key does not exist.")


def test_an_object_store_says_what_is_gone_and_what_is_busy(archive, tmp_path: Path, bucket: str) -> None:
    """Its own words, as GDAL passes them on."""
    area, options = Area.around(archive.bbox), {**S3, "AWS_S3_ENDPOINT": bucket}
    with pytest.raises(UnreadableError) as caught:
        fetch("s3://bucket/red.tif", area, tmp_path / "red.tif", 0, 0, options)
    assert caught.value.lasting
    with pytest.raises(PassingError, match="reduce your request rate"):
        fetch("s3://bucket/busy.tif", area, tmp_path / "red.tif", 0, 0, options)
