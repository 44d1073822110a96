"""Limits are those of the valid training pixels of all regions, however they were added up."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from revisit.cube.contract import values_of
from revisit.cube.grid import Grid
from revisit.cube.scaling import limits as limits_stage
from revisit.cube.scaling import moments as moments_stage
from revisit.cube.scaling.limits import limits
from revisit.cube.scaling.moments import moments
from revisit.cube.scaling.sums import Moments
from revisit.cube.split import TRAIN, Split, areas, split_map
from revisit.cube.write import create_cube
from revisit.errors import RevisitError
from revisit.files import read_json, write_json
from revisit.job import Job
from revisit.record import read

SPLIT = Split(block_pixels=16, gap_pixels=5, train=0.5, val=0.25, test=0.25)
SETTINGS = moments_stage.Settings(seed=3, split=SPLIT)
THREE = limits_stage.Settings(clip_sigma=3)


def write_cube(path: Path, region: str, height: int, seed: int, stage: str = "aligned") -> tuple[Grid, Any]:
    """Three dates of dB with a trend, an offset large against the spread, gaps, and a cloudless mask."""
    grid = Grid(32631, Affine(10, 0, 600_000, 0, -10, 5_400_000), 80, height)
    random = np.random.default_rng(seed)
    kept = []
    with create_cube(
        path, grid, dates=3, bands=["vv", "vh"], sensor="sentinel-1", region=region, stage=stage,
        unit="dB", settings={},
    ) as writer:  # fmt: skip
        for date in range(3):
            values = random.normal(-1000 + seed, 2, (2, *grid.shape)).astype(np.float32)
            valid = random.random(grid.shape) < 0.8
            values[:, ~valid] = np.where(random.random((~valid).sum()) < 0.5, np.nan, 1e6)
            writer.write((slice(0, height), slice(0, 80)), values, valid)
            writer.keep(np.datetime64("2020-01-01") + date)
            kept.append((values, valid))
    return grid, kept


@pytest.fixture
def two(tmp_path: Path) -> tuple[list[Path], np.ndarray]:
    """Moments of two regions, and all the values they are of: (band, pixel) float64."""
    paths, all_values = [], []
    for region, height, seed in (("here", 64, 1), ("there", 96, 40)):
        grid, kept = write_cube(tmp_path / f"{region}.zarr", region, height, seed)
        training = split_map(areas(grid, SPLIT, 3, region), grid.whole) == TRAIN
        all_values += [values[:, valid & training].astype(np.float64) for values, valid in kept]
        paths.append(tmp_path / f"{region}.json")
        write_json(paths[-1], moments(tmp_path / f"{region}.zarr", SETTINGS))
    return paths, np.concatenate(all_values, axis=1)


def test_they_say_what_type_they_scale_to(two: tuple[list[Path], np.ndarray]) -> None:
    """And nothing of 8 bit, so that limits are what they always were."""
    paths, _ = two
    floats = limits(paths, limits_stage.Settings(clip_sigma=3, dtype="float32"))
    assert floats["dtype"] == "float32" and floats["bands"] == limits(paths, THREE)["bands"]
    assert "dtype" not in limits(paths, THREE)


def test_as_numpy_has_them(two: tuple[list[Path], np.ndarray]) -> None:
    """Mean, population deviation, limits, count to 1e-6, though added up by date and by region."""
    paths, values = two
    found = limits(paths, THREE)
    assert found["regions"] == ["here", "there"]
    assert found["band_order"] == ["vv", "vh"]
    for band, column in zip(("vv", "vh"), values, strict=True):
        entry = found["bands"][band]
        assert entry["valid_pixels"] == len(column)
        assert entry["mean"] == pytest.approx(column.mean(), rel=1e-9)
        assert entry["std"] == pytest.approx(column.std(), rel=1e-6)
        assert entry["lower"] == pytest.approx(column.mean() - 3 * column.std(), rel=1e-6)
        assert entry["upper"] == pytest.approx(column.mean() + 3 * column.std(), rel=1e-6)


def test_percentiles_where_they_are_asked_for(tmp_path: Path) -> None:
    """Two per cent of the training pixels lie beyond either limit, in the place of three deviations."""
    asked = moments_stage.Settings(seed=3, split=SPLIT, histogram=True)
    write_cube(tmp_path / "here.zarr", "here", 64, 1000 - 12)
    found = moments(tmp_path / "here.zarr", asked)
    write_json(tmp_path / "here.json", found)
    band = limits([tmp_path / "here.json"], limits_stage.Settings(clip_sigma=3, clip_percent=2))["bands"][
        "vv"
    ]
    assert (band["lower"] - band["mean"]) / band["std"] == pytest.approx(-2.054, abs=0.1)
    assert (band["upper"] - band["mean"]) / band["std"] == pytest.approx(2.054, abs=0.1)
    assert "histogram" not in moments(tmp_path / "here.zarr", SETTINGS)


def test_same_bits_in_any_number_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small blocks, some done before those that come first: they are added up in one order."""
    monkeypatch.setattr(moments_stage, "BLOCK", 16)
    monkeypatch.setattr(moments_stage, "values_of", lambda cube: Slowed(values_of(cube)))
    write_cube(tmp_path / "here.zarr", "here", 64, 1)
    asked = moments_stage.Settings(seed=3, split=SPLIT, histogram=True)
    one, three = (moments(tmp_path / "here.zarr", asked, threads) for threads in (1, 3))
    assert one == three


class Slowed:
    """Values of which every third block takes its time."""

    def __init__(self, values: Any) -> None:
        self.values, self.name = values, values.name

    def __getitem__(self, at: Any) -> Any:
        time.sleep(0.01 if at[2].start % 48 == 0 else 0)
        return self.values[at]


def test_merge_with_nothing() -> None:
    """A block without a training pixel changes nothing, first or last."""
    some, nothing = Moments.of(np.array([[1.0, 2.0, 6.0]])), Moments.of(np.empty((1, 0)))
    for merged in (some.merge(nothing), nothing.merge(some)):
        assert (merged.count[0], merged.mean[0], merged.m2[0]) == (3, 3, 14)


@pytest.mark.parametrize(
    ("key", "value"),
    [("unit", "reflectance"), ("bands", ["vh", "vv"]), ("sensor", "sentinel-2"), ("split", {"train": 1})],
)
def test_refuses_mixtures(two: tuple[list[Path], np.ndarray], key: str, value: Any) -> None:
    """Regions in another unit, band order, sensor or split are not pooled; the line names the file."""
    paths, _ = two
    write_json(paths[1], read_json(paths[1]) | {key: value})
    with pytest.raises(RevisitError, match=rf"there\.json: {key} is"):
        limits(paths, THREE)


def test_refuses_nothing(two: tuple[list[Path], np.ndarray]) -> None:
    """A band without a valid training pixel has no limits; neither has a clip of 0."""
    paths, _ = two
    empty = read_json(paths[0]) | {"count": [0, 0], "mean": [0, 0], "m2": [0, 0]}
    write_json(paths[0], empty)
    with pytest.raises(RevisitError, match="band vv: 0 valid training pixels"):
        limits(paths[:1], THREE)
    with pytest.raises(RevisitError, match=r"limits\.clip_sigma: .*greater than 0"):
        read(limits_stage.Settings, {"clip_sigma": 0}, "limits")


def test_a_region_held_out(two: tuple[list[Path], np.ndarray], tmp_path: Path) -> None:
    """It sets no limits, not even with pixels that would train were it split; others stay as they were."""
    held = moments_stage.Settings(seed=3, split=SPLIT.model_copy(update={"regions": {"there": "val"}}))
    found = moments(tmp_path / "there.zarr", held)
    assert found["count"] == [0, 0]
    write_json(tmp_path / "held.json", found)
    both, alone = (limits([two[0][0], *more], THREE) for more in ([tmp_path / "held.json"], []))
    assert both["bands"] == alone["bands"]
    trains = moments_stage.Settings(seed=3, split=SPLIT.model_copy(update={"regions": {"there": "train"}}))
    values = [values[:, valid] for values, valid in write_cube(tmp_path / "again.zarr", "there", 96, 40)[1]]
    assert moments(tmp_path / "there.zarr", trains)["count"][0] == sum(len(part[0]) for part in values)


def test_wrong_stage(tmp_path: Path) -> None:
    """Moments are those of aligned cubes."""
    write_cube(tmp_path / "raw.zarr", "here", 32, 1, stage="raw")
    with pytest.raises(RevisitError, match="stage is raw"):
        moments(tmp_path / "raw.zarr", SETTINGS)


def test_jobs(two: tuple[list[Path], np.ndarray], tmp_path: Path) -> None:
    """Both stages as the workflow runs them."""
    out, pooled = tmp_path / "again.json", tmp_path / "limits.json"
    moments_stage.run(
        Job(
            "revisit.cube.scaling.moments",
            input={"cube": str(tmp_path / "here.zarr")},
            output={"moments": str(out)},
            settings={"seed": 3, "split": SPLIT.content()},
        )
    )
    assert out.read_bytes() == two[0][0].read_bytes()
    limits_stage.run(
        Job(
            "revisit.cube.scaling.limits",
            input={"moments": [str(out), str(two[0][1])]},
            output={"limits": str(pooled)},
            settings={"clip_sigma": 3},
        )
    )
    assert read_json(pooled) == limits(two[0], THREE)
