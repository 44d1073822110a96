"""The results of a small study, made on the spot by the stages themselves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit.cube import elevation
from revisit.cube import item as cube_item
from revisit.cube.beside import write_beside
from revisit.cube.contract import open_cube
from revisit.cube.labels import labels
from revisit.cube.labels.ready import ready
from revisit.cube.stacking.stack import Settings, stack


@pytest.fixture
def results(
    archive: Any,
    search: Callable[..., Any],
    download: Callable[..., Any],
    heights: Callable[..., Any],
    tmp_path: Path,
) -> Path:
    """Two regions over the same scenes, with raw cubes and label maps, and features of one encoder.

    The north has elevation and a variant of its raw cube as well.
    """
    folder = tmp_path / "results"
    for region in ("north", "south"):
        manifests = {}
        for sensor, bands in (("sentinel-2", ["blue", "red", "scl"]), ("worldcover", ["map"])):
            settings = {**archive.settings, "bands": bands, "patience_s": 5, "max_quarantined": 0.5}
            manifests[sensor] = folder / f"scenes/{region}/{sensor}/2020/manifest.json"
            items = search(region, sensor, settings, archive.folder)
            download(items, region, sensor, 2020, manifests[sensor], settings, archive.folder)
        grid = {"bbox": archive.bbox, "resolution_m": 10}
        raw, land_cover = (
            folder / f"cubes/{region}/sentinel-2/raw.zarr",
            folder / f"cubes/{region}/labels.zarr",
        )
        cubes = {raw: [3, 4, 5, 6]}
        if region == "north":
            cubes[folder / "variants/unmasked/north/sentinel-2/raw.zarr"] = list(range(1, 12))
        for cube, valid in cubes.items():
            own = Settings.model_validate(
                {**grid, "bands": ["blue", "red"], "scene_classification_valid": valid}
            )
            stack([manifests["sentinel-2"]], cube, region=region, sensor="sentinel-2", settings=own)
            write_beside(cube, cube.with_suffix(".png"), cube_item.scene_links([manifests["sentinel-2"]]))
        label_settings = labels.Settings(**grid, source="worldcover", legend=ready("worldcover", "test"))
        labels.label([manifests["worldcover"]], land_cover, region=region, settings=label_settings)
        cube_item.write_item(
            open_cube(land_cover), land_cover, cube_item.scene_links([manifests["worldcover"]])
        )
    tiles = {"provider": "tiles", "providers": {"tiles": heights(tmp_path / "tiles", archive.bbox)}}
    settings = {**archive.settings, **tiles, "bands": ["elevation"], "patience_s": 5}
    manifest, dem = folder / "scenes/north/dem/2021/manifest.json", folder / "cubes/north/dem.zarr"
    items = search("north", "dem", {**settings, "years": [2021]})
    download(items, "north", "dem", 2021, manifest, settings)
    place = elevation.Settings(bbox=archive.bbox, resolution_m=10)
    elevation.elevate([manifest], dem, region="north", settings=place)
    cube_item.write_item(open_cube(dem), dem, cube_item.scene_links([manifest]))
    features = folder / "features/pairs/method/s2/seed0/s2.npz"
    features.parent.mkdir(parents=True)
    np.savez(features, features=np.zeros((2, 3)))
    raw_item = json.loads((folder / "cubes/north/sentinel-2/raw.json").read_text())
    link = {"rel": "derived_from", "href": "../../../../../cubes/north/sentinel-2/raw.json"}
    asset = {"href": "./s2.npz", "type": "application/octet-stream", "roles": ["data"]}
    content = {**raw_item, "id": "pairs-method", "assets": {"features": asset}, "links": [link]}
    content["properties"] = {**raw_item["properties"], "revisit:stage": "features"}
    del content["properties"]["revisit:sensor"]
    features.with_suffix(".json").write_text(json.dumps(content))
    return folder
