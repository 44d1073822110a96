"""What has changed at the places of which a pretraining estimated change: the estimates beside the truth.

Reads changes.csv and mixture.csv of an encoder and label cubes with maps of several years. The truth of a
place is the share of its pixels whose class differs between two maps: that of the last labelled year of its
earlier era, and that of the first of its later one. Every date of the one and of the other has this between
them. A place with a share of ``CHANGED_SHARE`` or more has changed.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.cube.contract import grid_of, open_cube
from revisit.cube.labels.change import CHANGED, CHANGED_SHARE, change
from revisit.cube.labels.legend import BY_YEAR
from revisit.errors import RevisitError
from revisit.files import write_rows
from revisit.job import Job
from revisit.record import Record, read

LIES = ("place", "region", "x", "y", "epsg", "longitude", "latitude")
ESTIMATES = ("distance", "ratio", "smoothed_ratio")

Row = dict[str, str]


class Settings(Record):
    """What is asked of the labels."""

    patch_pixels: int
    """Side of a place."""


class Maps:
    """The label maps of a region by year; each is read once, when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._cube = open_cube(path, stage="labels")
        self.region = str(self._cube.attrs["region"])
        self.years = [int(year) for year in self._cube["year"].values] if BY_YEAR in self._cube else []
        self._transform = grid_of(self._cube).transform
        self._read: dict[int, NDArray[Any]] = {}

    def patch(self, year: int, x: float, y: float, side: int) -> NDArray[Any]:
        """Codes (side, side) around a centre in metres."""
        if year not in self._read:
            self._read[year] = self._cube[BY_YEAR].sel(year=year).values
        column, row = (round(middle - side / 2) for middle in ~self._transform * (x, y))
        return self._read[year][row : row + side, column : column + side]


def run(job: Job) -> None:
    """The stage: ``changes``, ``mixture`` and ``labels`` (cubes) to ``places``, a row per place."""
    settings = read(Settings, job.settings, "true_change")
    maps = {one.region: one for one in map(Maps, job.sources("labels"))}
    with job.source("mixture").open(newline="", encoding="utf-8") as file:
        used = next(csv.DictReader(file))["estimate"]
    with job.source("changes").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    write_rows(job.target("places"), [{**row, "used": used} for row in places(rows, maps, settings)])


def places(rows: Sequence[Row], maps: Mapping[str, Maps], settings: Settings) -> Iterator[dict[str, Any]]:
    """A row per place of ``changes.csv``, whose rows of a place follow each other.

    ``LIES``; ``ESTIMATES``, the mean of its eras' where they have one; ``before`` and ``after`` (years of the
    two maps), ``changed_share`` and ``changed`` (1 or 0). What is unknown is empty.
    """
    for _, group in groupby(rows, key=lambda row: row["place"]):
        eras = sorted(group, key=lambda row: row["era"])
        lies = {name: eras[0][name] for name in LIES}
        estimates = {name: _mean([row[name] for row in eras if row[name]]) for name in ESTIMATES}
        share, years = _changed(eras, maps.get(eras[0]["region"]), settings.patch_pixels)
        truth = {"before": years[0], "after": years[1]} if years else {"before": "", "after": ""}
        shown = "" if share is None else f"{share:.6g}"
        label = "" if share is None else int(share >= CHANGED_SHARE)
        yield {**lies, **estimates, **truth, "changed_share": shown, "changed": label}


def _mean(values: Sequence[str]) -> str:
    return f"{np.mean([float(value) for value in values]):.6g}" if values else ""


def _changed(
    eras: Sequence[Row], maps: Maps | None, side: int
) -> tuple[float | None, tuple[int, int] | None]:
    """The share of pixels that changed, of those that both maps label, and the years of the maps."""
    years = between(eras, maps.years) if maps else None
    if maps is None or years is None:
        return None, None
    x, y = float(eras[0]["x"]), float(eras[0]["y"])
    before, after = (maps.patch(year, x, y, side) for year in years)
    if before.shape != (side, side):
        raise RevisitError(
            f"labels of {maps.region}: place {eras[0]['place']} lies outside of them; rerun the pretraining"
        )
    differs = change(before, after)
    known = differs != 0
    return (float((differs[known] == CHANGED).mean()), years) if known.any() else (None, None)


def between(eras: Sequence[Row], labelled: Sequence[int]) -> tuple[int, int] | None:
    """The last labelled year of the earlier era and the first of the later; None where there are no two."""
    if len(eras) != 2 or not all(row["first"] for row in eras):
        return None
    own = [
        [year for year in labelled if int(row["first"][:4]) <= year <= int(row["last"][:4])] for row in eras
    ]
    if not all(own):
        return None
    before, after = max(own[0]), min(own[1])
    return (before, after) if before < after else None
