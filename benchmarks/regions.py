"""Simulated regions for the benchmarks of the data line: their archives, and settings of their stages."""

import math
from pathlib import Path

from revisit.archive import make
from revisit.archive.settings import Settings
from revisit.cube.grid import KM_PER_DEGREE, Grid, region_grid
from revisit.cube.stacking import stack
from revisit.cube.stacking.masks import CLASSIFICATION
from revisit.stac import download, search
from revisit.stac.providers import source

SENSOR, PROVIDER = "sentinel-2", "embedded"
BANDS = ["blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22"]
WEST, SOUTH = 2.60, 48.40
YEARS = {5: [2019, 2020, 2021]}  # of 12 dates each; one year for larger regions: enough to time
DATES = 12


class Region:
    """A square of some kilometres: its archive in ``folder``, made once, its items, and its grid."""

    def __init__(self, folder: Path, kilometres: int) -> None:
        self.kilometres, self.folder = kilometres, folder / f"{kilometres}km"
        self.years = YEARS.get(kilometres, [2020])
        wide, high = kilometres / KM_PER_DEGREE / math.cos(math.radians(SOUTH)), kilometres / KM_PER_DEGREE
        place = {"bbox": [WEST, SOUTH, WEST + wide, SOUTH + high]}
        if not self.folder.exists():
            dates = {"years": {SENSOR: self.years}, "dates_per_year": {SENSOR: DATES}}
            make.build("bench", Settings.model_validate({**place, "seed": 1, **dates}), self.folder)
        self.bands = [*BANDS, CLASSIFICATION]
        asked = {**place, "provider": PROVIDER, "bands": self.bands}
        searched = search.Settings.model_validate({**asked, "years": self.years})
        self.items = search.search("bench", SENSOR, searched, self.folder)
        self.download = download.Settings.model_validate(asked)
        valid = {"scene_classification_valid": [4, 5, 6, 7]}
        self.stack = stack.Settings.model_validate({**place, "resolution_m": 10, "bands": BANDS, **valid})
        self.origin = source(PROVIDER, SENSOR)
        self.grid: Grid = region_grid(self.stack, self.stack.resolution_m)

    def fetch(self, folder: Path) -> list[Path]:
        """Download every year to ``folder``; returns the manifests."""
        manifests = [folder / str(year) / "manifest.json" for year in self.years]
        for year, out in zip(self.years, manifests, strict=True):
            download.download(self.items, "bench", SENSOR, year, out, self.download, self.folder)
        return manifests

    def make_raw(self, manifests: list[Path], cube: Path, threads: int) -> None:
        """Stack the manifests to the raw cube."""
        stack.stack(manifests, cube, region="bench", sensor=SENSOR, settings=self.stack, threads=threads)
