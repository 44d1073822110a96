"""Protects the fetching of masks: only the one asked for; a clear sky is not taken for a missing file."""

from typing import Any

import numpy as np
import rasterio

from revisit.stac import adapter
from revisit.stac.providers import source


def test_a_clear_sky_is_no_missing_file(archive: Any, fetch: Any) -> None:
    """A probability of cloud that is 0 everywhere, which its file and item call no data, costs no scene."""
    items = archive.items()
    for item in items:
        classes = item["assets"].pop("scl", None)
        if classes is None:
            continue
        path = classes["href"].replace("scl", "cloud")
        with rasterio.open(archive.folder / classes["href"]) as file:
            profile = file.profile
        with rasterio.open(archive.folder / path, "w", **profile) as file:
            file.write(np.zeros(file.shape, "uint8"), 1)
        item["assets"]["cloud"] = {"href": path, "raster:bands": [{"nodata": 0}]}
    archive.write(items)
    manifest = fetch(bands=["red", "cloud"])
    assert len(manifest["scenes"]) == 3
    band = manifest["scenes"][0]["bands"]["cloud"]
    assert (band["unit"], band["scale"], band["offset"]) == ("per cent", 1, 0)
    with rasterio.open(fetch.folder / band["path"]) as clip:
        assert clip.nodata is None
        assert not clip.read(1).any()


def test_without_a_mask_none_is_fetched(archive: Any, fetch: Any) -> None:
    """A level without a scene classification is no worse for it."""
    items = archive.items()
    for item in items:
        item["assets"].pop("scl", None)
    archive.write(items)
    manifest = fetch(bands=["red"])
    assert [list(scene["bands"]) for scene in manifest["scenes"]] == [["red"]] * 3


def test_the_mask_is_named_as_the_provider_names_it() -> None:
    """The scene classification by the provider's word for it; any other by its own."""
    item = {
        "id": "a",
        "properties": {"datetime": "2020-01-01T00:00:00Z"},
        "assets": {
            "SCL": {"href": "https://x/SCL.tif", "nodata": 0},
            "CLD": {"href": "https://x/CLD.tif", "nodata": 0},
        },
    }
    bands = adapter.scene(item, source("planetary-computer", "sentinel-2"), ["scl", "CLD"])["bands"]
    assert [bands[name]["source"] for name in ("scl", "CLD")] == ["https://x/SCL.tif", "https://x/CLD.tif"]
    assert [bands[name]["nodata"] for name in ("scl", "CLD")] == [0, "nan"]
