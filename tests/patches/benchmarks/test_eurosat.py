"""EuroSAT is imported band by band, class by class and list by list as it lies on disk."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from revisit.errors import RevisitError
from revisit.evaluation.features_item import write_features_item
from revisit.files import read_json, write_json
from revisit.patches import survey
from revisit.patches.nearness import footprints, nearness
from revisit.patches.survey import open_set

TIF = "ds/images/remote_sensing/otherDatasets/sentinel_2/tif"
CLASSES = ("AnnualCrop", "Forest", "SeaLake")
# Bands in the order of the files, B8A last, and where each stands in the order of the instrument.
IN_FILE = [
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir09", "cirrus",
    "swir16", "swir22", "nir08",
]  # fmt: skip
IN_ORDER = [
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09",
    "cirrus", "swir16", "swir22",
]  # fmt: skip
PARTS = {0: "val", 1: "test", 2: "train", 3: "train", 4: "train"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sets: Any) -> Path:
    """Five scenes of three classes in two zones, one at the edge of the swath; the lists name .jpg."""
    folder, random = tmp_path_factory.mktemp("eurosat"), np.random.default_rng(0)
    lists: dict[str, str] = dict.fromkeys(("train", "val", "test"), "")
    for number, name in enumerate(CLASSES):
        for scene in range(1, 6):
            means = 500 * number + 200 * np.arange(1, 14)[:, None, None]
            numbers = random.normal(means, 90, (13, 64, 64)).clip(1).astype(np.uint16)
            if scene == 2:
                numbers[:, :9, :50] = 0
                numbers[2, 40, 40] = 65535
            corner = (400_000 + 700 * scene, 5_500_000 - 70_000 * number)
            sets.write(folder / TIF / name / f"{name}_{scene}.tif", numbers, corner, 32632 + scene % 2)
            lists[PARTS[scene % 5]] += f"{name}_{scene}.jpg\n"
    for part, text in lists.items():
        (folder / f"eurosat-{part}.txt").write_text(text + "\n")
    return folder


def in_list(folder: Path, part: str) -> list[str]:
    return [Path(line).stem for line in (folder / f"eurosat-{part}.txt").read_text().split()]


def test_import(folder: Path, sets: Any, tmp_path: Path) -> None:
    """Pixels, bands, classes, places and the split are those that rasterio and the lists say."""
    store = sets.collect(tmp_path, set="eurosat", folder=str(folder))
    names = [name for part in ("train", "val", "test") for name in in_list(folder, part)]
    numbers, centres = [], []
    for name in names:
        with rasterio.open(folder / TIF / name.split("_")[0] / f"{name}.tif") as file:
            read = dict(zip(IN_FILE, file.read(), strict=True))
            numbers.append(np.stack([read[band] for band in IN_ORDER]))
            centres.append(file.lnglat())
    stored = np.stack(numbers)
    valid = (stored > 0).any(axis=1) & (stored < 65535).all(axis=1)
    assert valid.mean() < 0.99
    assert store.bands == {"sentinel-2": IN_ORDER}
    sets.check(store, "sentinel-2", stored / 10_000, valid, "reflectance")
    assert store.attrs["classes"] == ["Annual crop", "Forest", "Sea or lake"]
    labels = [CLASSES.index(name.split("_")[0]) for name in names]
    np.testing.assert_array_equal(store.multi_label(np.arange(15)), np.eye(3)[labels])
    where = store.where()
    np.testing.assert_allclose(np.stack([where["longitude"], where["latitude"]], 1), centres, atol=1e-6)
    assert where["split"].tolist() == ["train"] * 9 + ["val"] * 3 + ["test"] * 3
    assert store.present(IN_ORDER).all()
    assert store.attrs["masked"] == {}  # without a date it is there all the same
    assert store.batch(np.arange(3), IN_ORDER).present.all()
    # Scene 1 of a class is of test, 3 of training, both in one zone; and 700 m lie between scenes.
    assert store.attrs["split_distance_m"]["train-test"] == pytest.approx(1400 - 640, rel=0.01)
    test, train = (footprints(tmp_path / "index.json", part) for part in ("test", "train"))
    assert nearness(test, train).metres == pytest.approx(1400 - 640, abs=5)
    assert nearness(test, test).same.all()
    # Classes differ in their level.
    assert sets.scored(store, "single-label", "band-statistics", "s2") == {"accuracy": 1.0}


def test_store_is_that_of_any_processes_and_stores(
    folder: Path, sets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither processes nor the number of stores change what is in a collection."""
    entry = {"set": "eurosat", "folder": str(folder)}
    one = sets.collect(tmp_path / "one", 1, **entry)
    monkeypatch.setattr(survey, "ENOUGH", 2)
    monkeypatch.setattr(survey, "BATCH", 1)
    many = sets.collect(tmp_path / "many", 3, stores=2, **entry)
    everyone = np.arange(15)
    assert len(many.attrs["stores"]) == 2
    assert one.scaling == many.scaling
    np.testing.assert_array_equal(one.images(everyone, IN_ORDER), many.images(everyone, IN_ORDER))
    np.testing.assert_array_equal(one.positions, many.positions)


def test_what_a_process_finds_wrong_is_said_in_one_line(
    folder: Path, sets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "ENOUGH", 2)
    shutil.copytree(folder, own := tmp_path / "set")
    damaged = next((own / TIF).rglob("AnnualCrop_3.tif"))
    damaged.write_bytes(b"nothing")
    with pytest.raises(RevisitError, match=r"AnnualCrop_3\.tif: cannot be read"):
        sets.collect(tmp_path / "out", 2, set="eurosat", folder=str(own))


def test_bands_and_limits_of_cubes(folder: Path, sets: Any, tmp_path: Path) -> None:
    """Bands asked for, in their order, in the grey values of the study's cubes; these must have the unit."""
    own = {"red": {"lower": -0.1, "upper": 0.3}, "nir08": {"lower": 0.0, "upper": 0.5}}
    limits = {"sensor": "sentinel-2", "unit": "reflectance", "clip_sigma": 2.0, "bands": own}
    write_json(path := tmp_path / "limits.json", limits)
    entry = {"set": "eurosat", "folder": str(folder), "limits": "cubes"}
    store = sets.collect(tmp_path / "out", 2, [path], **entry, bands={"sentinel-2": ["nir08", "red"]})
    assert store.bands == {"sentinel-2": ["nir08", "red"]}
    assert store.scaling["sentinel-2"] == {"clip_sigma": 2.0, "source_unit": "reflectance", "bands": own}
    with rasterio.open(folder / TIF / "AnnualCrop/AnnualCrop_3.tif") as file:
        nir08, red = file.read([13, 4]) / 1e4
    grey = np.stack([nir08 / 0.5, (red + 0.1) / 0.4]).clip(0, 1) * 255
    found = store.images(np.array([1]), ["nir08", "red"])[0]
    assert in_list(folder, "train")[1] == "AnnualCrop_3"
    assert np.abs(found - grey).max() <= 0.501
    write_json(path, limits | {"unit": "dB"})
    with pytest.raises(
        RevisitError, match=r"imports.some.limits: those of cubes are in dB, the set has refl"
    ):
        sets.survey(tmp_path, 1, [path], **entry)
    with pytest.raises(
        RevisitError, match="bands: EuroSAT has no band 'swir' of sentinel-2, there is coastal"
    ):
        sets.survey(tmp_path, **entry | {"limits": "own"}, bands={"sentinel-2": ["swir"]})
    with pytest.raises(RevisitError, match="bands: EuroSAT has no sensor 'sentinel-1', there is sentinel-2"):
        sets.survey(tmp_path, **entry | {"limits": "own"}, bands={"sentinel-1": ["vv"]})


def test_rgb(folder: Path, sets: Any, tmp_path: Path) -> None:
    """JPEGs are of the reflectance that they were stretched from, and have no place."""
    random, images = np.random.default_rng(1), {}
    for name in CLASSES:
        for scene in range(1, 6):
            path = tmp_path / f"set/EuroSAT_RGB/{name}/{name}_{scene}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 64))
            coarse.save(path)
            images[f"{name}_{scene}"] = np.asarray(Image.open(path)).astype(float)
    for part in ("train", "val", "test"):
        (tmp_path / f"set/eurosat-{part}.txt").write_text((folder / f"eurosat-{part}.txt").read_text())
    store = sets.collect(tmp_path / "out", set="eurosat", folder=str(tmp_path / "set"), images="rgb")
    names = [name for part in ("train", "val", "test") for name in in_list(folder, part)]
    stretched = np.moveaxis(np.stack([images[name] for name in names]), -1, 1)
    values = np.interp(stretched, [1, 255], [0, 0.275])
    sets.check(store, "sentinel-2", values, np.ones((15, 64, 64), bool), "reflectance")
    assert np.isnan(store.where()["longitude"]).all()
    assert store.attrs["split_distance_m"] == {}
    # What is made of such images lies nowhere, and is of some time within a period.
    card = {"method": "some", "modality": "rgb", "seed": 0}
    write_features_item(tmp_path / "features.npz", store, "rgb", ["red", "green", "blue"], card)
    item = read_json(tmp_path / "features.json")
    assert item["geometry"] is None and "bbox" not in item
    assert item["properties"]["start_datetime"] == "2015-06-23T00:00:00.000Z"


@pytest.mark.parametrize(("lists", "stem"), [("spatial", "eurosat-spatial"), ("100", "eurosat-100")])
def test_other_lists(tmp_path: Path, lists: str, stem: str) -> None:
    """Each split has lists of its own."""
    (tmp_path / "EuroSAT_MS").mkdir()
    for number, part in enumerate(("train", "val", "test")):
        (tmp_path / f"{stem}-{part}.txt").write_text(f"River_{number}.jpg\n")
    samples = open_set("some", {"set": "eurosat", "folder": str(tmp_path), "lists": lists}).samples()
    assert [(one.name, one.part) for one in samples] == [
        ("River_0", "train"), ("River_1", "val"), ("River_2", "test"),
    ]  # fmt: skip


def test_score_on_validation(folder: Path, sets: Any, tmp_path: Path) -> None:
    """As SeCo reports: the validation list is the test split, one training sample in ten validates."""
    extra = tmp_path / "set"
    extra.mkdir()
    (extra / "ds").symlink_to(folder / "ds")
    training = [f"{name}_{number}" for name in CLASSES[1:] for number in range(1, 6)]
    for part, names in {"train": training, "val": ["AnnualCrop_1"], "test": ["AnnualCrop_2"]}.items():
        (extra / f"eurosat-{part}.txt").write_text("".join(f"{name}.tif\n" for name in names))
    made = sets.survey(tmp_path, set="eurosat", folder=str(extra), score_on="val")
    with Path(made["samples"]).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["sample"] for row in rows if row["part"] == "test"] == ["AnnualCrop_1"]
    assert [row["sample"] for row in rows if row["part"] == "val"] == ["SeaLake_5"]
    assert sum(row["part"] == "train" for row in rows) == 9


def test_bad_sets(folder: Path, sets: Any, tmp_path: Path) -> None:
    """What is missing, of no class or listed twice ends in a line that names it; a part may be taken."""
    entry = {"set": "eurosat", "folder": str(tmp_path)}
    with pytest.raises(RevisitError, match=r"MS is not there; EuroSAT .*2 GB; MIT\) is had at https://zen"):
        sets.survey(tmp_path, **entry)
    (tmp_path / "ds").symlink_to(folder / "ds")
    with pytest.raises(RevisitError, match=r"eurosat-train.txt is not there"):
        sets.survey(tmp_path, **entry)
    for part in ("train", "val", "test"):
        (tmp_path / f"eurosat-{part}.txt").write_text((folder / f"eurosat-{part}.txt").read_text())
    with (tmp_path / "eurosat-test.txt").open("a") as file:
        file.write("Forest_9.jpg\n")
    with pytest.raises(
        RevisitError, match=r"Forest_9.tif, with it files of 1 of 16 samples \(say `partial: true`"
    ):
        sets.survey(tmp_path, **entry)
    store = sets.collect(tmp_path / "out", partial=True, **entry)
    assert store.samples == 15
    assert store.attrs["lost"] == {survey.NOT_THERE: 1}
    assert "Forest_9,test" in (tmp_path / "out/samples.csv").read_text()
    with (tmp_path / "eurosat-test.txt").open("a") as file:
        file.write("Forest_3.jpg\n")
    with pytest.raises(RevisitError, match="Forest_3 is listed twice, in train and in test"):
        sets.survey(tmp_path, **entry)
    (tmp_path / "eurosat-test.txt").write_text("Lake_3.jpg\n")
    with pytest.raises(RevisitError, match=r"'Lake_3.jpg', of none of the ten classes"):
        sets.survey(tmp_path, **entry)
    (tmp_path / "eurosat-test.txt").write_text("\n")
    with pytest.raises(RevisitError, match="no sample in test: none is listed"):
        sets.survey(tmp_path, **entry)


def test_wrong_images(folder: Path, sets: Any, tmp_path: Path) -> None:
    """Images of too few bands, and of nothing but one value, are told; the first by its file."""
    for part, number in (("train", 1), ("val", 2), ("test", 3)):
        (tmp_path / f"eurosat-{part}.txt").write_text(f"Forest_{number}.tif\n")
        sets.write(tmp_path / f"EuroSAT_MS/Forest/Forest_{number}.tif", np.full((13, 64, 64), 7, np.uint16))
    entry = {"set": "eurosat", "folder": str(tmp_path)}
    with pytest.raises(
        RevisitError, match="band coastal: 4096 valid training pixels with no spread; look at"
    ):
        sets.survey(tmp_path, **entry)
    sets.write(tmp_path / "EuroSAT_MS/Forest/Forest_1.tif", np.full((12, 64, 64), 7, np.uint16))
    with pytest.raises(RevisitError, match=r"Forest_1.tif: is of the shape \(12, 64, 64\), not \(13, 64, 64"):
        sets.survey(tmp_path, **entry)


def test_damaged_file(folder: Path, sets: Any, tmp_path: Path) -> None:
    """A file cut short is named, and leaves no store behind."""
    for part in ("train", "val", "test"):
        (tmp_path / f"eurosat-{part}.txt").write_text((folder / f"eurosat-{part}.txt").read_text())
    for name in CLASSES:
        (tmp_path / TIF / name).mkdir(parents=True)
        for file in (folder / TIF / name).iterdir():
            (tmp_path / TIF / name / file.name).write_bytes(file.read_bytes())
    cut = tmp_path / TIF / "SeaLake/SeaLake_1.tif"
    cut.write_bytes(cut.read_bytes()[:20_000])
    with pytest.raises(RevisitError, match=r"SeaLake_1.tif: cannot be read"):
        sets.collect(tmp_path / "out", set="eurosat", folder=str(tmp_path))
    assert not list((tmp_path / "out").glob("*.zarr"))
