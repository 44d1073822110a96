"""Protects elevation as Snakemake makes it: from tiles to a cube, its picture, and its scaling limits."""

import json

import numpy as np
import pytest
import rasterio
import yaml
from rasterio.transform import from_bounds

from revisit.cube.contract import open_cube
from revisit.stac.api.folders import Catalogue

pytestmark = pytest.mark.slow

HEIGHTS = {"collection": "heights", "assets": {"elevation": "data"}, "unit": "metres"}


def write_tiles(folder, bbox):
    """A folder of made-up tiles: a slope from 0 to 300 m from west to east, in two halves."""
    folder.mkdir()
    west, south, east, north = bbox[0] - 0.01, bbox[1] - 0.01, bbox[2] + 0.01, bbox[3] + 0.01
    middle, items = (west + east) / 2, []
    for name, left, right, metres in (("west", west, middle, (0, 150)), ("east", middle, east, (150, 300))):
        slope = np.tile(np.linspace(*metres, 120, dtype=np.float32), (160, 1))
        profile = {"height": 160, "width": 120, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
        place = from_bounds(left, south, right, north, 120, 160)
        with rasterio.open(folder / f"{name}.tif", "w", driver="GTiff", transform=place, **profile) as tile:
            tile.write(slope, 1)
        ring = [[left, south], [right, south], [right, north], [left, north], [left, south]]
        items.append(
            {
                "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "heights", "links": [],
                "bbox": [left, south, right, north], "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {"datetime": "2021-04-22T00:00:00Z"},
                "assets": {"data": {"href": f"{name}.tif"}},
            }
        )  # fmt: skip
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    (folder / "collections.json").write_text(json.dumps([{"type": "Collection", "id": "heights"}]))


def test_tiles_of_a_folder_become_cube_and_limits(checkout):
    """Beside the simulated imagery; and the catalogue of the study has it."""
    content = yaml.safe_load((checkout.folder / "study.yaml").read_text())
    content |= {
        "provider": "own",
        "providers": {
            "tiles": {"folder": "tiles", "sensors": {"dem": HEIGHTS}},
            "own": {"inherits": "embedded", "sensors": {"dem": {"from": "tiles"}}},
        },
    }
    content["search"]["dem"] = {}
    content["cube"]["limits_from"] = ["east"]
    write_tiles(checkout.folder / "tiles", content["regions"]["east"]["bbox"])
    (checkout.folder / "study.yaml").write_text(yaml.safe_dump(content))
    checkout.snakemake("results/cubes/limits/dem.json", "results/cubes/east/dem.png")
    results = checkout.folder / "results"

    metres = open_cube(results / "cubes/east/dem.zarr", stage="dem", unit="m")["elevation"].values
    assert not np.isnan(metres).any()
    assert (np.diff(metres.mean(axis=0)) >= 0).all() and 30 < metres.min() < 150 < metres.max() < 270
    band = json.loads((results / "cubes/limits/dem.json").read_text())["bands"]["elevation"]
    assert metres.min() < band["mean"] < metres.max() and 0 < band["valid_pixels"] < metres.size
    assert not (results / "archive").exists()  # nothing was simulated for it
    found = {item["collection"] for item in Catalogue([results]).items}
    assert found == {"dem", "dem-scenes"}
