"""Stacks the downloaded scenes of one sensor, all years, into the raw cube of a region.

Scenes are snapped to the region's grid, those of one pass put together, and digital numbers become
reflectance or backscatter in dB. Resampling and mosaicking happen in linear units. Pixels under
cloud keep their values; `valid` says which to use.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from pydantic import Field
from rasterio.io import DatasetReader

from revisit.cube.beside import write_beside
from revisit.cube.grid import Grid, Region, region_grid
from revisit.cube.item import scene_links
from revisit.cube.stacking.acquisitions import Scene, acquisitions, read_manifests, with_bands
from revisit.cube.stacking.decode import OffsetCheck, decibel, physical
from revisit.cube.warp import read_onto
from revisit.cube.write import CubeWriter, create_cube
from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.job import Job
from revisit.record import read
from revisit.stage import log, progress

# Pixels a side read at once: ten bands of a block are 10 MB.
BLOCK = 512
UNITS = {"sentinel-1": "dB", "sentinel-2": "reflectance"}
CLASSIFICATION = "scl"
VISIBLE = ("blue", "green", "red")


class Settings(Region):
    """What the raw cube of one sensor and region is to be."""

    resolution_m: Literal[10, 20, 60]
    """Pixel size in metres."""

    bands: list[str] = Field(min_length=1)
    """Bands in the order of the cube."""

    scene_classification_valid: list[int] = []
    """Classes of the scene classification that count as clear; only Sentinel-2 has them."""


def run(job: Job) -> None:
    """Make the cube ``cube`` from ``manifests``, with its pictures and STAC Item beside it."""
    path, manifests = job.target("cube"), job.sources("manifests")
    settings = read(Settings, job.settings, "stack")
    stack(
        manifests,
        path,
        region=job.names["region"],
        sensor=job.names["sensor"],
        settings=settings,
        threads=job.threads,
    )
    write_beside(path, job.target("quicklook"), scene_links(manifests))


def stack(
    manifests: Sequence[str | Path],
    path: str | Path,
    *,
    region: str,
    sensor: str,
    settings: Settings,
    threads: int = 1,
) -> None:
    """Make the raw cube at ``path`` from download manifests; clips are read in ``threads``.

    Raises RevisitError where a clip is not the one downloaded, or where no date has a usable pixel.
    """
    grid, bands = region_grid(settings, settings.resolution_m), settings.bands
    clear = frozenset(settings.scene_classification_valid) if sensor == "sentinel-2" else None
    scenes = with_bands(read_manifests(manifests), bands if clear is None else [*bands, CLASSIFICATION])
    passes = acquisitions(scenes)
    if not passes:
        raise RevisitError(
            f"{region}, {sensor}: no scene has the bands {', '.join(bands)}; see the log of its download"
        )
    dropped: list[dict[str, str]] = []
    about: dict[str, Any] = {"dropped_dates": dropped, "provider": _providers(manifests)}
    with (
        create_cube(
            path,
            grid,
            dates=len(passes),
            bands=bands,
            sensor=sensor,
            region=region,
            stage="raw",
            unit=UNITS[sensor],
            settings=settings.content(),
            scene_classification=clear is not None,
            attributes=about,
        ) as cube,
        rasterio.Env(GDAL_CACHEMAX=64),  # MB: every pixel is read once
        ThreadPoolExecutor(threads) as pool,
    ):
        for scenes in progress(passes, f"stack {region} {sensor}"):
            cause = _Pass(scenes, bands, clear, pool).write(cube, grid)
            if cause:
                date = f"{scenes[0].time:%Y-%m-%d %H:%M}"
                log.warning("%s, %s: %s left out: %s", region, sensor, date, cause)
                dropped.append({"date": date, "items": " ".join(s.id for s in scenes), "cause": cause})
        if len(dropped) == len(passes):
            raise RevisitError(
                f"{region}, {sensor}: none of {len(passes)} dates has a pixel to use "
                f"(the first: {dropped[0]['cause']}); search other months or allow more cloud"
            )
    log.info("%s, %s: %d dates, %d left out", region, sensor, len(passes) - len(dropped), len(dropped))


@dataclass
class _Pass:
    """One pass of a satellite over the region: its scenes become one date of the cube."""

    scenes: Sequence[Scene]
    bands: Sequence[str]
    clear: frozenset[int] | None  # classes of the scene classification to use; None for radar
    pool: ThreadPoolExecutor
    used: list[Scene] = field(default_factory=list)

    def write(self, cube: CubeWriter, grid: Grid) -> str | None:
        """Write the pass block by block and keep its date; return why not where nothing is usable."""
        checks = {scene.id: OffsetCheck() for scene in self.scenes}
        with ExitStack() as files:
            sources = [self._open(scene, files) for scene in self.scenes]
            for block in grid.blocks(BLOCK):
                cube.write(block, *self._mosaic(grid.part(block), sources, checks))
        if not self.used:
            return "no pixel inside the region"
        if not cube.valid_fraction:
            cube.drop()
            return "no clear pixel"
        for scene in self.used:
            doubt = checks[scene.id].doubt(scene, self._offset(scene))
            if doubt:
                log.warning(doubt)
        offsets = {self._offset(scene) for scene in self.used}
        cube.keep(
            np.datetime64(min(scene.time for scene in self.used).replace(tzinfo=None)),
            source_items=" ".join(sorted(scene.id for scene in self.used)),
            platform=self.used[0].platform,
            relative_orbit=self.used[0].relative_orbit,
            orbit_state=self.used[0].orbit_state,
            processing_baseline=" ".join(sorted({scene.processing_baseline for scene in self.used})),
            offset_applied=offsets.pop() if len(offsets) == 1 else np.nan,
        )
        return None

    def _open(self, scene: Scene, files: ExitStack) -> dict[str, DatasetReader]:
        """Open the clips of a scene, after checking that they are those downloaded."""
        names = self.bands if self.clear is None else [*self.bands, CLASSIFICATION]
        for name in names:
            scene.clips[name].verify()
        return {name: files.enter_context(rasterio.open(scene.clips[name].path)) for name in names}

    def _mosaic(
        self, grid: Grid, sources: Sequence[dict[str, DatasetReader]], checks: dict[str, OffsetCheck]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Values (band, y, x), validity and classes (y, x) of one block.

        A pixel comes whole from the first scene in which it is usable, else from the first that saw it.
        """
        values = np.full((len(self.bands), *grid.shape), np.nan, dtype=np.float32)
        classes = None if self.clear is None else np.zeros(grid.shape, dtype=np.uint8)
        valid, filled = np.zeros(grid.shape, dtype=bool), np.zeros(grid.shape, dtype=bool)
        for scene, files in zip(self.scenes, sources, strict=True):
            seen_values = self._read(scene, files, grid)
            missing = np.isnan(seen_values)
            usable, seen = ~missing.any(axis=0), ~missing.all(axis=0)
            if self.clear is not None:
                seen_classes = read_onto(files[CLASSIFICATION], grid, _identity, missing=0, categorical=True)
                usable &= np.isin(seen_classes, list(self.clear))
                checks[scene.id].add(self._darkest(seen_values, usable))
            take = (usable & ~valid) | (seen & ~filled)
            if not take.any():
                continue
            np.copyto(values, seen_values, where=take)
            if classes is not None:
                np.copyto(classes, seen_classes, where=take)
            valid |= usable
            filled |= seen
            if scene not in self.used:
                self.used.append(scene)
            if valid.all():
                break
        return (decibel(values) if self.clear is None else values), valid, classes

    def _read(self, scene: Scene, files: dict[str, DatasetReader], grid: Grid) -> np.ndarray:
        values = np.empty((len(self.bands), *grid.shape), dtype=np.float32)

        def read(index: int) -> None:
            name = self.bands[index]
            values[index] = read_onto(files[name], grid, partial(physical, clip=scene.clips[name]))

        list(self.pool.map(read, range(len(self.bands))))
        return values

    def _darkest(self, values: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Reflectance of the darkest visible band in every fourth usable pixel."""
        visible = [index for index, band in enumerate(self.bands) if band in VISIBLE] or [0]
        darkest: np.ndarray = values[visible, ::4, ::4].min(axis=0)[usable[::4, ::4]]
        return darkest

    def _offset(self, scene: Scene) -> float:
        return scene.clips[self.bands[0]].offset


def _identity(numbers: np.ndarray) -> np.ndarray:
    return numbers


def _providers(manifests: Sequence[str | Path]) -> str:
    return " ".join(sorted({read_json(path)["provider"] for path in manifests}))
