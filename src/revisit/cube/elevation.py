"""Puts the elevation of Copernicus DEM GLO-30 onto a region's grid: metres, NaN where there is none."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
import zarr

from revisit.cube import item, quicklook
from revisit.cube.contract import codecs, open_cube
from revisit.cube.grid import Region, region_grid
from revisit.cube.stacking.acquisitions import read_manifests, with_bands
from revisit.cube.stacking.decode import physical
from revisit.cube.warp import read_onto
from revisit.cube.write import create_array, write_coordinates
from revisit.errors import RevisitError
from revisit.files import atomic
from revisit.job import Job
from revisit.provenance import code_version, config_hash
from revisit.record import read

BLOCK = 2048
BAND = "elevation"
ABOUT = {
    "long_name": "elevation of the surface, Copernicus DEM GLO-30",
    "units": "m",
    "standard_name": "height_above_geopotential_datum",
    "comment": "above the geoid EGM2008; of the surface that radar sees, with trees and roofs",
}


class Settings(Region):
    """The grid of the region's cubes."""

    resolution_m: Literal[10, 20, 60]
    """Pixel size in metres."""


def run(job: Job) -> None:
    """Make ``cube`` from ``manifests``, with its map and STAC Item beside it."""
    path, manifests = job.target("cube"), job.sources("manifests")
    elevate(manifests, path, region=job.names["region"], settings=read(Settings, job.settings, "dem"))
    cube = open_cube(path, stage="dem")
    quicklook.elevation_map(cube, job.target("quicklook"))
    item.write_item(cube, path, item.scene_links(manifests))


def elevate(manifests: Sequence[str | Path], path: str | Path, *, region: str, settings: Settings) -> None:
    """Make the cube at ``path``: ``elevation`` float32 (y, x) in metres on the grid of the region's cubes.

    Tiles of 30 m are interpolated bilinearly. Raises RevisitError where a tile is not the one downloaded, or
    none covers the region.
    """
    grid = region_grid(settings, settings.resolution_m)
    tiles = with_bands(read_manifests(manifests), [BAND])
    for tile in tiles:
        tile.clips[BAND].verify()
    seen = False
    with atomic(path) as aside, codecs():
        zarr.create_group(aside, zarr_format=3)
        array = create_array(aside, "elevation", grid.shape, ("y", "x"), "float32", np.nan, ABOUT)
        for block in grid.blocks(BLOCK):
            part = grid.part(block)
            metres = np.full(part.shape, np.nan, dtype=np.float32)
            for tile in tiles:
                clip = tile.clips[BAND]
                with rasterio.open(clip.path) as source:
                    found = read_onto(source, part, partial(physical, clip=clip))
                np.copyto(metres, found, where=np.isnan(metres))
            array[block] = metres
            seen = seen or not np.isnan(metres).all()
        if not seen:
            raise RevisitError(f"{region}: no elevation covers the region; see the log of its download")
        attributes = {
            "stage": "dem",
            "sensor": "dem",
            "region": region,
            "unit": "m",
            "years": sorted({tile.time.year for tile in tiles}),
            "source_items": " ".join(sorted(tile.id for tile in tiles)),
            "config_hash": config_hash(settings.content()),
            "code_version": code_version(),
        }
        write_coordinates(aside, grid, {}, attributes)
