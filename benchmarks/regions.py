"""Simulated regions for the benchmarks of the data line: their archives, and settings of their stages."""

import atexit
import math
import socket
import subprocess
import sys
from pathlib import Path

from revisit.archive import make
from revisit.archive.settings import Settings
from revisit.cube.grid import KM_PER_DEGREE, Grid, region_grid
from revisit.cube.stacking import stack
from revisit.cube.stacking.masks import CLASSIFICATION
from revisit.stac import download, search

SENSOR, PROVIDER = "sentinel-2", "bench"
BANDS = ["blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22"]
WEST, SOUTH = 2.60, 48.40
YEARS = {5: [2019, 2020, 2021]}  # of 12 dates each; one year for larger regions: enough to time
DATES = 12


def served(folder: Path) -> str:
    """The address of an archive's API, in a process of its own until this one ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "revisit.cli", "serve", str(folder), "--port", str(port)],
        stdout=subprocess.PIPE,
    )
    atexit.register(server.kill)
    assert server.stdout is not None
    server.stdout.readline()  # it says when it is ready
    return f"http://127.0.0.1:{port}"


def square(kilometres: int) -> dict[str, list[float]]:
    """The place of a region of this size."""
    wide, high = kilometres / KM_PER_DEGREE / math.cos(math.radians(SOUTH)), kilometres / KM_PER_DEGREE
    return {"bbox": [WEST, SOUTH, WEST + wide, SOUTH + high]}


def simulate(folder: Path, kilometres: int, dates: int) -> None:
    """Make the archive of a region."""
    times = {"years": {SENSOR: YEARS.get(kilometres, [2020])}, "dates_per_year": {SENSOR: dates}}
    make.build("bench", Settings.model_validate({**square(kilometres), "seed": 1, **times}), folder)


class Region:
    """A square of some kilometres: its archive in ``folder``, made once, its items, and its grid."""

    def __init__(self, folder: Path, kilometres: int) -> None:
        self.kilometres, self.folder = kilometres, folder / f"{kilometres}km"
        self.years = YEARS.get(kilometres, [2020])
        place = square(kilometres)
        if not self.folder.exists():
            simulate(self.folder, kilometres, DATES)
        self.bands = [*BANDS, CLASSIFICATION]
        self.address = served(self.folder)
        here = {PROVIDER: {"inherits": "embedded", "url": self.address}}
        asked = {**place, "provider": PROVIDER, "providers": here, "bands": self.bands}
        searched = search.Settings.model_validate({**asked, "years": self.years})
        self.items = search.search("bench", SENSOR, searched)
        self.download = download.Settings.model_validate(asked)
        valid = {"scene_classification_valid": [4, 5, 6, 7]}
        self.stack = stack.Settings.model_validate({**place, "resolution_m": 10, "bands": BANDS, **valid})
        self.grid: Grid = region_grid(self.stack, self.stack.resolution_m)

    def fetch(self, folder: Path) -> list[Path]:
        """Download every year to ``folder``; returns the manifests."""
        manifests = [folder / str(year) / "manifest.json" for year in self.years]
        for year, out in zip(self.years, manifests, strict=True):
            download.download(self.items, "bench", SENSOR, year, out, self.download)
        return manifests

    def make_raw(self, manifests: list[Path], cube: Path, threads: int) -> None:
        """Stack the manifests to the raw cube."""
        stack.stack(manifests, cube, region="bench", sensor=SENSOR, settings=self.stack, threads=threads)
