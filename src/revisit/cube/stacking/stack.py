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
from revisit.cube.packing import REFLECTANCE_MISSING, REFLECTANCE_STEP
from revisit.cube.stacking.acquisitions import Scene, acquisitions, read_manifests, with_bands
from revisit.cube.stacking.decode import OffsetCheck, decibel, physical, reflectance_steps
from revisit.cube.stacking.masks import CloudMask
from revisit.cube.warp import gaps, read_onto
from revisit.cube.write import BLOCK, CubeWriter, create_cube
from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.job import Job
from revisit.record import read
from revisit.stage import log, progress

UNITS = {"sentinel-1": "dB", "sentinel-2": "reflectance"}
VISIBLE = ("blue", "green", "red")


class Settings(Region):
    """What the raw cube of one sensor and region is to be."""

    resolution_m: Literal[10, 20, 60]
    """Pixel size in metres."""

    bands: list[str] = Field(min_length=1)
    """Bands in the order of the cube."""

    scene_classification_valid: list[int] = []
    """Classes of the scene classification that count as clear; only Sentinel-2 has them."""

    cloud_mask: CloudMask = CloudMask()
    """What tells the clear pixels; radar sees through clouds."""


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
    """Make the raw cube at ``path`` from download manifests; ``threads`` read clips and store blocks.

    Raises RevisitError where a clip is not the one downloaded, or where no date has a usable pixel.
    """
    grid, bands = region_grid(settings, settings.resolution_m), settings.bands
    optical = sensor == "sentinel-2"
    mask = settings.cloud_mask if optical else CloudMask(by="nothing")
    scenes = with_bands(read_manifests(manifests), [*bands, *mask.bands])
    passes = acquisitions(scenes)
    if not passes:
        raise RevisitError(
            f"{region}, {sensor}: no scene has the bands {', '.join(bands)}; see the log of its download"
        )
    dropped: list[str] = []
    about: dict[str, Any] = {"dropped_dates": dropped, "provider": _providers(manifests)}
    with (
        ThreadPoolExecutor(threads) as pool,
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
            scene_classification=mask.has_classes,
            attributes=about,
            behind=pool,
        ) as cube,
        rasterio.Env(GDAL_CACHEMAX=16),  # MB: every pixel is read once
    ):
        clear = settings.scene_classification_valid
        if quantity := _quantity(manifests):
            cube.name(quantity)
        for scenes in progress(passes, f"stack {region} {sensor}"):
            cause = _Pass(scenes, bands, optical, mask, clear, pool).write(cube, grid)
            if cause:
                date = f"{scenes[0].time:%Y-%m-%d %H:%M}"
                log.warning("%s, %s: %s left out: %s", region, sensor, date, cause)
                dropped.append(f"{date}: {cause} ({' '.join(s.id for s in scenes)})")
        if len(dropped) == len(passes):
            raise RevisitError(
                f"{region}, {sensor}: none of {len(passes)} dates has a pixel to use "
                f"(the first, {dropped[0]}); search other months or allow more cloud"
            )
    log.info("%s, %s: %d dates, %d left out", region, sensor, len(passes) - len(dropped), len(dropped))


@dataclass
class _Look:
    """Values (band, y, x) as the cube keeps them; usable and seen pixels (y, x), and classes (y, x)."""

    values: np.ndarray
    usable: np.ndarray
    seen: np.ndarray
    classes: np.ndarray | None

    def fill(self, other: "_Look") -> bool:
        """Take what is not usable here and is there, or is not seen here at all; whether there was any."""
        take = (other.usable & ~self.usable) | (other.seen & ~self.seen)
        if not take.any():
            return False
        np.copyto(self.values, other.values, where=take)
        if self.classes is not None and other.classes is not None:
            np.copyto(self.classes, other.classes, where=take)
        self.usable |= other.usable
        self.seen |= other.seen
        return True


@dataclass
class _Pass:
    """One pass of a satellite over the region: its scenes become one date of the cube."""

    scenes: Sequence[Scene]
    bands: Sequence[str]
    optical: bool
    mask: CloudMask
    clear: Sequence[int]  # classes of the scene classification to use
    pool: ThreadPoolExecutor
    used: list[Scene] = field(default_factory=list)

    def write(self, cube: CubeWriter, grid: Grid) -> str | None:
        """Write the pass block by block and keep its date; return why not where nothing is usable."""
        checks = {scene.id: OffsetCheck() for scene in self.scenes}
        with ExitStack() as files:
            sources = [self._open(scene, files) for scene in self.scenes]
            for block in grid.blocks(BLOCK):
                look = self._mosaic(grid.part(block), sources, checks)
                cube.write(block, look.values, look.usable, look.classes)
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

        def opened(name: str) -> DatasetReader:
            scene.clips[name].verify()
            return rasterio.open(scene.clips[name].path)

        names = [*self.bands, *self.mask.bands]
        return {
            name: files.enter_context(file)
            for name, file in zip(names, self.pool.map(opened, names), strict=True)
        }

    def _mosaic(
        self, grid: Grid, sources: Sequence[dict[str, DatasetReader]], checks: dict[str, OffsetCheck]
    ) -> _Look:
        """The pass on a grid, each pixel from the first scene that shows it clear, else from the first."""
        looks = (self._look(scene, files, grid) for scene, files in zip(self.scenes, sources, strict=True))
        mosaic: _Look | None = None
        for scene, look in zip(self.scenes, looks, strict=True):
            if self.optical:
                checks[scene.id].add(self._darkest(look))
            if mosaic is None:
                mosaic, taken = look, bool(look.seen.any())
                if look.classes is not None:
                    look.classes[~look.seen] = 0
            else:
                taken = mosaic.fill(look)
            if taken and scene not in self.used:
                self.used.append(scene)
            if mosaic.usable.all():
                break
        assert mosaic is not None  # a pass has scenes
        return mosaic

    def _look(self, scene: Scene, files: dict[str, DatasetReader], grid: Grid) -> _Look:
        """A scene on a grid; bands are read side by side."""
        values = np.empty((len(self.bands), *grid.shape), dtype=np.int16 if self.optical else np.float32)
        missing = REFLECTANCE_MISSING if self.optical else np.nan

        def read(index: int) -> np.ndarray | None:
            """Read a band into its place; returns its gaps, if any."""
            name = self.bands[index]
            decode = partial(reflectance_steps if self.optical else physical, clip=scene.clips[name])
            band = read_onto(files[name], grid, decode, missing=missing)
            values[index] = band if self.optical else decibel(band)
            return gaps(values[index], missing)

        masks = [self.pool.submit(self.mask.read, files[name], grid, self.clear) for name in self.mask.bands]
        holes = [hole for hole in self.pool.map(read, range(len(self.bands))) if hole is not None]
        usable, seen = np.ones(grid.shape, bool), np.ones(grid.shape, bool)
        if holes:
            usable = ~np.any(holes, axis=0)
        if len(holes) == len(self.bands):
            seen = ~np.all(holes, axis=0)
        classes = None
        for mask in masks:  # one at most
            clear, classes = mask.result()
            usable = usable & clear
        return _Look(values, usable, seen, classes)

    def _darkest(self, look: _Look) -> np.ndarray:
        """Reflectance of the darkest visible band in every fourth usable pixel."""
        visible = [index for index, band in enumerate(self.bands) if band in VISIBLE] or [0]
        darkest: np.ndarray = look.values[visible, ::4, ::4].min(axis=0)[look.usable[::4, ::4]]
        return darkest * np.float32(REFLECTANCE_STEP)

    def _offset(self, scene: Scene) -> float:
        return scene.clips[self.bands[0]].offset


def _quantity(manifests: Sequence[str | Path]) -> str | None:
    """What the provider says it measures."""
    return next((read_json(path).get("quantity") for path in manifests), None)


def _providers(manifests: Sequence[str | Path]) -> str:
    return " ".join(sorted({read_json(path)["provider"] for path in manifests}))
