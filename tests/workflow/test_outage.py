"""A provider that stops midway fails the run; the next run ends in the same cube, to the bit."""

import shutil
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from revisit.files import sha256
from revisit.stac.api.misbehaviour import Fault
from revisit.stac.api.server import serve

pytestmark = pytest.mark.slow

CUBE = "results/cubes/east/sentinel-2/raw.zarr"
REMOTE = """provider: remote

providers:
  remote: {{inherits: embedded, url: "{url}"}}

download: {{workers: 2, patience_s: 2}}
"""


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path) for path in files}


def test_a_provider_that_stops_midway_fails_the_run_and_loses_nothing(study, checkout):
    archive = study.folder / "results/archive/east"
    results = checkout.folder / "results"
    checkout.edit(
        "study.yaml", "sentinel-2: {years: [2019, 2020, 2021],", "sentinel-2: {years: [2019, 2020],"
    )
    with serve([archive]) as url:
        checkout.edit("study.yaml", "provider: embedded\n", REMOTE.format(url=url))
        checkout.snakemake(CUBE)
    undisturbed = digests(checkout.folder / CUBE)
    shutil.rmtree(results)

    port, server = int(url.rpartition(":")[2]), ExitStack()
    slow = [Fault("assets", "slow", delay=0.1)]  # so that it can be stopped midway
    server.enter_context(serve([archive], port, slow))
    run = checkout.start(CUBE)
    while len(list(results.glob("scenes/*/*/*/fetched/*/*.tif"))) < 12:
        assert run.poll() is None, checkout.log.read_text()[-4000:]
        time.sleep(0.1)
    server.close()
    assert run.wait(timeout=120) != 0
    text = checkout.log.read_text()
    errors = [line for line in text.splitlines() if " error: " in line]
    assert errors and all("nothing came for" in line and "run again later" in line for line in errors), text
    assert "Traceback" not in text
    kept = {path: path.stat().st_mtime_ns for path in results.glob("scenes/*/*/*/fetched/*/*.tif")}
    assert len(kept) >= 12
    assert not list(results.glob("scenes/*/*/*/manifest.json"))
    assert not (checkout.folder / CUBE).exists()

    with serve([archive], port):
        checkout.snakemake(CUBE)
    assert digests(checkout.folder / CUBE) == undisturbed
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())  # not fetched again
