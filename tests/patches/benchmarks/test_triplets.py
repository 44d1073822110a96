"""SEN12MS and DFC2020 are imported from their triplets, with their class maps, lists and broken files."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from revisit import parts
from revisit.errors import RevisitError
from revisit.evaluation.tasks.segmentation import SegmentationGiven
from revisit.patches.survey import open_set

SIDE = 256
# Names, as in the lists, of the codes of the simplified scheme; and IGBP's classes in them.
SIMPLE = {1: 1, 5: 1, 6: 2, 9: 3, 10: 4, 11: 5, 12: 6, 14: 6, 13: 7, 15: 8, 16: 9, 17: 10, 255: 0}
OF_FILE = ["coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09"]
BANDS = [*OF_FILE, "cirrus", "swir16", "swir22"]


def paths(folder: Path, name: str, what: Sequence[str]) -> list[Path]:
    """Files of a triplet; folders of DFC2020's validation data are called so, all others by the scene."""
    roi, season, scene, patch = name.split("_")
    own = season if season == "validation" else scene
    return [folder / f"{roi}_{season}/{one}_{own}/{roi}_{season}_{one}_{scene}_{patch}.tif" for one in what]


def write(sets: Any, folder: Path, name: str, labels: dict[str, np.ndarray], seed: int) -> None:
    """A triplet; its radar lacks a corner, as some do."""
    random = np.random.default_rng(seed)
    radar = random.normal(-14, 4, (2, SIDE, SIDE)).astype(np.float32)
    radar[1, :5, :40] = np.nan
    numbers = random.integers(1, 4000, (13, SIDE, SIDE), np.uint16)
    corner = (300_000 + 6000 * seed, 5_000_000)
    for path, content in zip(paths(folder, name, ["s1", "s2"]), (radar, numbers), strict=True):
        sets.write(path, content, corner)
    for what, content in labels.items():
        sets.write(paths(folder, name, [what])[0], content, corner)


def igbp(*classes: int) -> np.ndarray:
    """Land cover in four bands: stripes of these IGBP classes, and three that mean something else."""
    stripes = np.repeat(np.array(classes, np.uint16), SIDE // len(classes))
    rest = np.full(SIDE - len(stripes), classes[-1], np.uint16)
    whole = np.tile(np.concatenate([stripes, rest]), (SIDE, 1))
    return np.stack([whole, *np.full((3, SIDE, SIDE), 31, np.uint16)])


def stored(folder: Path, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Radar and numbers of these triplets."""
    found: list[list[np.ndarray]] = [[], []]
    for name in names:
        for into, path in zip(found, paths(folder, name, ["s1", "s2"]), strict=True):
            with rasterio.open(path) as file:
                into.append(file.read())
    return np.stack(found[0]), np.stack(found[1])


SEN12MS = {
    "ROIs1158_spring_1_p30": (igbp(1, 5), "train"),
    "ROIs1158_spring_1_p31": (igbp(12, 14, 13), "train"),
    "ROIs1868_summer_146_p202": (igbp(17), "train"),  # the broken one
    "ROIs1970_fall_8_p1": (igbp(6, 9, 255), "train"),
    "ROIs2017_winter_22_p4": (igbp(*[17] * 14, 1), "test"),  # forest on less than a tenth
}


def test_sen12ms(sets: Any, tmp_path: Path) -> None:
    """Ten classes, labels from a tenth of the patch on, whole scenes for validation, the broken one out."""
    folder = tmp_path / "set"
    for seed, (name, (cover, _)) in enumerate(SEN12MS.items()):
        write(sets, folder, name, {"lc": cover}, seed)
    for part in ("train", "test"):
        own = [name for name, (_, of) in SEN12MS.items() if of == part]
        lines = (paths(folder, name, ["s2"])[0].name for name in own)
        (folder / f"{part}_list.txt").write_text("\n".join(lines) + "\n\n")
    entry = {"set": "sen12ms", "folder": str(folder), "validation_scenes": ["ROIs1158_spring_1"]}
    store = sets.collect(tmp_path, **entry)
    with (tmp_path / "samples.csv").open() as file:
        rows = {row["sample"]: row for row in csv.DictReader(file)}
    assert rows.pop("ROIs1868_summer_146_p202")["left_out"] == "broken"
    assert store.attrs["lost"] == {"broken": 1}
    names = list(rows)
    # A scene is for validation whole.
    parts = {name: rows[name]["part"] for name in names}
    assert list(parts.values()) == ["val", "val", "train", "test"]
    assert store.where()["split"].tolist() == list(parts.values())
    radar, numbers = stored(folder, names)
    assert store.bands == {"sentinel-1": ["vv", "vh"], "sentinel-2": BANDS}
    sets.check(store, "sentinel-1", radar, np.isfinite(radar).all(axis=1), "dB")
    sets.check(store, "sentinel-2", numbers / 10_000, np.ones((4, SIDE, SIDE), bool), "reflectance")
    covers = np.stack([SEN12MS[name][0][0] for name in names])
    codes = np.vectorize(SIMPLE.get)(covers)
    np.testing.assert_array_equal(store.land_cover(np.arange(4)), codes)
    shown = [
        np.flatnonzero(np.bincount(code.ravel(), minlength=11)[1:] >= SIDE**2 / 10) + 1 for code in codes
    ]
    table = store.multi_label(np.arange(4))
    for labels, wanted in zip(table, shown, strict=True):
        own = np.array(store.attrs["class_codes"])[labels.astype(bool)]
        assert set(own) == set(wanted) & set(store.attrs["class_codes"])
    assert store.attrs["kind"] == "pairs"
    assert "miou" in sets.scored(store, "segmentation", "pixel-statistics", "s1+s2")
    # Forest on a fourteenth of the test patch is a label where that is asked for.
    asked = {"classes": [1], "allow_empty": True, "min_class_fraction": 0.05}
    assert sets.collect(tmp_path / "fine", **entry, **asked).attrs["class_samples"]["test"] == [1]
    usual = open_set("some", {"set": "sen12ms", "folder": str(folder)})
    message = "'ROIs1158_spring_112' is not in the training list .* there is ROIs1158_spring_1, ROIs18"
    with pytest.raises(RevisitError, match=message):
        usual.samples()


def test_sen12ms_scored_on_validation(tmp_path: Path) -> None:
    """Its scenes are the test split, whole; every tenth scene of what is left of training validates."""
    scenes = [number for number in range(1, 14) for _ in range(2)]
    lines = [f"ROIs1158_spring_s2_{scene}_p{number}.tif" for number, scene in enumerate(scenes)]
    (tmp_path / "train_list.txt").write_text("\n".join(lines))
    (tmp_path / "test_list.txt").write_text("ROIs1158_spring_s2_99_p1.tif\n")
    entry = {"set": "sen12ms", "folder": str(tmp_path), "score_on": "val"}
    asked = {"validation_scenes": ["ROIs1158_spring_1", "ROIs1158_spring_13"]}
    samples = open_set("some", entry | asked).samples()
    parts = {one.name.split("_")[2]: one.part for one in samples}
    assert len(samples) == len(scenes)
    assert {scene for scene, part in parts.items() if part == "test"} == {"1", "13"}
    assert {scene for scene, part in parts.items() if part == "val"} == {"11"}


def test_sen12ms_wrong_code(sets: Any, tmp_path: Path) -> None:
    """A code that IGBP does not have is named with its file; a list of another sort is too."""
    for seed, name in enumerate(["ROIs1158_spring_1_p30", "ROIs1158_spring_2_p1", "ROIs1158_spring_3_p1"]):
        write(sets, tmp_path, name, {"lc": igbp(1, 18 if seed == 2 else 2)}, seed)
    (tmp_path / "train_list.txt").write_text("ROIs1158_spring_s2_1_p30.tif\nROIs1158_spring_s2_2_p1.tif\n")
    (tmp_path / "test_list.txt").write_text("ROIs1158_spring_s2_3_p1.tif\n")
    entry = {"set": "sen12ms", "folder": str(tmp_path), "validation_scenes": ["ROIs1158_spring_2"]}
    with pytest.raises(RevisitError, match=r"lc_3_p1.tif: has the label 18, which the set does not know"):
        sets.collect(tmp_path / "out", **entry)
    benchmark = open_set("some", entry)
    (radar,) = paths(tmp_path, "ROIs1158_spring_1_p30", ["s1"])
    sets.write(radar, np.zeros((1, SIDE, SIDE), np.float32))
    with pytest.raises(RevisitError, match=r"s1_1_p30.tif: has 1 bands, not 2"):
        benchmark.read(benchmark.samples()[0])
    sets.write(radar, np.random.default_rng(0).normal(-9, 1, (2, 64, 64)).astype(np.float32))
    with pytest.raises(RevisitError, match=r"s1_1_p30.tif: sentinel-1 is of the shape \(1, 2, 64, 64\), not"):
        sets.collect(tmp_path / "out", **entry)
    write(sets, tmp_path, "ROIs1158_spring_1_p30", {"lc": igbp(1)[:, :64, :64]}, 0)
    with pytest.raises(RevisitError, match=r"lc_1_p30.tif: the map is of the shape \(64, 64\), not of 256"):
        sets.collect(tmp_path / "out", **entry)
    (tmp_path / "test_list.txt").write_text("3_p1.tif\n")
    with pytest.raises(RevisitError, match=r"the list of test names '3_p1.tif', which is not like ROIs"):
        sets.survey(tmp_path, **entry)
    (tmp_path / "test_list.txt").unlink()
    with pytest.raises(RevisitError, match=r"test_list.txt is not there; SEN12MS \(180,662 triplets"):
        sets.survey(tmp_path, **entry)
    with pytest.raises(RevisitError, match=r"ROIs0000_validation is not there; DFC2020.* CC BY\)"):
        sets.survey(tmp_path, set="dfc2020", folder=str(tmp_path))


def test_dfc2020_list(tmp_path: Path) -> None:
    """A triplet of which any file is there is listed, in order of numbers; a stray file is named."""
    name = "ROIs0000_{0}_{1}_0_p{2}.tif"
    for folder, what, number in (("validation", "s1", 10), ("validation", "s2", 9), ("test", "dfc", 2)):
        below = tmp_path / f"ROIs0000_{folder}/{what}_{'validation' if folder == 'validation' else 0}"
        below.mkdir(parents=True)
        (below / name.format(folder, what, number)).touch()
    benchmark = open_set("some", {"set": "dfc2020", "folder": str(tmp_path)})
    samples = benchmark.samples()
    assert [one.name.rpartition("_")[2] for one in samples] == ["p9", "p10", "p2"]
    assert samples[1].files[1] == "ROIs0000_validation/s2_validation/ROIs0000_validation_s2_0_p10.tif"
    (tmp_path / "ROIs0000_test/dfc_0/preview.tif").touch()
    with pytest.raises(RevisitError, match=r"names 'ROIs0000_test/dfc_0/preview.tif', which is not like ROI"):
        benchmark.samples()


@pytest.mark.parametrize("labels", ["dfc", "modis"])
def test_dfc2020(sets: Any, tmp_path: Path, labels: str) -> None:
    """Maps of 10 m or of MODIS, savanna and snow no labels, every tenth of training for validation."""
    folder = tmp_path / "set"
    fine = np.random.default_rng(0).choice([1, 2, 4, 3, 8, 0, 10], (12, 1, SIDE, SIDE)).astype(np.uint8)
    coarse = [igbp(1, 9, 15, 17) for _ in range(12)]
    names = [f"ROIs0000_validation_0_p{number}" for number in (9, 10, *range(11, 19))]
    names += ["ROIs0000_test_0_p2", "ROIs0000_test_0_p10"]
    for seed, name in enumerate(names):
        write(sets, folder, name, {"dfc": fine[seed], "lc": coarse[seed]}, seed)
    paths(folder, names[-1], ["s1"])[0].unlink()
    entry = {"set": "dfc2020", "folder": str(folder), "labels": labels}
    with pytest.raises(RevisitError, match=r"test_s1_0_p10.tif, with it files of 1 of 12 samples"):
        sets.survey(tmp_path, **entry)
    store = sets.collect(tmp_path, partial=True, **entry)
    assert store.where()["split"].tolist() == ["train"] * 9 + ["val", "test"]
    radar, numbers = stored(folder, names[:-1])
    sets.check(store, "sentinel-1", radar, np.isfinite(radar).all(axis=1), "dB")
    sets.check(store, "sentinel-2", numbers / 10_000, np.ones((11, SIDE, SIDE), bool), "reflectance")
    if labels == "dfc":
        codes = fine[:11, 0].copy()
    else:
        codes = np.vectorize(SIMPLE.get)(np.stack([cover[0] for cover in coarse[:11]]))
    codes[np.isin(codes, [3, 8])] = 0
    np.testing.assert_array_equal(store.land_cover(np.arange(11)), codes)
    assert store.attrs["legend"]["codes"] == [1, 2, 4, 5, 6, 7, 9, 10]
    data = parts.find("task", "segmentation").data(store, "s1+s2", SegmentationGiven())
    assert data.classes[:3] == ("Forest", "Shrubland", "Grassland")
    np.testing.assert_array_equal(data.labels(data.test) == 0, codes[-1:] == 1)
    assert "miou" in sets.scored(store, "segmentation", "pixel-statistics", "s1+s2")
