"""What tests share: one thread a process, where the real data lie, and a provider of elevation."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_bounds

from revisit.stage import CODECS

# Two cores shared by several processes: threads that wait for each other cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(CODECS)

SHARED = Path(__file__).parents[2] / "shared"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of the real catalogues wait to be asked for."""
    if "network" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="asks the real catalogues; run pytest -m network where there is internet")
    for item in items:
        if item.get_closest_marker("network"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real imagery and real STAC answers beside the project; skips where it is absent."""
    if not (SHARED / "real").is_dir():
        pytest.skip(f"no real data at {SHARED / 'real'}; the tests on real imagery need it")
    return SHARED


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """The bytes of all files of a folder, by their paths in it."""
    return lambda folder: {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def heights() -> Callable[[Path, list[float]], dict[str, Any]]:
    """Makes a folder that is a provider and returns its entry: one tile of elevation over a bbox."""

    def make(folder: Path, bbox: list[float]) -> dict[str, Any]:
        west, south, east, north = bbox[0] - 0.01, bbox[1] - 0.01, bbox[2] + 0.01, bbox[3] + 0.01
        folder.mkdir()
        place = from_bounds(west, south, east, north, 240, 160)
        about = {"driver": "GTiff", "width": 240, "height": 160, "count": 1, "dtype": "float32", "crs": 4326}
        with rasterio.open(folder / "tile.tif", "w", transform=place, **about) as tile:
            tile.write(np.linspace(0, 300, 160 * 240, dtype=np.float32).reshape(160, 240), 1)
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        item = {
            "type": "Feature", "stac_version": "1.0.0", "id": "tile", "collection": "heights", "links": [],
            "bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"datetime": "2021-04-22T00:00:00Z"}, "assets": {"data": {"href": "tile.tif"}},
        }  # fmt: skip
        (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
        (folder / "collections.json").write_text(json.dumps([{"type": "Collection", "id": "heights"}]))
        dem = {"collection": "heights", "assets": {"elevation": "data"}, "unit": "metres"}
        return {"folder": str(folder), "sensors": {"dem": dem}}

    return make
