"""DynamicEarthNet is imported in squares: BGR and infrared, one-hot maps, months, places; by its lists."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from revisit.errors import RevisitError
from revisit.patches.survey import open_set

SIDE, TILE = 1024, 512
CUBES = {"1330_3107_13": "train", "2196_3885_13": "val", "1417_3281_13": "test"}
MONTHS = ("2018-01", "2018-02")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sets: Any) -> Path:
    """A cube of each part, two months of one; both ways of lists to name images, of maps to write dates."""
    folder, random = tmp_path_factory.mktemp("dynamic"), np.random.default_rng(2)
    lists: dict[str, str] = dict.fromkeys(("train", "val", "test"), "")
    for number, (cube, part) in enumerate(CUBES.items()):
        for month in MONTHS if part == "train" else MONTHS[:1]:
            corner = (500_000 + 4000.0 * number, 4_000_000.0)
            image = random.integers(1, 4000, (4, 64, 64), np.int16).repeat(16, 1).repeat(16, 2)
            sets.write(folder / f"planet/10N/26E-183N/{cube}/PF-SR/{month}-01.tif", image, corner, 32610, 3)
            codes = random.integers(0, 8, (64, 64)).repeat(16, 0).repeat(16, 1)
            maps = np.where(codes == np.arange(1, 8)[:, None, None], 255, 0).astype(np.uint8)
            day = f"{month}-01" if part == "test" else f"{month}-01".replace("-", "_")
            label = f"labels/{cube}_10N/Labels/Raster/10N-121W-39N-L3H-SR/10N-121W-39N-L3H-SR-{day}.tif"
            sets.write(folder / label, maps, corner, 32610, 3)
            above = "/reprocess-cropped/UTM-24000" if part == "val" else ""
            lists[part] += f"{above}/10N/26E-183N/{cube}//PF-SR /{label} {month}\n"
    for part, text in lists.items():
        (folder / "split_info").mkdir(exist_ok=True)
        (folder / f"split_info/{part}.txt").write_text(text)
    return folder


def squares(image: np.ndarray) -> list[np.ndarray]:
    """Those of an image (..., y, x), row by row."""
    return [image[..., y : y + TILE, x : x + TILE] for y in (0, TILE) for x in (0, TILE)]


def test_squares(folder: Path, sets: Any, tmp_path: Path) -> None:
    """Pixels, maps, places and dates of squares; snow has no label but where it is asked for."""
    entry = {"set": "dynamic-earthnet", "folder": str(folder), "tile_pixels": TILE}
    store = sets.collect(tmp_path, **entry)
    images, codes, centres = [], [], []
    for cube in CUBES:
        for path in sorted((folder / f"planet/10N/26E-183N/{cube}/PF-SR").iterdir()):
            with rasterio.open(path) as file:
                images += squares(file.read())
                middles = [(y, x) for y in (256, 768) for x in (256, 768)]
                x, y = rasterio.warp.transform(
                    file.crs, 4326, *zip(*(file.transform @ (x, y) for y, x in middles), strict=True)
                )
                centres += list(zip(x, y, strict=True))
        for path in sorted((folder / f"labels/{cube}_10N").rglob("*.tif")):
            with rasterio.open(path) as file:
                whole = (file.read() == 255) * np.arange(1, 8)[:, None, None]
            codes += squares(whole.sum(axis=0))
    assert store.bands == {"sentinel-2": ["blue", "green", "red", "nir"]}
    valid = np.ones((16, TILE, TILE), bool)
    sets.check(store, "sentinel-2", np.stack(images) / np.float32(10_000), valid, "reflectance")
    expected = np.stack(codes)
    np.testing.assert_array_equal(store.land_cover(np.arange(16)), np.where(expected == 7, 0, expected))
    assert store.attrs["legend"]["codes"] == list(range(1, 7))
    snowy = open_set("some", entry | {"snow": True})
    np.testing.assert_array_equal(snowy.read(snowy.samples()[2]).label_map, expected[2])
    assert snowy.legend.codes == list(range(1, 8))
    where = store.where()
    np.testing.assert_allclose(np.stack([where["longitude"], where["latitude"]], 1), centres, atol=1e-6)
    # Both months of a square are of one place.
    assert store.positions.tolist() == [0, 1, 2, 3] * 2 + list(range(4, 12))
    days = store.dates(["red"])[0, :, 0].astype("datetime64[ns]").astype("datetime64[D]").astype(str)
    assert days.tolist() == ["2018-01-01"] * 4 + ["2018-02-01"] * 4 + ["2018-01-01"] * 8
    assert where["split"].tolist() == ["train"] * 8 + ["val"] * 4 + ["test"] * 4
    assert store.attrs["resolution_m"] == 3
    assert "miou" in sets.scored(store, "segmentation", "pixel-statistics", "s2")


def test_score_on_validation(tmp_path: Path) -> None:
    """Every tenth cube of training validates, whole: squares and months of a cube are much alike."""
    (tmp_path / "split_info").mkdir()
    for part, numbers in {"train": range(20), "val": [20], "test": [21]}.items():
        lines = (f"10N/a/{n}_1_13 labels/{n}-{month}.tif {month}\n" for n in numbers for month in MONTHS)
        (tmp_path / f"split_info/{part}.txt").write_text("".join(lines))
    entry = {"set": "dynamic-earthnet", "folder": str(tmp_path), "tile_pixels": TILE, "score_on": "val"}
    samples = open_set("some", entry).samples()
    cubes = {
        part: {one.place.partition("-")[0] for one in samples if one.part == part}
        for part in ("train", "val", "test")
    }
    assert cubes["val"] == {"9_1_13", "19_1_13"} and cubes["test"] == {"20_1_13"}
    assert len(cubes["train"]) == 18 and not cubes["train"] & cubes["val"]


def test_bad_sets(folder: Path, sets: Any, tmp_path: Path) -> None:
    """Squares that do not fit, a line of another sort, a map of other values, a cube that is not there."""
    entry = {"set": "dynamic-earthnet", "folder": str(tmp_path), "tile_pixels": TILE}
    # How many squares there are follows from their side.
    assert open_set("some", entry).source.samples == 75 * 24 * 2 * 2
    assert open_set("some", entry | {"tile_pixels": 64}).source.training == 55 * 24 * 16 * 16
    with pytest.raises(RevisitError, match="tile_pixels: 300 does not divide 1024"):
        open_set("some", entry | {"tile_pixels": 300})
    with pytest.raises(RevisitError, match=r"split_info/train.txt is not there; DynamicEarthNet"):
        sets.survey(tmp_path, **entry)
    (tmp_path / "dynnet_training_splits").mkdir()
    for part in ("train", "val", "test"):
        text = (folder / f"split_info/{part}.txt").read_text()
        (tmp_path / f"dynnet_training_splits/{part}.txt").write_text(text)
    (tmp_path / "planet").symlink_to(folder / "planet")
    (tmp_path / "labels").mkdir()
    for cube in ("1330_3107_13_10N", "2196_3885_13_10N"):
        (tmp_path / "labels" / cube).symlink_to(folder / "labels" / cube)
    with pytest.raises(RevisitError, match=r"2018-01-01.tif, with it files of 4 of 16 samples"):
        sets.survey(tmp_path, **entry)
    wrong = next((folder / "labels/1417_3281_13_10N").rglob("*.tif")).relative_to(folder)
    sets.write(tmp_path / wrong, np.full((7, SIDE, SIDE), 3, np.uint8))
    with pytest.raises(RevisitError, match=r"has the label 3, which the set does not know"):
        sets.collect(tmp_path, **entry)
    sets.write(tmp_path / wrong, np.zeros((6, 32, 32), np.uint8))
    benchmark = open_set("some", entry)
    with pytest.raises(RevisitError, match=r"is of the shape \(6, 32, 32\), not \(7, 1024, 1024\)"):
        benchmark.read(benchmark.samples()[-1])
    (tmp_path / "dynnet_training_splits/val.txt").write_text("/10N/26E-183N/1330_3107_13 2018-01\n")
    with pytest.raises(
        RevisitError, match=r"the list of val has the line '/10N/26E.* 2018-01', which is not a folder"
    ):
        sets.survey(tmp_path, **entry)
