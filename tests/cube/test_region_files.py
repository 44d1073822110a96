"""Protects file systems that count files: the cubes of a sensor have few, whatever its bands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit.cube.coregistration import coregister
from revisit.cube.scaling import limits, moments, scale
from revisit.cube.stacking import stack
from revisit.job import Job

DATES, MOST = 200, 2000  # of a region of 20 km, and its files at most
PIXELS = 1080  # a shard, as 20 km are
BANDS = {
    "sentinel-1": ["vv", "vh"],
    "sentinel-2": [
        *("blue", "green", "red", "rededge1", "rededge2", "rededge3"),
        *("nir", "nir08", "swir16", "swir22"),
    ],
}


@pytest.fixture
def cubes(tmp_path: Path, download: Callable[..., Any], settings: Callable[..., Any]) -> Callable[..., Path]:
    """Makes the folder of a sensor's cubes on so many dates, by the jobs of the line."""

    def make(sensor: str, dates: int) -> Path:
        scenes, bands, folder = download(sensor), BANDS[sensor], tmp_path / "cubes" / str(dates)
        scenes.folder = tmp_path / "scenes" / str(dates)
        optical = sensor == "sentinel-2"
        about = {"unit": "reflectance", "nodata": 0} if optical else {"unit": "linear power"}
        mask = {"scl": np.full((PIXELS, PIXELS), 4, np.uint8)} if optical else {}
        for day in range(1, dates + 1):
            image = np.random.default_rng(day).integers(1200, 5000, (PIXELS, PIXELS))
            image = image.astype(np.uint16 if optical else np.float32)
            scenes.add(f"d{day}", f"2020-07-0{day}T10:00:00Z", dict.fromkeys(bands, image) | mask, **about)
        stages = ("raw", "aligned", "scaled")
        raw, aligned, scaled = (
            {"cube": str(folder / f"{name}.zarr"), "quicklook": str(folder / f"{name}.png")}
            for name in stages
        )
        shifts = {"shifts": str(folder / "shifts.csv")}
        measured = {"moments": str(folder / "moments.json")}
        scaling = {"limits": str(tmp_path / "limits.json")}  # those of all regions are one file
        split = {"seed": 1, "split": {"block_pixels": 128, "gap_pixels": 32, "regions": {"here": "train"}}}
        sources = {"manifests": str(scenes.manifest())}
        for module, inputs, outputs, given in (
            (stack, sources, raw, settings(bands, 10 * PIXELS).content()),
            (coregister, {"cube": raw["cube"]}, aligned | shifts, {"max_shift_pixels": 3}),
            (moments, {"cube": aligned["cube"]}, measured, split),
            (limits, measured, scaling, {"clip_sigma": 3}),
            (scale, {"cube": aligned["cube"], **scaling}, scaled, {}),
        ):
            module.run(Job("", {"region": "here", "sensor": sensor}, inputs, outputs, given))
        return folder

    return make


@pytest.mark.slow
@pytest.mark.parametrize("sensor", BANDS)
def test_two_hundred_dates_are_at_most_two_thousand_files(cubes: Any, sensor: str) -> None:
    """Of all cubes of a sensor with what lies beside them, if every date has as many as the third."""
    two, three = (_files(cubes(sensor, dates)) for dates in (2, 3))
    assert two < three
    assert two + (DATES - 2) * (three - two) <= MOST, (two, three)


def _files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
