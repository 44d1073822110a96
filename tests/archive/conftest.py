"""A small archive, built once: two years, two tiles, displaced by more than usual."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from revisit.archive.make import build
from revisit.archive.settings import Settings
from revisit.record import read

SETTINGS = {
    "seed": 4,
    "bbox": [3.05, 43.2, 3.072, 43.214],
    "biome": "mediterranean",
    "years": {"sentinel-1": [2020, 2021], "sentinel-2": [2021, 2022], "worldcover": [2020]},
    "dates_per_year": {"sentinel-1": 3, "sentinel-2": 4},
    "displacement_pixels": 0.9,
    "tiles": 2,
    "reprocessed": 0.4,
}


class Built:
    """An archive on disk, with shortcuts to its items and pixels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.items: list[dict[str, Any]] = json.loads((folder / "items.json").read_text())["features"]
        self.truth: dict[str, Any] = json.loads((folder / "truth.json").read_text())

    def of(self, collection: str) -> list[dict[str, Any]]:
        return [item for item in self.items if item["collection"] == collection]

    def read(self, item: dict[str, Any], asset: str) -> np.ndarray:
        with rasterio.open(self.folder / item["assets"][asset]["href"]) as file:
            return file.read(1)

    def reflectance(self, item: dict[str, Any], band: str) -> np.ndarray:
        raster = item["assets"][band]["raster:bands"][0]
        numbers = self.read(item, band)
        return np.where(numbers == 0, np.nan, numbers * raster["scale"] + raster["offset"])


@pytest.fixture(scope="session")
def settings() -> dict[str, Any]:
    return SETTINGS


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("archive") / "little"
    build("little", read(Settings, SETTINGS, "archive"), folder)
    return Built(folder)
