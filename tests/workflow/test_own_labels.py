"""Protects labels of one's own: polygons, the archive's truth and CORINE classes reach stores and tables."""

import csv
import itertools
import json
import shutil
from pathlib import Path

import geopandas
import numpy as np
import pandas
import pytest
import rasterio
import shapely
import xarray
import yaml
from rasterio.warp import transform_bounds

from revisit.cube.contract import grid_of, open_cube
from revisit.cube.labels.legend import simple
from revisit.cube.labels.ready import ready
from revisit.patches.store import PatchStore
from revisit.stac.api.server import serve

pytestmark = pytest.mark.slow

STRIPES = 30  # over the region, so narrow that every patch shows two classes
CROPS = ["wheat", "20", "Pasture land", "fallow"]  # a name, a value as text, a name spelt otherwise; ignored


def study(**changes) -> dict:
    """The small study with one region, one year and no map from the catalogue."""
    content = yaml.safe_load((Path(__file__).parents[1] / "study.yaml").read_text())
    content["regions"] = {"east": content["regions"]["east"]}
    content["archive"] |= {"biomes": {}, "tiles": {}}
    content["search"] = {sensor: {"years": [2020]} for sensor in ("sentinel-1", "sentinel-2")}
    content["cube"]["limits_from"] = None
    content["pretraining"]["methods"] = {"scratch": content["pretraining"]["methods"]["scratch"]}
    return content | changes


def write_stripes(path: Path, bbox: list[float]) -> None:
    """Stripes of crops side by side from west to east, in the reference system of European statistics."""
    west, south, east, north = bbox
    edges = np.linspace(west, east, STRIPES + 1)
    frame = geopandas.GeoDataFrame(
        {"crop": [CROPS[number % len(CROPS)] for number in range(STRIPES)]},
        geometry=[shapely.box(left, south, right, north) for left, right in itertools.pairwise(edges)],
        crs=4326,
    )
    frame.to_crs(3035).to_file(path)


def test_polygons_of_ones_own_end_in_a_table(checkout):
    """By names and by values, merged and ignored, in 16 bits; in scenes and in maps."""
    content = study(
        labels={
            "classes": [
                {"code": 1, "name": "Wheat"},
                {"code": 2, "name": "Oil seed", "values": [2, 20]},
                {"code": 300, "name": "Pasture-land", "colour": "#00a600"},
            ],
            "ignore": ["fallow"],
            "files": [{"vector": "fields.gpkg", "column": "crop", "years": [2019, 2020]}],
        },
        experiments={
            "scenes": {
                "task": "multi-label", "collection": "pairs", "pretrain_modality": "s1+s2",
                "methods": ["scratch"], "modalities": ["s1+s2"], "protocols": ["knn"],
                "floors": [], "seeds": [0],
            },
            "crops": {
                "task": "single-label", "collection": "pairs", "pretrain_modality": "s1+s2",
                "methods": ["scratch"], "modalities": ["s1+s2"], "protocols": ["knn"],
                "floors": ["class-prior"], "seeds": [0],
            },
            "fields": {
                "task": "segmentation", "collection": "yearly", "floors": ["class-prior"], "seeds": [0],
                "classes": [{"name": "Arable", "codes": [1, 2]}, {"name": "Grass", "codes": [300]}],
                "networks": {"unet": {"network": "unet", "modalities": ["s1"], "width": 8}},
                "train": {"batch_size": 4, "learning_rate": 1.0e-3, "max_steps": 4, "validate_every": 2},
            },
        },
    )  # fmt: skip
    write_stripes(checkout.folder / "fields.gpkg", content["regions"]["east"]["bbox"])
    (checkout.folder / "study.yaml").write_text(yaml.safe_dump(content))
    checkout.snakemake()
    results = checkout.folder / "results"

    cube = open_cube(results / "cubes/east/labels.zarr", stage="labels")
    codes = cube["land_cover"].values
    assert codes.dtype == np.uint16 and set(np.unique(codes)) == {0, 1, 2, 300}
    assert cube["land_cover"].attrs["flag_meanings"] == "wheat oil_seed pasture-land"
    middle = codes[len(codes) // 2]
    order = middle[np.flatnonzero(np.diff(middle)) + 1]
    assert order[:12].tolist() in [np.roll([1, 2, 300, 0] * 3, -n).tolist() for n in range(4)]

    store = PatchStore(results / "patches/pairs")
    assert store.attrs["classes"] == ["Wheat", "Oil seed", "Pasture-land"]
    assert store.legend.colours[300] == "#00a600"
    assert store.labelled.all() and store.land_cover(np.arange(4)).dtype == np.uint16

    rows = list(csv.DictReader((results / "tables/all.csv").read_text().splitlines()))
    of_classes = {(row["experiment"], row["class"]) for row in rows}
    assert {
        ("scenes", "Oil seed"),
        ("scenes", "Pasture-land"),
        ("crops", "Wheat"),
        ("fields", "Grass"),
    } <= of_classes
    assert "Pasture-land" in (results / "report.html").read_text()


def write_collection(truth: Path, folder: Path) -> None:
    """The truth of an archive as somebody's land cover: a folder that our STAC API serves."""
    folder.mkdir()
    items = json.loads((truth / "items.json").read_text())["features"]
    (item,) = (item for item in items if item["collection"] == "land-cover-truth")
    shutil.copy(truth / item["assets"]["map"]["href"], folder / "map.tif")
    item |= {"collection": "my-land-cover", "assets": {"data": {"href": "map.tif"}}}
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    (folder / "collections.json").write_text(json.dumps([{"type": "Collection", "id": "my-land-cover"}]))


def test_one_map_by_three_ways(checkout):
    """The truth of the archive, the same as a raster of one's own, and the same from another STAC API.

    Pixel by pixel what the scenes were made from, of the year asked for, in the codes of the legend.
    """
    content, radar = study(experiments={}), {"sentinel-1": {"years": [2020]}}
    content["search"] = radar | {"truth": {"years": [2020]}}
    content["collections"] = {"yearly": content["collections"]["yearly"]}
    content["pretraining"]["methods"] = {}
    results = checkout.folder / "results"

    def gridded(**changes) -> xarray.Dataset:
        (checkout.folder / "study.yaml").write_text(yaml.safe_dump(content | changes))
        checkout.snakemake("results/cubes/east/labels.zarr")
        return open_cube(results / "cubes/east/labels.zarr", stage="labels")

    cube = gridded()
    with rasterio.open(results / "archive/east/land-cover-truth/truth_2020/map.tif") as truth:
        expected = truth.read(1, window=truth.window(*grid_of(cube).bounds))
    np.testing.assert_array_equal(cube["land_cover"].values, expected)

    write_collection(results / "archive/east", checkout.folder / "mine")
    names = ready("worldcover", "test").names
    own = [{"code": 300 + code, "name": names[code], "values": [code]} for code in names]
    files = [{"raster": "mine/map.tif", "years": [2020]}]
    cube = gridded(search=radar, labels={"classes": own, "files": files})
    np.testing.assert_array_equal(cube["land_cover"].values, 300 + expected.astype(int))

    meaning = {"collection": "my-land-cover", "assets": {"map": "data"}, "unit": "class", "nodata": 0}
    search = radar | {"land-cover": {"years": [2020]}}
    with serve([checkout.folder / "mine"]) as url:
        mine = {"inherits": "embedded", "url": url, "sensors": {"land-cover": meaning}}
        cube = gridded(provider="mine", providers={"mine": mine}, search=search, labels={"classes": own})
    np.testing.assert_array_equal(cube["land_cover"].values, 300 + expected.astype(int))
    assert (results / "scenes/east/land-cover/2020/manifest.json").exists()


# Patches of BigEarthNet by the part of the split they are of, so chosen that two share classes.
PATCHES = {
    "S2B_MSIL2A_20170924T93020_69_24": "train",
    "S2B_MSIL2A_20180204T94161_57_38": "test",
    "S2A_MSIL2A_20171221T112501_56_35": "val",
}


class Patch:
    """A real pair of BigEarthNet: its squares of imagery, and the CORINE classes it shows."""

    def __init__(self, name: str, source: Path) -> None:
        self.optical = source / "BigEarthNet-S2-Example" / name
        self.about = json.loads((self.optical / f"{name}_labels_metadata.json").read_text())
        (self.radar,) = (source / "BigEarthNet-S1-Example").glob(f"*_{self.tile}_{self.place}")
        self.radar_about = json.loads((self.radar / f"{self.radar.name}_labels_metadata.json").read_text())
        self.region = self.place.replace("_", "-")
        self.epsg = 32600 + int(self.tile[:2])
        corners = self.about["coordinates"]
        self.bounds = [corners[key] for key in ("ulx", "lry", "lrx", "uly")]

    @property
    def place(self) -> str:
        return "_".join(self.optical.name.split("_")[-2:])

    @property
    def tile(self) -> str:
        return self.about["tile_source"].split("_")[5][1:]

    def items(self, folder: Path) -> list[dict]:
        """STAC items of both images, and their files in the folder; the patches of this set have no cloud."""
        west, south, east, north = transform_bounds(self.epsg, 4326, *self.bounds)
        items = []
        for files, bands, collection, when in (
            (self.optical, ("B02", "B03", "B04"), "sentinel-2", self.about["acquisition_date"]),
            (self.radar, ("VV", "VH"), "sentinel-1", self.radar_about["acquisition_time"]),
        ):
            for band in bands:
                shutil.copy(files / f"{files.name}_{band}.tif", folder / f"{files.name}_{band}.tif")
            if collection == "sentinel-2":
                with rasterio.open(files / f"{files.name}_B04.tif") as red:
                    profile = red.profile | {"dtype": "uint8"}
                with rasterio.open(folder / f"{files.name}_SCL.tif", "w", **profile) as clear:
                    clear.write(np.full((1, red.height, red.width), 4, np.uint8))
                bands = (*bands, "SCL")
            items.append(
                {
                    "type": "Feature", "stac_version": "1.0.0", "id": files.name, "collection": collection,
                    "bbox": [west, south, east, north],
                    "geometry": shapely.geometry.mapping(shapely.box(west, south, east, north)),
                    "properties": {"datetime": f"{when.replace(' ', 'T')}Z", "proj:epsg": self.epsg},
                    "assets": {band: {"href": f"{files.name}_{band}.tif"} for band in bands},
                    "links": [],
                }
            )  # fmt: skip
        return items

    def polygons(self) -> geopandas.GeoDataFrame:
        """The patch in stripes, one of each class: the set says which classes a patch shows, not where."""
        west, south, east, north = self.bounds
        names = self.about["labels"]
        edges = np.linspace(west, east, len(names) + 1)
        stripes = [shapely.box(left, south, right, north) for left, right in itertools.pairwise(edges)]
        return geopandas.GeoDataFrame({"label": names}, geometry=stripes, crs=self.epsg).to_crs(3035)


def test_corine_labels_of_real_patches_end_in_a_table(checkout, shared):
    """BigEarthNet spells classes in its own way; each patch, cut into nine, has just its published labels.

    In the test patch each column of the nine shows another class: a floor that says the same of all is right
    once in three.
    """
    patches = [Patch(name, shared / "real/bigearthnet_mm_example") for name in PATCHES]
    folder = checkout.folder / "bigearthnet"
    folder.mkdir()
    items = [item for patch in patches for item in patch.items(folder)]
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    world = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
    collections = [
        {"type": "Collection", "id": sensor, "stac_version": "1.0.0", "description": sensor,
         "license": "CDLA-Permissive-1.0", "links": [], "extent": world}
        for sensor in ("sentinel-1", "sentinel-2")
    ]  # fmt: skip
    (folder / "collections.json").write_text(json.dumps(collections))
    pandas.concat([patch.polygons() for patch in patches]).to_file(checkout.folder / "corine.gpkg")
    corine = ready("corine-3", "test")
    by_name = {simple(name): code for code, name in corine.names.items()}
    shown = {patch.region: {by_name[simple(name)] for name in patch.about["labels"]} for patch in patches}
    optical = {"blue": "B02", "green": "B03", "red": "B04", "scl": "SCL"}
    content = {
        "seed": 1,
        "provider": "bigearthnet",
        "providers": {"bigearthnet": {"folder": "bigearthnet", "sensors": {
            "sentinel-1": {"collection": "sentinel-1", "assets": {"vv": "VV", "vh": "VH"}, "unit": "decibel"},
            "sentinel-2": {"collection": "sentinel-2", "assets": optical, "unit": "reflectance",
                           "scale": 0.0001, "offset_rule": "none", "nodata": 0},
        }}},
        "regions": {patch.region: {"epsg": patch.epsg, "bounds_m": patch.bounds} for patch in patches},
        "search": {sensor: {"years": [2017, 2018]} for sensor in ("sentinel-1", "sentinel-2")},
        "cube": {"bands": {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}},
        "labels": {
            "legend": "corine-3",
            "files": [{"vector": "corine.gpkg", "column": "label", "years": [2018]}],
        },
        "split": {"block_pixels": 120, "gap_pixels": 0, "train": 0.6, "val": 0.2, "test": 0.2,
                  "regions": {patch.region: PATCHES[patch.optical.name] for patch in patches}},
        "collections": {"scenes": {
            "kind": "pairs", "patch_pixels": 40, "min_valid": 0.5, "max_days_apart": 2,
            "samples_per_place": 1, "allow_empty": True, "classes": sorted(set.union(*shown.values())),
        }},
        "pretraining": {"seeds": [0], "methods": {"scratch": {
            "collection": "scenes", "modalities": ["s1+s2"],
            "method": {"name": "scratch", "encoder": {
                "name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 8,
            }},
        }}},
        "experiments": {"corine": {
            "task": "multi-label", "collection": "scenes", "pretrain_modality": "s1+s2",
            "methods": ["scratch"], "modalities": ["s1+s2"], "protocols": ["knn"],
            "floors": ["class-prior"], "seeds": [0],
        }},
    }  # fmt: skip
    (checkout.folder / "study.yaml").write_text(yaml.safe_dump(content))
    checkout.snakemake("results/tables/all.csv")
    store = PatchStore(checkout.folder / "results/patches/scenes")
    codes = np.array(store.attrs["class_codes"])
    labels, regions = store.multi_label(np.arange(store.samples)), store.where()["region"]
    found = {region: set(codes[labels[regions == region].any(axis=0)].tolist()) for region in shown}
    assert found == shown and store.samples == 9 * len(patches)
    assert store.legend.described() == corine.described()

    rows = list(csv.DictReader((checkout.folder / "results/tables/all.csv").read_text().splitlines()))
    (test,) = (patch for patch in patches if PATCHES[patch.optical.name] == "test")
    scores = {
        (row["method"], row["class"]): float(row["value"])
        for row in rows
        if row["metric"] == "average_precision"
    }
    classes = [corine.names[code] for code in shown[test.region]]
    assert set(scores) == {(row, name) for row in ("scratch", "class-prior") for name in classes}
    assert all(scores["class-prior", name] == pytest.approx(1 / 3) for name in classes)
