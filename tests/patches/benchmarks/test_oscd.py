"""OSCD is imported in squares of both dates with their map of change, from either form of the images."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from revisit import parts
from revisit.errors import RevisitError
from revisit.evaluation.task import Given
from revisit.patches.benchmark import Sample
from revisit.patches.survey import open_set

IMAGES = "Onera Satellite Change Detection dataset - Images"
LABELS = "Onera Satellite Change Detection dataset - {} Labels"
FILES = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]
METRES = {"B01": 60, "B09": 60, "B10": 60} | dict.fromkeys(["B05", "B06", "B07", "B8A", "B11", "B12"], 20)
TOWNS = {"abudhabi": "train", "beirut": "train", "rennes": "train", "dubai": "test"}
SHAPE, SIDE = (60, 84), 24  # whole pixels of 60 m; half a square is left over on either side


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sets: Any) -> Path:
    """Four towns in both forms, without a reference system; the lists are one line with commas."""
    folder, random = tmp_path_factory.mktemp("oscd"), np.random.default_rng(5)
    for number, (town, part) in enumerate(TOWNS.items()):
        own = folder / IMAGES / town
        for date, stem in ((1, "S2A_OPER_MSI_L1C_T40RCN_{}"), (2, "T40RCN_20180330T064621_{}")):
            for band in FILES:
                coarse = tuple(side * 10 // METRES.get(band, 10) for side in SHAPE)
                numbers = random.integers(1, 3000, (1, *coarse), np.uint16)
                sets.write(own / f"imgs_{date}" / f"{stem.format(band)}.tif", numbers)
                numbers = random.integers(1, 3000, (1, *SHAPE), np.uint16)
                sets.write(own / f"imgs_{date}_rect" / f"{band}.tif", numbers)
        (own / "dates.txt").write_text("date_1: 20151211\ndate_2: 20180330\n")
        west, south = 10.0 + number, 20.0
        ring = [
            [west, south],
            [west + 0.2, south],
            [west + 0.2, south + 0.1],
            [west, south + 0.1],
            [west, south],
        ]
        outline = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}
        if town != "rennes":
            (own / f"{town}.geojson").write_text(json.dumps({"features": [outline]}))
        changes = np.where(random.random(SHAPE) < 0.2, 255, 0).astype(np.uint8)
        path = folder / LABELS.format(part.title()) / town / "cm/cm.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(changes).save(path)
    for part in ("train", "test"):
        towns = ",".join(town for town, of in TOWNS.items() if of == part)
        (folder / IMAGES / f"{part}.txt").write_text(towns + "\n")
    return folder


def squares(image: np.ndarray) -> np.ndarray:
    """An image (..., y, x) in squares, row by row, filled up with 0: (square, ..., y, x)."""
    space = [(0, 0)] * (image.ndim - 2) + [(0, -length % SIDE) for length in SHAPE]
    whole = np.pad(image, space)
    return np.stack(
        [
            whole[..., row : row + SIDE, column : column + SIDE]
            for row in range(0, whole.shape[-2], SIDE)
            for column in range(0, whole.shape[-1], SIDE)
        ]
    )


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def finer(coarse: np.ndarray) -> np.ndarray:
    """Bilinear, on the grid of 10 m."""
    for axis, length in enumerate(SHAPE):
        own = (np.arange(coarse.shape[axis]) + 0.5) * length / coarse.shape[axis]
        fine = np.arange(length) + 0.5
        coarse = np.apply_along_axis(
            lambda line, own=own, fine=fine: np.interp(fine, own, line), axis, coarse
        )
    return coarse


@pytest.mark.parametrize("rectified", [True, False])
def test_squares(folder: Path, sets: Any, tmp_path: Path, rectified: bool) -> None:
    """Both dates of a square, its map, its town's part of the split, and what lies over the edge."""
    entry = {"set": "oscd", "folder": str(folder), "tile_pixels": SIDE, "validation_towns": ["beirut"]}
    store = sets.collect(tmp_path, **entry, rectified=rectified, stores=2)
    images, changes, inside = [], [], []
    for town in ("abudhabi", "beirut", "rennes", "dubai"):
        both = []
        for date in (1, 2):
            own = folder / IMAGES / town / f"imgs_{date}{'_rect' if rectified else ''}"
            files = [next(own.glob(f"*{band}.tif")) for band in FILES]
            both.append(np.stack([finer(read(file).astype(float)) for file in files]))
        images.append(squares(np.stack(both)))
        inside.append(squares(np.ones((2, *SHAPE), bool)))
        path = folder / LABELS.format(TOWNS[town].title()) / town / "cm/cm.png"
        changes.append(squares(np.where(np.asarray(Image.open(path)) == 255, 2, 1)))
    assert store.samples == 4 * 3 * 4
    sets.check(store, "sentinel-2", np.concatenate(images) / 10_000, np.concatenate(inside), "reflectance")
    np.testing.assert_array_equal(store.land_cover(np.arange(48)), np.concatenate(changes))
    assert store.where()["split"].tolist() == ["train"] * 12 + ["val"] * 12 + ["train"] * 12 + ["test"] * 12
    assert (store.kind, store.attrs["time_axis"], store.attrs["classes"]) == (
        "bitemporal", True, ["No change", "Change"],
    )  # fmt: skip
    assert store.present(["blue"]).all()
    days = store.dates(["blue"])[0, 0].astype("datetime64[ns]").astype("datetime64[D]")
    assert days.astype(str).tolist() == ["2015-12-11", "2018-03-30"]
    # The second square of the first town: a box of 0.2 by 0.1 degrees from 10 east, 20 north.
    longitude, latitude = (store.where()[key] for key in ("longitude", "latitude"))
    assert longitude[1] == pytest.approx(10 + 0.2 * 1.5 * SIDE / SHAPE[1])
    assert latitude[1] == pytest.approx(20.1 - 0.1 * 0.5 * SIDE / SHAPE[0])
    assert np.isnan(longitude[24:36]).all() and np.isfinite(longitude[36:]).all()
    # The task learns change as 1 and the rest as 0, and nothing of what lies over the edge.
    data = parts.find("task", "change").data(store, "rgb", Given())
    np.testing.assert_array_equal(
        data.labels(data.test).astype(int), (np.concatenate(changes)[36:] - 1) % 256
    )
    assert "f1" in sets.scored(store, "change", "difference-statistics", "rgb")


def test_bad_sets(folder: Path, sets: Any, tmp_path: Path) -> None:
    """A town without its map, a map of other values, a town that no list has: each in a line."""
    (tmp_path / IMAGES).symlink_to(folder / IMAGES)
    (tmp_path / LABELS.format("Test")).symlink_to(folder / LABELS.format("Test"))
    for town in ("abudhabi", "beirut", "rennes"):
        (tmp_path / LABELS.format("Train") / town).mkdir(parents=True)
        (tmp_path / LABELS.format("Train") / town / "cm").symlink_to(
            folder / LABELS.format("Train") / town / "cm"
        )
    entry = {"set": "oscd", "folder": str(tmp_path), "tile_pixels": SIDE, "validation_towns": ["beirut"]}
    with pytest.raises(
        RevisitError, match=r"'paris' is not in the training list .*, there is abudhabi, beirut"
    ):
        sets.survey(tmp_path, **entry | {"validation_towns": ["paris"]})
    cut = tmp_path / LABELS.format("Train") / "rennes/cm"
    cut.unlink()
    with pytest.raises(RevisitError, match=r"rennes/cm/cm.png, with it files of 1 of 37 samples"):
        sets.survey(tmp_path, **entry)
    assert sets.survey(tmp_path / "partial", partial=True, **entry)
    cut.mkdir()
    Image.fromarray(np.full(SHAPE, 7, np.uint8)).save(cut / "cm.png")
    with pytest.raises(RevisitError, match=r"rennes/cm/cm.png: has the label 7"):
        sets.survey(tmp_path, **entry)


@pytest.mark.parametrize(
    ("rectified", "gone"), [(True, "dates.txt"), (True, "imgs_2_rect/B8A.tif"), (False, "imgs_1/*B04.tif")]
)
def test_a_town_that_lacks_a_file(
    folder: Path, sets: Any, tmp_path: Path, rectified: bool, gone: str
) -> None:
    """All its squares are left out, or the file is named before any image is read."""
    own = tmp_path / "set"
    shutil.copytree(folder, own, copy_function=os.link)
    next((own / IMAGES / "abudhabi").glob(gone)).unlink()
    entry = {"set": "oscd", "folder": str(own), "tile_pixels": SIDE, "validation_towns": ["beirut"]}
    with pytest.raises(RevisitError, match=rf"{re.escape(gone)}, with it files of 12 of 48 samples"):
        sets.survey(tmp_path, **entry, rectified=rectified)
    store = sets.collect(tmp_path, **entry, rectified=rectified, partial=True)
    assert (store.samples, store.attrs["lost"]) == (36, {"not among the files": 12})


def test_bad_town(folder: Path, tmp_path: Path) -> None:
    """Of a town: a band that is not there, or twice, and dates that are not said."""
    town, of_set = tmp_path / IMAGES / "abudhabi", folder / IMAGES / "abudhabi"
    shutil.copytree(of_set, town)
    (tmp_path / LABELS.format("Train")).symlink_to(folder / LABELS.format("Train"))
    files = (f"{IMAGES}/abudhabi", f"{LABELS.format('Train')}/abudhabi/cm/cm.png")
    small, large = (
        open_set("some", {"set": "oscd", "folder": str(tmp_path), "tile_pixels": side}).source
        for side in (8, 2048)
    )
    assert small.training > 10_000 and large.training >= 14
    sample, entry = Sample("abudhabi-0-0", "train", "", files), {"set": "oscd", "folder": str(tmp_path)}
    (town / "abudhabi.geojson").write_text('{"features": []}')
    with pytest.raises(RevisitError, match=r"abudhabi.geojson: is no outline of one polygon \(.*; fetch the"):
        open_set("some", entry).read(sample)
    (town / "abudhabi.geojson").unlink()
    (town / "dates.txt").write_text("date_2: 20180330\ndate_1: 20151211\n")
    dates = open_set("some", entry).read(sample).looks["sentinel-2"].times
    assert dates.astype("datetime64[D]").astype(str).tolist() == ["2015-12-11", "2018-03-30"]
    (band := town / "imgs_2_rect/B8A.tif").unlink()
    shutil.copy(next((town / "imgs_2").glob("*B8A.tif")), band)
    with pytest.raises(RevisitError, match=r"imgs_2_rect/B8A.tif: is of 30 × 42 pixels, not 60 × 84"):
        open_set("some", entry).read(sample)
    band.unlink()
    with pytest.raises(RevisitError, match=r"imgs_2_rect/B8A.tif: cannot be read"):
        open_set("some", entry).read(sample)
    shutil.copy(next((town / "imgs_1").glob("*B04.tif")), town / "imgs_1/other_B04.tif")
    with pytest.raises(RevisitError, match=r"imgs_1/\*B04.tif: there are 2; leave the one that came with"):
        open_set("some", entry | {"rectified": False}).read(sample)
    (town / "dates.txt").write_text("date_1: 20151211\n")
    with pytest.raises(
        RevisitError, match=r"dates.txt: does not say the dates of both images; fetch the set"
    ):
        open_set("some", entry).read(sample)
