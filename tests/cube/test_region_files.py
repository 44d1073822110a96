"""Protects file systems that count files: the cubes of Sentinel-2 have few, for all their bands."""

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
BANDS = [
    *("blue", "green", "red", "rededge1", "rededge2", "rededge3"),
    *("nir", "nir08", "swir16", "swir22"),
]


@pytest.fixture
def cubes(tmp_path: Path, download: Callable[..., Any], settings: Callable[..., Any]) -> Callable[..., Path]:
    """Makes the folder of the cubes of Sentinel-2 on so many dates, by the jobs of the line."""

    def make(dates: int) -> Path:
        scenes, folder = download("sentinel-2"), tmp_path / "cubes" / str(dates)
        scenes.folder = tmp_path / "scenes" / str(dates)
        classes = np.full((PIXELS, PIXELS), 4, np.uint8)
        for day in range(1, dates + 1):
            image = np.random.default_rng(day).integers(1200, 5000, (PIXELS, PIXELS), np.uint16)
            scenes.add(f"d{day}", f"2020-07-0{day}T10:00:00Z", dict.fromkeys(BANDS, image) | {"scl": classes})
        raw, aligned, scaled = (
            {"cube": str(folder / f"{name}.zarr"), "quicklook": str(folder / f"{name}.png")}
            for name in ("raw", "aligned", "scaled")
        )
        shifts = {"shifts": str(folder / "shifts.csv")}
        measured = {"moments": str(folder / "moments.json")}
        scaling = {"limits": str(tmp_path / "limits.json")}  # those of all regions are one file
        split = {"seed": 1, "split": {"block_pixels": 128, "gap_pixels": 32, "regions": {"here": "train"}}}
        sources = {"manifests": str(scenes.manifest())}
        for module, inputs, outputs, given in (
            (stack, sources, raw, settings(BANDS, 10 * PIXELS).content()),
            (coregister, {"cube": raw["cube"]}, aligned | shifts, {"max_shift_pixels": 3}),
            (moments, {"cube": aligned["cube"]}, measured, split),
            (limits, measured, scaling, {"clip_sigma": 3}),
            (scale, {"cube": aligned["cube"], **scaling}, scaled, {}),
        ):
            module.run(Job("", {"region": "here", "sensor": "sentinel-2"}, inputs, outputs, given))
        return folder

    return make


@pytest.mark.slow
def test_two_hundred_dates_are_at_most_two_thousand_files(cubes: Callable[..., Path]) -> None:
    """Of all cubes with what lies beside them, if every date has as many as the third."""
    two, three = (_files(cubes(dates)) for dates in (2, 3))
    assert two < three
    assert two + (DATES - 2) * (three - two) <= MOST, (two, three)


def _files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
