"""BigEarthNet v2 is imported from its folders of products, its table of patches and its reference maps."""

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
from revisit.evaluation.tasks.segmentation import SegmentationGiven
from revisit.patches.benchmarks import bigearthnet, bigearthnet_v2

# Six rows with the columns, their order and their types of the published table, as pyarrow writes them.
METADATA = Path(__file__).parent / "data/metadata.parquet"
S2 = "BigEarthNet-S2/S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
S1 = "BigEarthNet-S1/S1A_IW_GRDH_1SDV_20170613T165043"
MAPS = "Reference_Maps/S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
SIDES = {"B01": 20, "B09": 20} | dict.fromkeys(["B05", "B06", "B07", "B8A", "B11", "B12"], 60)
BANDS = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]
# In order of train, validation, test: a patch's place in its tile, its CORINE codes, what of them is labelled
# (number among the 19 classes) and the labels of the table, some too small for the map.
PATCHES: list[tuple[str, list[int], list[int], set[str]]] = [
    ("26_57", [211, 112, 999], [3, 1, 0], {"Arable land", "Urban fabric"}),
    ("05_07", [512, 523, 423], [18, 19, 0], {"Inland waters", "Marine waters"}),
    ("00_83", [122, 335, 999], [0, 0, 0], {"Urban fabric"}),  # a map that says nothing: the table does
    ("28_66", [231, 231, 231], [5, 5, 5], {"Pastures"}),
    ("61_39", [213, 313, 141], [3, 11, 0], {"Arable land", "Mixed forest", "Pastures"}),
    ("31_75", [321, 333, 333], [12, 12, 12], {"Natural grassland and sparsely vegetated areas"}),
]


# CORINE's classes of level 3 by their codes, and the class of the 19, if any, that each is merged into: as
# BigEarthNet's authors number them (0 to 18).
NOMENCLATURE: dict[int, tuple[str, int | None]] = {
    111: ("Continuous urban fabric", 0), 112: ("Discontinuous urban fabric", 0),
    121: ("Industrial or commercial units", 1), 122: ("Road and rail networks and associated land", None),
    123: ("Port areas", None), 124: ("Airports", None), 131: ("Mineral extraction sites", None),
    132: ("Dump sites", None), 133: ("Construction sites", None), 141: ("Green urban areas", None),
    142: ("Sport and leisure facilities", None), 211: ("Non-irrigated arable land", 2),
    212: ("Permanently irrigated land", 2), 213: ("Rice fields", 2), 221: ("Vineyards", 3),
    222: ("Fruit trees and berry plantations", 3), 223: ("Olive groves", 3), 231: ("Pastures", 4),
    241: ("Annual crops associated with permanent crops", 3), 242: ("Complex cultivation patterns", 5),
    243: ("Land principally occupied by agriculture, with significant areas of natural vegetation", 6),
    244: ("Agro-forestry areas", 7), 311: ("Broad-leaved forest", 8), 312: ("Coniferous forest", 9),
    313: ("Mixed forest", 10), 321: ("Natural grassland", 11), 322: ("Moors and heathland", 12),
    323: ("Sclerophyllous vegetation", 12), 324: ("Transitional woodland/shrub", 13),
    331: ("Beaches, dunes, sands", 14), 332: ("Bare rock", None), 333: ("Sparsely vegetated areas", 11),
    334: ("Burnt areas", None), 411: ("Inland marshes", 15), 412: ("Peatbogs", 15), 421: ("Salt marshes", 16),
    422: ("Salines", 16), 423: ("Intertidal flats", None), 511: ("Water courses", 17),
    512: ("Water bodies", 17), 521: ("Coastal lagoons", 18), 522: ("Estuaries", 18),
    523: ("Sea and ocean", 18),
}  # fmt: skip


def optical_folder(folder: Path, place: str) -> Path:
    return folder / S2 / f"{Path(S2).name}_{place}"


def radar_folder(folder: Path, place: str) -> Path:
    return folder / S1 / f"{Path(S1).name}_33UUP_{place}"


def map_path(folder: Path, place: str) -> Path:
    name = f"{Path(MAPS).name}_{place}"
    return folder / MAPS / name / f"{name}_reference_map.tif"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sets: Any) -> Path:
    """The six patches; beside them a side file, and the table of what lies under snow and clouds."""
    folder, random = tmp_path_factory.mktemp("v2"), np.random.default_rng(4)
    (folder / METADATA.name).write_bytes(METADATA.read_bytes())
    (folder / "metadata_for_patches_with_snow_cloud_or_shadow.parquet").write_bytes(METADATA.read_bytes())
    for number, (place, codes, *_) in enumerate(PATCHES):
        corner = (300_000 + 1200.0 * number, 5_342_400.0)
        sides = {band: SIDES.get(band, 120) for band in BANDS}
        bands = {band: random.integers(1, 5000, (side, side), np.uint16) for band, side in sides.items()}
        sets.write_bands(optical_folder(folder, place), bands, corner)
        (optical_folder(folder, place) / "B02.tif.aux.xml").write_text("<PAMDataset/>")
        decibel = random.normal(-12, 4, (2, 120, 120)).astype(np.float32)
        sets.write_bands(radar_folder(folder, place), dict(zip(("VV", "VH"), decibel, strict=True)), corner)
        cover = np.tile(np.repeat(np.array(codes, np.uint16), 40), (120, 1))
        sets.write(map_path(folder, place), cover[None], corner, 32633)
    return folder


def test_pairs(folder: Path, sets: Any, tmp_path: Path) -> None:
    """Bands, dates and places of the files; labels of the table, maps in 19 classes, and its own split."""
    store = sets.collect(tmp_path, set="bigearthnet-v2", folder=str(folder))
    places = [place for place, *_ in PATCHES]
    optical = np.stack([sets.read_bands(optical_folder(folder, place), BANDS) for place in places])
    radar = np.stack([sets.read_bands(radar_folder(folder, place), ("VV", "VH")) for place in places])
    everywhere = np.ones((6, 120, 120), bool)
    sets.check(store, "sentinel-2", optical / 10_000, everywhere, "reflectance")
    sets.check(store, "sentinel-1", radar, everywhere, "dB")
    assert store.kind == "pairs"
    assert store.where()["split"].tolist() == ["train"] * 3 + ["val"] + ["test"] * 2
    dates = store.dates(["vv", "blue"])[:, 0, 0].astype("datetime64[ns]").astype("datetime64[s]")
    assert dates.astype(str).tolist() == ["2017-06-13T16:50:43", "2017-06-13T10:10:31"]
    with rasterio.open(optical_folder(folder, "05_07") / f"{Path(S2).name}_05_07_B02.tif") as file:
        where = store.where()
        np.testing.assert_allclose((where["longitude"][1], where["latitude"][1]), file.lnglat(), atol=1e-6)
    maps = np.stack([np.tile(np.repeat(numbers, 40), (120, 1)) for _, _, numbers, _ in PATCHES])
    np.testing.assert_array_equal(store.land_cover(np.arange(6)), maps)
    assert store.labelled.all()
    classes = store.attrs["classes"]
    assert set(classes) == {"Arable land", "Urban fabric", "Inland waters", "Marine waters"}
    for labels, (*_, wanted) in zip(store.multi_label(np.arange(6)), PATCHES, strict=True):
        assert {classes[number] for number in np.flatnonzero(labels)} == wanted & set(classes)


def test_both_versions_merge_corine_alike() -> None:
    """By name in version 1, by code in version 2; glaciers are in neither, 999 is no code of CORINE."""
    merged = {name: number for name, number in NOMENCLATURE.values() if number is not None}
    assert merged == bigearthnet.NUMBERS
    assert sorted(bigearthnet.LEFT_OUT) == sorted(name for name, to in NOMENCLATURE.values() if to is None)
    codes = {code: number + 1 for code, (_, number) in NOMENCLATURE.items() if number is not None}
    assert {
        int(code): int(bigearthnet_v2.CODES[code]) for code in np.flatnonzero(bigearthnet_v2.CODES)
    } == codes
    assert {*bigearthnet_v2.NO_LABEL} == {*NOMENCLATURE} - {*codes} | {335, 999}


def test_tasks(folder: Path, sets: Any, tmp_path: Path) -> None:
    """Scenes and maps are learnt from it, here from the middle; a map that says nothing leaves the labels."""
    asked = {"classes": [3, 5, 12], "sensors": ["sentinel-2"], "allow_empty": True, "patch_pixels": 112}
    store = sets.collect(tmp_path, set="bigearthnet-v2", folder=str(folder), **asked)
    assert (store.kind, list(store.bands)) == ("dates", ["sentinel-2"])
    optical = np.stack(
        [sets.read_bands(optical_folder(folder, place), BANDS)[:, 4:-4, 4:-4] for place, *_ in PATCHES]
    )
    sets.check(store, "sentinel-2", optical / 10_000, np.ones((6, 112, 112), bool), "reflectance")
    maps = np.stack([np.tile(np.repeat(numbers, 40)[4:-4], (112, 1)) for _, _, numbers, _ in PATCHES])
    np.testing.assert_array_equal(store.land_cover(np.arange(6)), maps)
    for task, given in (("multi-label", Given()), ("segmentation", SegmentationGiven())):
        data = parts.find("task", task).data(store, "s2", given)
        assert [len(data.train), len(data.val), len(data.test)] == [3, 1, 2]
    assert "micro_map" in sets.scored(store, "multi-label", "band-statistics", "s2")
    assert "miou" in sets.scored(store, "segmentation", "pixel-statistics", "s2")


def test_patches_that_lack_files(folder: Path, sets: Any, tmp_path: Path) -> None:
    """One without a band and one without its map are left out, or are an error of one line."""
    own = tmp_path / "set"
    shutil.copytree(folder, own, copy_function=os.link)
    (band := optical_folder(own, "05_07") / f"{Path(S2).name}_05_07_B12.tif").unlink()
    map_path(own, "61_39").unlink()
    entry = {"set": "bigearthnet-v2", "folder": str(own)}
    with pytest.raises(RevisitError, match=f"{band.name}, with it files of 2 of 6 samples"):
        sets.survey(tmp_path, **entry)
    store = sets.collect(tmp_path, **entry, partial=True)
    assert (store.samples, store.attrs["lost"]) == (4, {"not among the files": 2})


def test_bad_sets(folder: Path, sets: Any, tmp_path: Path) -> None:
    """What is missing, of another split, class or code, or damaged: each in a line that names it."""
    import fastparquet
    import pandas as pd

    entry, table = {"set": "bigearthnet-v2", "folder": str(tmp_path)}, tmp_path / METADATA.name
    for name in ("BigEarthNet-S1", "BigEarthNet-S2"):
        (tmp_path / name).symlink_to(folder / name)
    with pytest.raises(RevisitError, match=r"Reference_Maps is not there; BigEarthNet v2.0 \(480,038 pairs"):
        sets.survey(tmp_path, **entry)
    maps = tmp_path / "Reference_Maps"
    maps.symlink_to(folder / "Reference_Maps")
    with pytest.raises(RevisitError, match=r"metadata.parquet is not there; .*zenodo.org/records/10891137"):
        sets.survey(tmp_path, **entry)
    table.write_bytes(METADATA.read_bytes()[:-300])
    with pytest.raises(RevisitError, match=r"metadata.parquet: cannot be read \("):
        sets.survey(tmp_path, **entry)
    rows = {"patch_id": ["a_1_1", "a_1_2"], "s1_name": ["b_33UUP_1_1", "b_33UUP_1_2"]}
    fastparquet.write(table, pd.DataFrame(rows))
    with pytest.raises(RevisitError, match=r"metadata.parquet: cannot be read \(.*split"):
        sets.survey(tmp_path, **entry)
    fastparquet.write(table, pd.DataFrame(rows | {"split": ["train", "dev"]}))
    with pytest.raises(RevisitError, match="a_1_2 is in the split 'dev', which is none of train, validation"):
        sets.survey(tmp_path, **entry)
    fastparquet.write(table, pd.DataFrame(rows | {"split": ["train", "train"]}))
    with pytest.raises(RevisitError, match=r"S1/b/b_33UUP_1_1, with it files of 2 of 2 samples"):
        sets.survey(tmp_path, **entry)
    table.write_bytes(METADATA.read_bytes().replace(b"Pastures", b"Pasturez"))
    with pytest.raises(RevisitError, match="T33UUP_28_66 has the label 'Pasturez', which is no class"):
        sets.collect(tmp_path / "out", **entry)
    table.write_bytes(METADATA.read_bytes())
    maps.unlink()
    for place, *_ in PATCHES:
        code = 44 if place == "61_39" else 231
        sets.write(map_path(tmp_path, place), np.full((1, 120, 120), code, np.uint16))
    with pytest.raises(RevisitError, match=r"61_39_reference_map.tif: has the label 44, which the set does"):
        sets.collect(tmp_path / "out", **entry)
