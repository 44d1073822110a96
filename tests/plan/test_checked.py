"""Protects the kept check of a study: what lies outside the config and decides too belongs to its key."""

import os

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from revisit.files import with_companions
from revisit.plan.checked import files_named


def test_an_edited_file_is_another_study(tmp_path, monkeypatch):
    """Of a file of places its content counts, whatever folder it lies in; what is not there is left out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    config = {"places": {"here": {"points": "sites.csv"}}, "providers": {"mine": {"folder": "./folder"}}}
    assert files_named(config) == ["./folder"]
    (tmp_path / "sites.csv").write_text("lon,lat")
    before = files_named(config)
    assert len(before) == 2
    (tmp_path / "sites.csv").write_text("lat,lon")
    os.utime("sites.csv", ns=(1, 1))
    assert files_named(config) != before


@pytest.mark.parametrize("other", ["fields.dbf", "tiles/a.tif"])
def test_the_files_behind_a_file_count_too(tmp_path, monkeypatch, other):
    """Classes of a shapefile are in another file than its outlines; a virtual raster has no pixels itself."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiles").mkdir()
    with rasterio.open("tiles/a.tif", "w", driver="GTiff", height=1, width=1, count=1, dtype="uint8") as file:
        file.write(np.ones((1, 1, 1), "uint8"))
    rasterio.shutil.copy("tiles/a.tif", "some.vrt", driver="VRT")
    rasterio.shutil.copy("some.vrt", "all.vrt", driver="VRT")
    for name in ("fields.shp", "fields.dbf", "fields.prj", "fields.csv", "other.dbf"):
        (tmp_path / name).write_text("")
    assert with_companions("fields.shp") == ["fields.shp", "fields.dbf", "fields.prj"]
    config = {"labels": {"files": [{"vector": "fields.shp"}, {"raster": "all.vrt"}]}}
    before = files_named(config)
    os.utime(other, ns=(1, 1))
    assert files_named(config) != before
