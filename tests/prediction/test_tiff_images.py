"""Protects maps of images from elsewhere: numbers are taken for what they are, or refused in one line."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from revisit.errors import RevisitError
from revisit.patches.batch import MISSING
from revisit.prediction.tiff_images import TiffImages

WHOLE = slice(0, 40), slice(0, 50)
OPTICAL = ["blue", "green", "red"]
Write = Callable[..., Path]


@pytest.fixture
def grey() -> np.ndarray:
    """What the image is to the model: uint8 (band, y, x) of blue, green and red."""
    return np.random.default_rng(0).integers(0, 256, (3, 40, 50), dtype=np.uint8)


@pytest.fixture
def own(card: Callable[..., Any]) -> dict[str, Any]:
    return card("sentinel-2")


def reflectance(grey: np.ndarray) -> np.ndarray:
    """Between the limits of the card: 0 and 0.2, 0.25, 0.3."""
    return (grey / 255 * np.array([0.2, 0.25, 0.3])[:, None, None]).astype(np.float32)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(
        values: np.ndarray, names: list[str] | None = None, unit: str | None = None, **profile: Any
    ) -> Path:
        path, tags = tmp_path / "image.tif", profile.pop("tags", {})
        scale, offset = profile.pop("scale", 1.0), profile.pop("offset", 0.0)
        usual = {"crs": "EPSG:32631", "transform": Affine(10, 0, 600_000, 0, -10, 5_400_000)}
        usual |= {"count": len(values), "height": values.shape[1], "width": values.shape[2]}
        with rasterio.open(path, "w", driver="GTiff", dtype=values.dtype, **usual | profile) as file:
            file.write(values)
            file.update_tags(**tags)
            file.scales, file.offsets = [scale] * len(values), [offset] * len(values)
            if names:
                file.descriptions = names
            if unit:
                file.units = [unit] * len(values)
        return path

    return make


def test_physical_values_become_the_models_grey(own: dict[str, Any], grey: np.ndarray, write: Write) -> None:
    """Bands in another order, one too many, a pixel that is NaN; as floats and as digital numbers."""
    values = reflectance(grey)
    mixed = np.stack([values[2], values[0], np.zeros_like(values[0]), values[1]])
    mixed[1, 3, 4] = np.nan
    image, valid = TiffImages(own, write(mixed, ["red", "blue", "nir", "green"], "reflectance")).read(WHOLE)
    assert not valid[3, 4] and valid.sum() == valid.size - 1
    assert np.array_equal(image[:, valid], grey[:, valid]) and image[0, 3, 4] == MISSING
    numbers = np.rint(values * 10_000 + 1_000).astype(np.uint16)
    numbers[:, 0, 0] = 0
    path = write(numbers, nodata=0)
    image, valid = TiffImages(own, path, OPTICAL, ["reflectance"], factor=1e-4, offset=-0.1).read(WHOLE)
    assert np.abs(image[:, valid].astype(int) - grey[:, valid]).max() <= 1 and not valid[0, 0]
    told = write(numbers, OPTICAL, "reflectance", nodata=0, scale=1e-4, offset=-0.1)
    assert np.array_equal(TiffImages(own, told).read(WHOLE)[0], image)


def test_scaled_values_are_taken_as_they_are(own: dict[str, Any], grey: np.ndarray, write: Write) -> None:
    part = slice(5, 20), slice(30, 50)
    image, valid = TiffImages(own, write(grey, OPTICAL), units=["scaled"]).read(part)
    assert np.array_equal(image, grey[(slice(None), *part)]) and valid.all()


def test_when_it_is_of(own: dict[str, Any], grey: np.ndarray, write: Write) -> None:
    """The option, else the file's own tag: a STAC Item must have a time."""
    path = write(grey, OPTICAL, tags={"TIFFTAG_DATETIME": "2021:06:30 10:20:30"})
    of_year = TiffImages(own, path, units=["scaled"], when="2020").period
    assert of_year == ("2020-01-01T00:00:00Z", "2020-12-31T23:59:59Z")
    assert TiffImages(own, path, units=["scaled"]).period == ("2021-06-30T10:20:30Z",) * 2
    with pytest.raises(RevisitError, match="--when June: neither a year nor a date such as 2020-07-01"):
        TiffImages(own, path, units=["scaled"], when="June")


def test_the_time_of_writing_stands_in_and_is_in_doubt(
    own: dict[str, Any], grey: np.ndarray, write: Write
) -> None:
    """It is seldom when the image was taken, and the Item would say so for good."""
    path = write(grey, OPTICAL)
    os.utime(path, (0, 0))
    undated = TiffImages(own, path, units=["scaled"])
    assert undated.period == ("1970-01-01T00:00:00Z",) * 2
    assert undated.doubt and "does not say when it was taken" in undated.doubt
    assert TiffImages(own, path, units=["scaled"], when="2020").doubt is None


SCALED = {"units": ["scaled"]}
FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no names": ({}, SCALED, r"its bands have no names; name all 3 in order by --bands"),
    "too few names": ({}, {"names": ["red"]}, r"has 3 bands, --bands names 1; name each, in order"),
    "wrong bands": ({"names": ["red", "nir", "vv"]}, {}, r"has no band blue, green, only red"),
    "no unit": ({"names": OPTICAL}, {}, r"band 'blue' is of no unit that the file tells"),
    "wrong unit": ({"names": OPTICAL, "unit": "dB"}, {}, r"band 'blue' is in dB, the model takes ref"),
    "several units": ({"names": OPTICAL}, {"units": ["scaled"] * 2}, r"has 3 bands, --units names 2"),
    "grey as reflectance": (
        {"names": OPTICAL, "unit": "reflectance"}, {},
        r"values of 'blue' \(median 1\d\d\) are not in reflectance as the model knows it, 0 to 0.2",
    ),
    "resolution": (
        {"names": OPTICAL, "transform": Affine(20, 0, 600_000, 0, -20, 5_400_000)}, SCALED,
        r"its pixels are 20 m wide, the model learnt from 10 m; resample it",
    ),
    "degrees": (
        {"names": OPTICAL, "crs": "EPSG:4326", "transform": Affine(1e-4, 0, 3, 0, -1e-4, 48)}, SCALED,
        r"not in metres \(EPSG:4326\); warp it to UTM, such as gdalwarp",
    ),
    "rotated": (
        {"names": OPTICAL, "transform": Affine(10, 1, 600_000, 1, -10, 5_400_000)}, SCALED,
        r"not north up with square pixels",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_model_does_not_take_is_refused(
    own: dict[str, Any], grey: np.ndarray, write: Write, fault: str
) -> None:
    file, options, words = FAULTS[fault]
    path = write(grey, **file)
    with pytest.raises(RevisitError, match=words) as error:
        TiffImages(own, path, **options)
    assert str(error.value).startswith(str(path))


def test_linear_power_is_no_backscatter_in_db(card: Callable[..., Any], write: Write) -> None:
    """0.02 to 0.2 lies between the limits of a model, as a very bright image."""
    power = np.random.default_rng(0).uniform(0.02, 0.2, (2, 40, 50)).astype(np.float32)
    radar = card("sentinel-1")
    with pytest.raises(
        RevisitError, match=r"'v[vh]' is nowhere below 0 dB; of linear power take 10 log10 fir"
    ):
        TiffImages(radar, write(power, ["vv", "vh"], "dB"))
    TiffImages(radar, write(10 * np.log10(power), ["vv", "vh"], "dB"))


def test_scaled_values_are_of_8_bit(
    own: dict[str, Any], grey: np.ndarray, write: Write, tmp_path: Path
) -> None:
    with pytest.raises(RevisitError, match="scaled values are uint8, these are float32"):
        TiffImages(own, write(grey.astype(np.float32), OPTICAL), units=["scaled"])
    floats = {"scaling": {"sentinel-2": own["scaling"]["sentinel-2"] | {"dtype": "float32"}}}
    with pytest.raises(RevisitError, match="rounded to 8 bit, which the model's images were not; give phys"):
        TiffImages(own | floats, write(grey, OPTICAL), units=["scaled"])
    image, _ = TiffImages(own | floats, write(reflectance(grey), OPTICAL), units=["reflectance"]).read(WHOLE)
    assert image.dtype == np.float32 and np.abs(image - grey).max() < 1e-3
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(RevisitError, match="no image that GDAL reads"):
        TiffImages(own, tmp_path / "text.tif")
