"""Protects a user's time: labels that contradict each other or cannot be read are refused at planning."""

from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from revisit.cube.labels.settings import Labels, labelling
from revisit.errors import RevisitError
from revisit.record import read

OWN = {"classes": [{"code": 1, "name": "Wheat"}]}
MAP = {"worldcover": {"years": [2021, 2020]}}
IMAGES = {"sentinel-2": {"years": [2019]}}


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    path = tmp_path / "fields.gpkg"
    frame = geopandas.GeoDataFrame({"crop": [1], "name": ["a"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326)
    frame.to_file(path, layer="parcels")
    return path


def told(labels: dict[str, Any] | None, searched: dict[str, Any]):
    return labelling(None if labels is None else read(Labels, labels, "labels"), searched)


def test_a_map_that_is_searched_for_needs_no_section() -> None:
    found = told(None, IMAGES | MAP)
    assert (found.searched, found.years, found.legend.title) == ("worldcover", [2020, 2021], "ESA WorldCover")
    assert told(None, IMAGES) is None
    assert told(None, {"truth": {"years": [2020]}}).legend == found.legend
    assert told(None, {"io-lulc": {"years": [2020]}}).legend.ignore == [10]
    assert told({"legend": "corine-1"}, {"land-cover": {"years": [2018]}}).legend.codes == [1, 2, 3, 4, 5]


def test_files_have_years_and_a_legend_with_all_that_is_ignored(fields: Path) -> None:
    files = [{"vector": fields, "column": "crop", "years": [2021, 2020]}, {"raster": fields, "years": [2018]}]
    found = told({"legend": "corine-3", "ignore": [777, "none"], "files": files}, IMAGES)
    assert found.searched is None and found.years == [2018, 2020, 2021]
    assert found.files[0].years == [2020, 2021]
    assert {777, "none", 48} <= set(found.legend.ignore)
    merged = told({"classes": [{"code": 1, "name": "Green", "values": [10, 30]}]}, MAP)
    assert merged.legend.meanings[30] == 1


@pytest.mark.parametrize(
    ("labels", "searched", "message"),
    [
        (
            None,
            MAP | {"io-lulc": {"years": [2020]}},
            "search: worldcover and io-lulc are both label maps; leave",
        ),
        (OWN, IMAGES, "labels: without a map; add labels.files, or a map such as search.worldcover"),
        (
            OWN | {"files": [{"raster": "a.tif", "years": [2020]}]},
            MAP,
            "labels.files: .*so is search.worldcover",
        ),
        (
            OWN | {"files": [{"raster": "no.tif", "years": [2020]}]},
            IMAGES,
            r"files\.0\.raster: .*no file no\.tif",
        ),
        (OWN | {"legend": "corine-3"}, MAP, "labels: has both legend and classes; keep one"),
        (
            {"legend": "corine-4"},
            {"land-cover": {"years": [2018]}},
            "labels.legend: no ready legend 'corine-4'",
        ),
        ({"legend": "corine-3"}, MAP, "labels.legend: 'corine-3' is not that of search.worldcover"),
        (None, {"land-cover": {"years": [2018]}}, "labels.legend is missing; name a ready one"),
        ({"classes": OWN["classes"] * 2}, MAP, "labels: code 1 is that of 'Wheat' and of 'Wheat'"),
        (
            {"legend": "worldcover", "ignore": [80]},
            MAP,
            "labels: 80 is to be ignored, and is of .*'Permanent",
        ),
        ({"colours": []}, MAP, "labels: unknown key 'colours'"),
    ],
)
def test_what_contradicts_itself_is_refused(labels, searched, message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        told(labels, searched)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"column": "crops"}, r"labels\.files\.0\.column: .* has no column 'crops', only crop, name"),
        ({"layer": "fields"}, r"labels\.files\.0\.vector: .* is no file of polygons that GDAL reads"),
        ({"column": None}, r"labels\.files\.0: vector needs column"),
        ({"raster": "a.tif"}, r"labels\.files\.0: give one of raster and vector"),
        ({"vector": None}, r"labels\.files\.0: give one of raster and vector"),
        ({"vector": None, "raster": "a.tif"}, r"labels\.files\.0: raster has neither column nor layer"),
        ({"years": []}, r"labels\.files\.0\.years: "),
        ({"years": [2020, 2020]}, r"labels\.files\.0\.years: names one twice"),
    ],
)
def test_a_file_that_cannot_be_read_as_labels_is_refused(fields: Path, change, message: str) -> None:
    file = {"vector": fields, "column": "crop", "years": [2020]}
    told(OWN | {"files": [file]}, IMAGES)
    with pytest.raises(RevisitError, match=message):
        told(OWN | {"files": [file | change]}, IMAGES)
