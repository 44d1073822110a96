"""Protects the map as a file: where it lies, what its numbers mean, and that it is whole or not there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import torch
from rasterio.warp import transform_bounds

from revisit.cube.grid import Block
from revisit.evaluation.trained_model import TrainedModel, save_model
from revisit.nets.segmentation.unet import UNet
from revisit.prediction.command import main
from revisit.prediction.predict import predict

HEIGHT, WIDTH = 530, 1100  # several blocks of the file, the last ones small


@pytest.fixture
def values() -> np.ndarray:
    """Squares of 50 pixels, bright or dark in both bands."""
    coarse = np.random.default_rng(0).integers(0, 2, (HEIGHT // 50 + 1, WIDTH // 50 + 1))
    level = 40 + 170 * coarse.repeat(50, axis=0).repeat(50, axis=1)[:HEIGHT, :WIDTH]
    return np.stack([level, level]).astype(np.uint8)


@pytest.fixture
def images(values: np.ndarray, held: Any) -> Any:
    """The same, without data in a corner."""
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[:30, -40:] = False
    return held(values, valid)


def test_a_map_is_a_cog_in_its_place(levels: TrainedModel, images: Any, tmp_path: Path) -> None:
    """Every pixel, where it lies, what it is called, its colour; and GDAL's own word that it is a COG."""
    path = tmp_path / "some/map.tif"
    preview = predict(levels, images, path)
    expected = np.where(images.valid, 1 + (images.values[0] > 127), 0)
    with rasterio.open(path) as file:
        assert np.array_equal(file.read(1), expected)
        assert file.crs.to_epsg() == 32631 and file.transform == images.place.transform
        assert file.nodata == 0 and file.dtypes == ("uint8",)
        structure = file.tags(ns="IMAGE_STRUCTURE")
        assert structure["LAYOUT"] == "COG" and structure["COMPRESSION"] == "DEFLATE"
        assert file.overviews(1) == [2, 4]
        assert json.loads(file.tags()["classes"]) == {"1": "Water", "2": "Land"}
        assert file.tags(1)["class_2"] == "Land"
        colours = file.colormap(1)
        assert colours[1] == (0, 0x64, 0xC8, 255) and colours[2] == (0xB9, 0xCF, 0x9A, 255)
        assert colours[0][3] == 0
    shares = {"Water": (expected == 1).sum(), "Land": (expected == 2).sum()}
    assert preview.shares() == {name: count / (expected > 0).sum() for name, count in shares.items()}
    assert np.array_equal(preview.codes, expected[:: preview.step, :: preview.step])
    assert sorted(file.name for file in path.parent.iterdir()) == ["map.json", "map.tif"]
    again = tmp_path / "again.tif"
    predict(levels, images, again)
    assert again.read_bytes() == path.read_bytes()


def test_its_item_is_valid_and_says_the_same(levels: TrainedModel, images: Any, tmp_path: Path) -> None:
    predict(levels, images, tmp_path / "map.tif")
    item = pystac.Item.from_file(tmp_path / "map.json")
    core = item.clone()
    core.stac_extensions = []  # their schemas are on the web alone
    core.validate()
    place = images.place
    assert item.bbox == pytest.approx(transform_bounds(place.crs, "EPSG:4326", *place.bounds), abs=1e-6)
    assert item.properties["proj:code"] == "EPSG:32631" and item.properties["proj:shape"] == [HEIGHT, WIDTH]
    assert item.properties["proj:transform"] == list(place.transform)[:6]
    assert item.properties["start_datetime"] == "2020-01-01T00:00:00Z"
    assert item.properties["revisit:validation"] == 0.75
    asset = item.assets["map"]
    assert Path(asset.get_absolute_href()).is_file() and asset.media_type == pystac.MediaType.COG
    assert [one["title"] for one in asset.extra_fields["classification:classes"]] == ["Water", "Land"]
    assert asset.extra_fields["classification:classes"][0]["color_hint"] == "0064C8"


def test_a_part_is_cut_from_the_same_map(levels: TrainedModel, images: Any, tmp_path: Path) -> None:
    """Bounds between pixels take in those they touch; the rest of the map is not looked at."""
    left, top = 600_000 + 1234, 5_400_000 - 987
    area = images.place.block((left, top - 555, left + 777, top), "image")
    assert area == (slice(98, 155), slice(123, 202))
    predict(levels, images, tmp_path / "part.tif", area)
    with rasterio.open(tmp_path / "part.tif") as file:
        assert np.array_equal(file.read(1), 1 + (images.values[0][area] > 127))
        assert file.bounds == (601_230, 5_398_450, 602_020, 5_399_020)


def test_a_map_that_fails_leaves_the_old_one(levels: TrainedModel, images: Any, tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    predict(levels, images, path)
    before = path.read_bytes()
    read = images.read

    def breaking(block: Block) -> Any:
        if block[1].stop == WIDTH:
            raise OSError("the disk is gone")
        return read(block)

    images.read = breaking
    with pytest.raises(OSError, match="the disk is gone"):
        predict(levels, images, path)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["map.json", "map.tif"]


FULL = """
import resource, sys
from revisit.prediction.command import main

most = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
raise SystemExit(main([*sys.argv[1:], "--device", "cpu", "--threads", "1"]))
"""


def test_a_full_disk_leaves_nothing_half_made(saved: Path, tmp_path: Path, photograph: Path) -> None:
    """GDAL says nothing of the last bytes that a disk does not take: a map that is cut short is no map."""
    out = tmp_path / "out/map.tif"
    command = [saved, photograph, out]
    assert main([*map(str, command), "--device", "cpu", "--threads", "1"]) == 0
    size = out.stat().st_size
    shutil.rmtree(out.parent)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(size - 50), *command], capture_output=True, text=True
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"error: {out}: cannot be written (what there is of it is damaged)" in done.stderr
    assert list(out.parent.iterdir()) == []


@pytest.fixture
def saved(tmp_path: Path, card: Callable[..., Any]) -> Path:
    """A U-Net with new weights on disk, of optical images."""
    torch.manual_seed(0)
    network = UNet(channels=3, classes=2, width=4).eval()
    described = {
        "name": "unet", "settings": {"width": 4}, "encoders": [], "channels": 3, "dates": 1, "classes": 2,
    }  # fmt: skip
    save_model(network, tmp_path / "model", card("sentinel-2", network=described))
    return tmp_path / "model"


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """Reflectance in a GeoTIFF that says what it is."""
    path = tmp_path / "image.tif"
    values = np.random.default_rng(0).uniform(0, 0.25, (3, 70, 60)).astype(np.float32)
    transform = rasterio.Affine(10, 0, 600_000, 0, -10, 5_400_000)
    about = {"count": 3, "height": 70, "width": 60, "dtype": "float32", "crs": "EPSG:32631"}
    with rasterio.open(path, "w", driver="GTiff", transform=transform, **about) as file:
        file.write(values)
        file.descriptions, file.units = ["blue", "green", "red"], ["reflectance"] * 3
    return path


def test_the_command_maps_an_image(
    saved: Path, photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.tif"
    assert main([str(saved), str(photograph), str(out), "--device", "cpu", "--threads", "1"]) == 0
    told = capsys.readouterr().err
    assert "does not say when it was taken" in told and "70 x 60 pixels: Water " in told
    with rasterio.open(out) as file:
        assert file.shape == (70, 60) and set(np.unique(file.read(1))) <= {1, 2}
    assert json.loads((tmp_path / "map.json").read_text())["id"] == "land-cover-map"


ERRORS: dict[str, tuple[list[str], str]] = {
    "no model": (["{folder}", "{image}", "{out}"], "not a trained model; give a folder that holds"),
    "no image": (["{model}", "{folder}/none", "{out}"], "none: no such folder or file; give a region"),
    "no image, options": (
        ["{model}", "{folder}/none.tif", "{out}", "--units", "dB"],
        "none.tif: no such folder",
    ),
    "no region": (["{model}", "{folder}", "{out}"], "has no cube of sentinel-2, which the model takes"),
    "no overlap": (
        ["{model}", "{image}", "{out}", "--bounds", "0", "0", "100", "100"],
        "image.tif: does not overlap the bounds [0.0, 0.0, 100.0, 100.0]; it spans [600000.0, 5399300.0, ",
    ),
    "itself": (["{model}", "{image}", "{image}"], "is the image and the map; give the map another name"),
    "no GeoTIFF": (
        ["{model}", "{image}", "{folder}/map.png"],
        "the map is a GeoTIFF; give a file that ends in",
    ),
    "options of files": (
        ["{model}", "{folder}", "{out}", "--units", "dB"],
        "--units is for image files; cubes",
    ),
    "wrong unit": (["{model}", "{image}", "{out}", "--units", "dB"], "band 'blue' is in dB, the model takes"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_the_command_refuses_in_one_line(
    saved: Path, photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], error: str
) -> None:
    given, words = ERRORS[error]
    names = {"model": saved, "image": photograph, "folder": tmp_path, "out": tmp_path / "map.tif"}
    assert main([one.format(**names) for one in given]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and words in line
    assert not (tmp_path / "map.tif").exists()


MEASURED = """
import sys
from pathlib import Path
from revisit.prediction.command import main

assert main([*sys.argv[1:], "--device", "cpu", "--threads", "1"]) == 0
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's count of peak memory")
def test_memory_does_not_grow_with_the_image(saved: Path, tmp_path: Path) -> None:
    """Six times the image in at most 1.05 times the memory, in kilobytes."""
    peaks = []
    for pixels in (600, 1500):
        path = tmp_path / f"{pixels}.tif"
        about = {"count": 3, "height": pixels, "width": pixels, "dtype": "uint8", "crs": "EPSG:32631"}
        transform = rasterio.Affine(10, 0, 600_000, 0, -10, 5_400_000)
        with rasterio.open(path, "w", driver="GTiff", transform=transform, tiled=True, **about) as file:
            file.write(np.random.default_rng(0).integers(0, 256, (3, pixels, pixels), dtype=np.uint8))
            file.descriptions = ["blue", "green", "red"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, saved, path, path.with_suffix(".map.tif"), "--units", "scaled"],
            env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # else how threads meet decides
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.05 * peaks[0], peaks
