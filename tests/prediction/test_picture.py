"""Protects the picture of a map: beside it stands the truth of its own year."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from affine import Affine

from revisit.cube.contract import codecs
from revisit.cube.grid import Grid
from revisit.cube.write import create_array, write_coordinates
from revisit.evaluation.trained_model import TrainedModel
from revisit.files import atomic
from revisit.job import Job
from revisit.prediction import predict

TREES, GRASS, WATER = 10, 30, 80
MAPS = {2017: [GRASS, GRASS, 0, 0], 2019: [WATER, 0, WATER, 0], 2021: [TREES, TREES, TREES, 0]}
GRID = Grid(32631, Affine(10, 0, 600_000, 0, -10, 5_400_000), 4, 1)


def labelled(path: Path) -> Path:
    """A label cube of one row, of three maps, the newest of which is the merged one."""
    attributes = {"stage": "labels", "sensor": "files", "region": "here", "unit": "class", "code_version": ""}
    with atomic(path) as aside, codecs():
        zarr.create_group(aside, zarr_format=3)
        create_array(aside, "land_cover", (1, 4), ("y", "x"), "uint8", 0, {})[:] = np.array([MAPS[2021]])
        axes = ("year", "y", "x")
        by_year = create_array(aside, "land_cover_by_year", (3, 1, 4), axes, "uint8", 0, {})
        by_year[:] = np.array(list(MAPS.values()))[:, None]
        write_coordinates(aside, GRID, {"year": ("year", np.array(list(MAPS)), {})}, attributes)
    return path


@pytest.mark.parametrize(
    ("year", "truth"),
    [
        (2017, [GRASS, GRASS, WATER, 0]),
        (2018, [GRASS, GRASS, WATER, 0]),  # of two as near the earlier
        (2019, [WATER, GRASS, WATER, 0]),
        (2022, [TREES, TREES, TREES, 0]),
    ],
)
def test_the_truth_is_of_the_year_of_the_map(
    year: int,
    truth: list[int],
    levels: TrainedModel,
    held: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where its map has no label the next nearest has one."""
    images, drawn = held(np.full((2, 1, 4), 200, np.uint8)), []
    images.period = (f"{year}-01-01T00:00:00Z", f"{year}-12-31T23:59:59Z")
    monkeypatch.setattr(predict, "load_model", lambda *_: levels)
    monkeypatch.setattr(predict, "CubeImages", lambda *_: images)
    monkeypatch.setattr("revisit.prediction.picture.merged", lambda labels, _: drawn.append(labels) or labels)
    outputs = {name: str(tmp_path / f"map.{ending}") for name, ending in (("map", "tif"), ("picture", "png"))}
    inputs = {"weights": "levels", "labels": str(labelled(tmp_path / "labels.zarr"))}
    predict.run(Job("revisit.prediction.predict", {"region": "here"}, inputs, outputs))
    assert drawn[0].tolist() == [truth] and (tmp_path / "map.png").is_file()
