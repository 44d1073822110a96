"""BigEarthNet-MM is imported from its folders of bands, lists and labels; also the real example."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from revisit import parts
from revisit.errors import RevisitError
from revisit.evaluation.task import Given
from revisit.patches.survey import open_set

METRES = {"B01": 60, "B05": 20, "B06": 20, "B07": 20, "B8A": 20, "B09": 60, "B11": 20, "B12": 20}
NAMES = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2",
    "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22",
}  # fmt: skip
S2, S1 = "BigEarthNet-v1.0", "BigEarthNet-S1-v1.0"
# Labels of the patches as CORINE calls them, and as the 19 classes do.
LABELS: list[tuple[list[str], set[str]]] = [
    (["Continuous urban fabric", "Airports"], {"Urban fabric"}),
    (["Rice fields", "Sea and ocean"], {"Arable land", "Marine waters"}),
    (["Peatbogs", "Inland marshes", "Continuous urban fabric"], {"Inland wetlands", "Urban fabric"}),
    (["Discontinuous urban fabric", "Pastures"], {"Urban fabric", "Pastures"}),
    (["Port areas"], set()),
    (["Water bodies", "Pastures"], {"Inland waters", "Pastures"}),
]
# Of the real patches, by their places in the tile: their JSON files in words of the 19 classes.
MOSAIC = "Land principally occupied by agriculture, with significant areas of natural vegetation"
REAL: dict[str, set[str]] = {
    "87_48": {"Arable land", MOSAIC},
    "36_85": {"Arable land", "Pastures"},
    "4_55": {"Pastures"},
    "56_35": {
        "Complex cultivation patterns", MOSAIC, "Broad-leaved forest", "Transitional woodland, shrub"
    },
    "69_24": {
        "Coniferous forest", "Mixed forest", "Transitional woodland, shrub", "Inland wetlands",
        "Inland waters",
    },
    "57_38": {"Arable land", "Coniferous forest", "Mixed forest"},
}  # fmt: skip
PARTS = ["train", "train", "val", "test", "train", "test"]


def optical_name(number: int) -> str:
    return f"S2A_MSIL2A_20170613T101031_61_{number}"


def radar_name(number: int) -> str:
    return f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_61_{number}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sets: Any) -> Path:
    """Six pairs in the layout of version 1, with both sorts of lists and the bad patches."""
    folder, random = tmp_path_factory.mktemp("bigearthnet"), np.random.default_rng(3)
    for number, (labels, _) in enumerate(LABELS):
        corner = (300_000 + 1200.0 * number, 5_342_400.0)
        name = optical_name(number)
        sides = {band: 1200 // METRES.get(band, 10) for band in NAMES}
        bands = {band: random.integers(1, 5000, (side, side), np.uint16) for band, side in sides.items()}
        if number in (0, 3):
            bands["B05"][20, 30:33] = bands["B09"][0, 19] = 65535  # saturated
        sets.write_bands(folder / S2 / name, bands, corner)
        about = {"labels": labels, "acquisition_date": "2017-06-13 10:10:31"}
        (folder / S2 / name / f"{name}_labels_metadata.json").write_text(json.dumps(about))
        name = radar_name(number)
        decibel = random.normal(-12, 4, (2, 120, 120)).astype(np.float32)
        decibel[:, 0, :7] = np.nan if number == 0 else -99
        sets.write_bands(folder / S1 / name, dict(zip(("VV", "VH"), decibel, strict=True)), corner)
        about = {"labels": labels, "acquisition_time": "2017-06-13T16:50:43"}
        about["corresponding_s2_patch"] = optical_name(number)
        (folder / S1 / name / f"{name}_labels_metadata.json").write_text(json.dumps(about))
    for part in ("train", "val", "test"):
        own = [number for number, of in enumerate(PARTS) if of == part]
        pairs = [f"{optical_name(number)},{radar_name(number)}\n" for number in own]
        (folder / f"bigearthnet-{part}.csv").write_text("".join(pairs))
        (folder / f"bigearthnet-{part}.txt").write_text("".join(f"{optical_name(n)}\n" for n in own))
    (folder / "patches_with_seasonal_snow.csv").write_text(optical_name(1) + "\n")
    (folder / "patches_with_cloud_and_shadow.csv").write_text(optical_name(3) + "\n")
    return folder


def assert_labels(store: Any, expected: list[set[str]]) -> None:
    classes = store.attrs["classes"]
    for labels, wanted in zip(store.multi_label(np.arange(store.samples)), expected, strict=True):
        assert {classes[number] for number in np.flatnonzero(labels)} == wanted & set(classes)


def test_pairs(folder: Path, sets: Any, tmp_path: Path) -> None:
    """All bands on one grid, dB as they are, 43 classes merged into 19, dates and places of the files."""
    store = sets.collect(tmp_path, set="bigearthnet", folder=str(folder))
    order = [number for part in ("train", "val", "test") for number, of in enumerate(PARTS) if of == part]
    optical = np.stack([sets.read_bands(folder / S2 / optical_name(number), NAMES) for number in order])
    radar = np.stack([sets.read_bands(folder / S1 / radar_name(number), ("VV", "VH")) for number in order])
    assert store.kind == "pairs"
    assert store.bands == {"sentinel-1": ["vv", "vh"], "sentinel-2": list(NAMES.values())}
    seen = np.isfinite(optical).all(axis=1)
    assert 0.99 < seen[0].mean() < 1
    sets.check(store, "sentinel-2", optical / 10_000, seen, "reflectance")
    sets.check(store, "sentinel-1", radar, (np.nan_to_num(radar, nan=-99) > -99).all(1), "dB")
    assert store.attrs["legend"]["names"][11] == "Natural grassland and sparsely vegetated areas"
    assert set(store.attrs["classes"]) == {"Urban fabric", "Arable land", "Marine waters"}
    assert_labels(store, [LABELS[number][1] for number in order])
    assert store.labelled.tolist() == [bool(LABELS[number][1]) for number in order]
    dates = store.dates(["vv", "blue"])[:, 0, 0].astype("datetime64[ns]").astype("datetime64[s]")
    assert dates.astype(str).tolist() == ["2017-06-13T16:50:43", "2017-06-13T10:10:31"]
    with rasterio.open(folder / S2 / optical_name(0) / f"{optical_name(0)}_B02.tif") as file:
        where = store.where()
        np.testing.assert_allclose((where["longitude"][0], where["latitude"][0]), file.lnglat(), atol=1e-6)
    data = parts.find("task", "multi-label").data(store, "s1+s2", Given())
    assert [len(data.train), len(data.val), len(data.test)] == [2, 1, 2]
    with pytest.raises(
        RevisitError, match="1 of its scenes have several classes, and no map says which covers"
    ):
        parts.find("task", "single-label").data(store, "s1+s2", Given())
    # Patches lie side by side: those of two parts touch.
    assert store.attrs["split_distance_m"]["train-val"] == 0 and store.attrs["parts_touch"]
    assert set(sets.scored(store, "multi-label", "band-statistics", "s1+s2")) == {"micro_map", "macro_map"}


def test_patches_resampled(folder: Path, sets: Any, tmp_path: Path) -> None:
    """Of 120 pixels onto 60: means of four, none where one of them says nothing; the ground as large."""
    store = sets.collect(tmp_path, set="bigearthnet", folder=str(folder), resampled_pixels=60)
    order = [number for part in ("train", "val", "test") for number, of in enumerate(PARTS) if of == part]
    radar = np.stack([sets.read_bands(folder / S1 / radar_name(number), ("VV", "VH")) for number in order])
    means = np.where(radar > -99, radar, np.nan).reshape(6, 2, 60, 2, 60, 2).mean((3, 5))
    valid = np.isfinite(means).all(axis=1)
    assert not valid[:, 0, :4].any() and valid.sum() == 6 * (60 * 60 - 4)
    sets.check(store, "sentinel-1", means, valid, "dB")
    assert store.patch_pixels * store.attrs["resolution_m"] == 1200


def test_random_lists(folder: Path, sets: Any, tmp_path: Path) -> None:
    """Snow, clouds and a patch without a partner are left out, and it is said which and why."""
    entry = {"set": "bigearthnet", "folder": str(folder), "lists": "random"}
    with (folder / "bigearthnet-train.txt").open("a") as file:
        file.write("S2A_MSIL2A_20170613T101031_61_99\n")
    store = sets.collect(tmp_path, **entry)
    assert store.samples == 4
    assert store.attrs["lost"] == {
        "under snow": 1,
        "under clouds or their shadow": 1,
        "without a Sentinel-1 partner": 1,
    }
    assert (
        f"{optical_name(1)},train,{optical_name(1)},0,0,,under snow" in (tmp_path / "samples.csv").read_text()
    )


def test_patches_that_lack_files(folder: Path, sets: Any, tmp_path: Path) -> None:
    """An empty folder, or one without a band or its JSON, is a file that is not there, at the listing."""
    own = tmp_path / "set"
    shutil.copytree(folder, own, copy_function=os.link)
    for file in (own / S2 / optical_name(0)).iterdir():
        file.unlink()
    radar = own / S1 / radar_name(2)
    (radar / f"{radar.name}_VH.tif").unlink()
    about = own / S2 / optical_name(3) / f"{optical_name(3)}_labels_metadata.json"
    about.unlink()
    entry = {"set": "bigearthnet", "folder": str(own)}
    message = rf"/{optical_name(0)}_B01.tif, with it files of 3 of 6 samples .*partial: true"
    with pytest.raises(RevisitError, match=message):
        sets.survey(tmp_path, **entry)
    store = sets.collect(tmp_path, **entry, partial=True, allow_empty=True)
    assert (store.samples, store.attrs["lost"]) == (3, {"not among the files": 3})
    # Of Sentinel-1 alone its partner's label is not needed; without its own JSON it is nobody's partner.
    (own / S1 / radar_name(1) / f"{radar_name(1)}_labels_metadata.json").unlink()
    alone = {"sensors": ["sentinel-1"], "partial": True, "allow_empty": True, "lists": "random"}
    (own / "patches_with_seasonal_snow.csv").unlink()
    (own / "patches_with_seasonal_snow.csv").write_text("")
    (own / "bigearthnet-train.txt").unlink()
    (own / "bigearthnet-train.txt").write_text("".join(f"{optical_name(n)}\n" for n in (0, 1, 4)))
    store = sets.collect(tmp_path / "s1", **entry, **alone)
    assert store.attrs["lost"] == {
        "without a Sentinel-1 partner": 1, "not among the files": 1, "under clouds or their shadow": 1,
    }  # fmt: skip


def test_one_sensor(folder: Path, sets: Any, tmp_path: Path) -> None:
    """Sentinel-2 alone needs nothing of Sentinel-1, and Sentinel-1 alone has labels and places too."""
    (tmp_path / "set").mkdir()
    for part in ("train", "val", "test"):
        text = (folder / f"bigearthnet-{part}.txt").read_text().splitlines()
        own = [line for line in text if not line.endswith("_99")]
        (tmp_path / f"set/bigearthnet-{part}.csv").write_text("\n".join(own) + "\n")
    (tmp_path / "set" / S2).symlink_to(folder / S2)
    entry = {"set": "bigearthnet", "folder": str(tmp_path / "set")}
    with pytest.raises(RevisitError, match=r"BigEarthNet-S1-v1.0 is not there; .*CDLA-Permissive-1.0"):
        sets.survey(tmp_path, **entry)
    store = sets.collect(tmp_path / "out", **entry, sensors=["sentinel-2"])
    assert (store.kind, list(store.bands)) == ("dates", ["sentinel-2"])
    (tmp_path / "set" / S1).symlink_to(folder / S1)
    with pytest.raises(RevisitError, match="names no patch of sentinel-1 beside S2A"):
        sets.survey(tmp_path, **entry)
    radar = sets.collect(tmp_path / "s1", set="bigearthnet", folder=str(folder), sensors=["sentinel-1"])
    np.testing.assert_array_equal(radar.multi_label(np.arange(6)), store.multi_label(np.arange(6)))
    np.testing.assert_allclose(radar.where()["x"], store.where()["x"], atol=1)


def test_unknown_label(folder: Path, sets: Any, tmp_path: Path) -> None:
    """A label that CORINE does not have ends the import, and is named."""
    (tmp_path / "set").mkdir()
    for part in ("train", "val", "test"):
        (tmp_path / f"set/bigearthnet-{part}.csv").write_text(
            (folder / f"bigearthnet-{part}.csv").read_text()
        )
    (tmp_path / "set" / S1).symlink_to(folder / S1)
    (tmp_path / "set" / S2).mkdir()
    for number in range(6):
        name = optical_name(number)
        (tmp_path / "set" / S2 / name).mkdir()
        for file in (folder / S2 / name).iterdir():
            (tmp_path / "set" / S2 / name / file.name).symlink_to(file)
    about = tmp_path / "set" / S2 / optical_name(3) / f"{optical_name(3)}_labels_metadata.json"
    about.unlink()
    about.write_text(json.dumps({"labels": ["Rice"], "acquisition_date": "2017-06-13 10:10:31"}))
    with pytest.raises(RevisitError, match="has the label 'Rice', which is no class of the set"):
        sets.collect(tmp_path, set="bigearthnet", folder=str(tmp_path / "set"))
    band = about.with_name(f"{optical_name(3)}_B11.tif")
    content = np.ones((1, 120, 120), np.uint16)
    band.unlink()
    sets.write(band, content)
    with pytest.raises(RevisitError, match=r"_61_3_B11.tif: is of 120 × 120 pixels, not 60 × 60"):
        sets.collect(tmp_path, set="bigearthnet", folder=str(tmp_path / "set"))
    about.write_text('{"labels": ')
    with pytest.raises(RevisitError, match=r"_labels_metadata.json: cannot be read .*; fetch the set again"):
        sets.collect(tmp_path, set="bigearthnet", folder=str(tmp_path / "set"))
    about.write_text('{"labels": []}')
    benchmark = open_set("some", {"set": "bigearthnet", "folder": str(tmp_path / "set")})
    (sample,) = (one for one in benchmark.samples() if one.name == optical_name(3))
    with pytest.raises(RevisitError, match=r"_metadata.json: does not say acquisition_date; fetch the set"):
        benchmark.read(sample)


def test_real_pairs(shared: Path, sets: Any, tmp_path: Path) -> None:
    """The six real pairs of the example come in with their pixels and labels."""
    example = shared / "real/bigearthnet_mm_example"
    if not example.is_dir():
        pytest.skip(f"no real pairs at {example}")
    (tmp_path / S2).symlink_to(example / "BigEarthNet-S2-Example")
    (tmp_path / S1).symlink_to(example / "BigEarthNet-S1-Example")
    partners = {}
    for about in sorted((tmp_path / S1).glob("*/*.json")):
        partners[json.loads(about.read_text())["corresponding_s2_patch"]] = about.parent.name
    names = sorted(partners)
    for part, own in {"train": names[:4], "val": names[4:5], "test": names[5:]}.items():
        lines = "".join(f"{name},{partners[name]}\n" for name in own)
        (tmp_path / f"bigearthnet-{part}.csv").write_text(lines)
    entry = {"set": "bigearthnet", "folder": str(tmp_path), "classes": list(range(1, 20))}
    store = sets.collect(tmp_path / "out", **entry, allow_empty=True)
    optical = np.stack([sets.read_bands(tmp_path / S2 / name, NAMES) for name in names]) / 10_000
    radar = np.stack([sets.read_bands(tmp_path / S1 / partners[name], ("VV", "VH")) for name in names])
    sets.check(store, "sentinel-2", optical, np.ones((6, 120, 120), bool), "reflectance")
    sets.check(store, "sentinel-1", radar, np.isfinite(radar).all(axis=1), "dB")
    assert_labels(store, [REAL[name.partition("T")[2].partition("_")[2]] for name in names])
    assert len(store.attrs["classes"]) == 19
    (number,) = (n for n, name in enumerate(names) if name.endswith("_56_35"))
    # Names of Sentinel-2 patches end in damaged times; the JSON is right.
    dates = store.dates(["blue"])[0, :, 0].astype("datetime64[ns]").astype("datetime64[s]").astype(str)
    assert dates[number] == "2017-12-21T11:25:01"
