"""Scaling can be undone, is the same for all regions, and never mistakes data for gaps; rounded or not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from revisit.cube.contract import open_cube
from revisit.cube.grid import Grid
from revisit.cube.scaling.scale import run, scale
from revisit.cube.scaling.scaled_values import from_scaled, steps_to_scaled, to_scaled
from revisit.cube.write import create_cube
from revisit.errors import RevisitError
from revisit.files import read_json, write_json
from revisit.job import Job

LOWER, UPPER = np.array([-0.1, 0.05]), np.array([0.5, 0.35])
BANDS = ["red", "nir"]


def test_undone_within_half_a_step() -> None:
    """Between the limits the way there and back is right to half a step; beyond them it ends at the limit."""
    random = np.random.default_rng(0)
    values = random.uniform(-0.3, 0.7, (3, 2, 20, 20)).astype(np.float32)
    back = from_scaled(to_scaled(values, LOWER, UPPER), LOWER, UPPER)
    low, high = LOWER[:, None, None], UPPER[:, None, None]
    assert (np.abs(back - np.clip(values, low, high)) <= (high - low) / 255 / 2 + 1e-6).all()


def test_known_values() -> None:
    """Lower limit 0, mean about 128, upper limit 255; NaN is 0, which the mask tells from data."""
    values = np.array([-9, -0.1, 0.2, 0.5, 9, np.nan], np.float32).reshape(1, 1, 6)
    scaled = to_scaled(values, LOWER[:1], UPPER[:1])
    assert scaled.ravel().tolist() == [0, 0, 128, 255, 255, 0]


def test_steps_of_reflectance_are_scaled_as_reflectance_is() -> None:
    """The table gives the very same numbers, for every step there is and the missing one."""
    steps = np.arange(-32768, 32768).astype(np.int16).reshape(1, 256, 256).repeat(2, 0)
    values = steps.astype(np.float32) * np.float32(1e-4)
    values[steps == -32768] = np.nan
    np.testing.assert_array_equal(steps_to_scaled(steps, LOWER, UPPER), to_scaled(values, LOWER, UPPER))


@pytest.fixture
def aligned(tmp_path: Path) -> Path:
    """An aligned cube of two dates with a masked part and a missing part, and limits.json beside it."""
    grid = Grid(32631, Affine(10, 0, 600_000, 0, -10, 5_400_000), 60, 40)
    random = np.random.default_rng(1)
    with create_cube(
        tmp_path / "aligned.zarr", grid, dates=2, bands=BANDS, sensor="sentinel-2", region="here",
        stage="aligned", unit="reflectance", settings={},
    ) as writer:  # fmt: skip
        for date in range(2):
            values = random.uniform(0, 0.4, (2, 40, 60)).astype(np.float32)
            valid = np.ones((40, 60), bool)
            valid[:9] = False
            values[:, :5] = np.nan
            writer.write((slice(0, 40), slice(0, 60)), values, valid)
            writer.keep(np.datetime64("2020-01-01") + date, shift_x=0.5, source_items=f"item-{date}")
    columns = zip(BANDS, LOWER, UPPER, strict=True)
    bands = {
        band: {"lower": low, "upper": up, "mean": (low + up) / 2, "std": (up - low) / 6, "valid_pixels": 7}
        for band, low, up in columns
    }
    limits = {"sensor": "sentinel-2", "unit": "reflectance", "clip_sigma": 3.0, "bands": bands}
    write_json(tmp_path / "limits.json", limits | {"band_order": BANDS, "regions": ["here", "there"]})
    return tmp_path / "aligned.zarr"


def test_cube(aligned: Path) -> None:
    """Values, mask and all that is known of a date and a band are in the scaled cube."""
    folder = aligned.parent
    run(
        Job(
            "revisit.cube.scaling.scale",
            input={"cube": str(aligned), "limits": str(folder / "limits.json")},
            output={"cube": str(folder / "scaled.zarr"), "quicklook": str(folder / "scaled.png")},
        )
    )
    assert (folder / "scaled.png").is_file()
    before = open_cube(aligned)
    after = open_cube(folder / "scaled.zarr", stage="scaled", unit="scaled", bands=BANDS, sensor="sentinel-2")
    values = before["reflectance"].values
    np.testing.assert_array_equal(after["scaled"].values, to_scaled(values, LOWER, UPPER))
    np.testing.assert_array_equal(after["valid"].values, before["valid"].values)
    assert after["shift_x"].values.tolist() == [0.5, 0.5]
    assert after["source_items"].values.tolist() == ["item-0", "item-1"]
    assert after["lower"].values.tolist() == LOWER.tolist()
    assert after["upper"].values.tolist() == UPPER.tolist()
    assert after["valid_pixels"].values.tolist() == [7, 7]
    assert (after.attrs["clip_sigma"], after.attrs["source_unit"]) == (3.0, "reflectance")


def test_same_bits_in_any_number_of_threads(
    aligned: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    """Whichever date is done first."""
    for threads in (1, 3):
        scale(aligned, tmp_path / "limits.json", tmp_path / f"{threads}.zarr", threads)
    assert contents(tmp_path / "1.zarr") == contents(tmp_path / "3.zarr")


def test_a_float_cube_is_the_8_bit_one_before_rounding(aligned: Path) -> None:
    """Rounded it equals that one in every pixel, missing ones too; before that few are whole."""
    folder = aligned.parent
    scale(aligned, folder / "limits.json", folder / "scaled.zarr")
    write_json(folder / "float.json", read_json(folder / "limits.json") | {"dtype": "float32"})
    scale(aligned, folder / "float.json", folder / "float.zarr")
    usual, other = (open_cube(folder / name, stage="scaled") for name in ("scaled.zarr", "float.zarr"))
    values, found = usual["scaled"].values, other["scaled"].values
    assert (values.dtype, found.dtype) == (np.uint8, np.float32)
    np.testing.assert_array_equal(np.rint(found), values)
    assert (found != values).mean() > 0.7 and found.min() == 0 and found.max() == 255
    low, high = LOWER[:, None, None], UPPER[:, None, None]
    physical = np.clip(np.nan_to_num(aligned_values(aligned), nan=-9), low, high)
    assert (np.abs(from_scaled(found, LOWER, UPPER) - physical) <= 1e-6).all()
    np.testing.assert_array_equal(other["valid"].values, usual["valid"].values)
    assert other["lower"].values.tolist() == LOWER.tolist()
    assert "not rounded" in other.attrs["history"] and "as 8 bits" in usual.attrs["history"]
    assert other.attrs["config_hash"] != usual.attrs["config_hash"]


def test_float16_would_round(aligned: Path) -> None:
    """Why float cubes are of 32 bit: neighbouring steps of reflectance become one number of 16 bit."""
    steps = np.arange(2000, 3000, dtype=np.int16).reshape(1, 1, 1000)
    scaled = steps_to_scaled(steps, LOWER[1:], UPPER[1:], np.float32)
    assert len(np.unique(scaled)) == 1000 > len(np.unique(scaled.astype(np.float16)))


def aligned_values(path: Path) -> np.ndarray:
    values: np.ndarray = open_cube(path)["reflectance"].values
    return values


@pytest.mark.parametrize(
    ("key", "value"), [("sensor", "sentinel-1"), ("unit", "dB"), ("band_order", ["nir", "red"])]
)
def test_other_limits(aligned: Path, key: str, value: object) -> None:
    """Limits of another sensor, unit or band order are refused."""
    path = aligned.parent / "limits.json"
    write_json(path, read_json(path) | {key: value})
    with pytest.raises(RevisitError, match=f"{key} is"):
        scale(aligned, path, aligned.parent / "scaled.zarr")
    assert not (aligned.parent / "scaled.zarr").exists()
