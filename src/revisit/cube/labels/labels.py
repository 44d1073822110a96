"""Puts the land cover of ESA WorldCover onto a region's grid: every code kept, 0 where there is none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
import zarr

from revisit.cube import item, quicklook
from revisit.cube.contract import codecs, open_cube
from revisit.cube.grid import Region, region_grid
from revisit.cube.labels.worldcover import WORLDCOVER
from revisit.cube.stacking.acquisitions import read_manifests, with_bands
from revisit.cube.warp import read_onto
from revisit.cube.write import create_array, write_coordinates
from revisit.errors import RevisitError
from revisit.files import atomic
from revisit.job import Job
from revisit.provenance import code_version, config_hash
from revisit.record import read

BLOCK = 2048
BAND = "map"
ABOUT = {
    "long_name": "land cover, ESA WorldCover",
    "flag_values": list(WORLDCOVER),
    "flag_meanings": " ".join(
        land_cover.name.lower().replace(" ", "_") for land_cover in WORLDCOVER.values()
    ),
    "flag_colors": " ".join(land_cover.colour for land_cover in WORLDCOVER.values()),
}


class Settings(Region):
    """The grid of the region's cubes."""

    resolution_m: Literal[10, 20, 60]
    """Pixel size in metres."""


def run(job: Job) -> None:
    """Make ``cube`` from ``manifests``, with its map and STAC Item beside it."""
    path, manifests = job.target("cube"), job.sources("manifests")
    label(manifests, path, region=job.names["region"], settings=read(Settings, job.settings, "labels"))
    cube = open_cube(path, stage="labels")
    quicklook.label_map(cube, job.target("quicklook"))
    item.write_item(cube, path, item.scene_links(manifests))


def label(manifests: Sequence[str | Path], path: str | Path, *, region: str, settings: Settings) -> None:
    """Make the label cube at ``path``: ``land_cover`` uint8 (y, x) on the grid of the region's cubes.

    Where maps overlap the newest is taken. Raises RevisitError where a map is not the one downloaded, or
    none covers the region.
    """
    grid = region_grid(settings, settings.resolution_m)
    maps = with_bands(read_manifests(manifests), [BAND])[::-1]
    for scene in maps:
        scene.clips[BAND].verify()
    seen = False
    with atomic(path) as aside, codecs():
        zarr.create_group(aside, zarr_format=3)
        array = create_array(aside, "land_cover", grid.shape, ("y", "x"), "uint8", 0, ABOUT)
        for block in grid.blocks(BLOCK):
            part = grid.part(block)
            codes = np.zeros(part.shape, dtype=np.uint8)
            for scene in maps:
                with rasterio.open(scene.clips[BAND].path) as source:
                    found = read_onto(source, part, lambda n: n.astype(np.uint8), missing=0, categorical=True)
                np.copyto(codes, found, where=codes == 0)
            array[block] = codes
            seen = seen or bool(codes.any())
        if not seen:
            raise RevisitError(f"{region}: no land cover map covers the region; see the log of its download")
        attributes = {
            "stage": "labels",
            "sensor": "worldcover",
            "region": region,
            "unit": "class",
            "years": sorted({scene.time.year for scene in maps}),
            "source_items": " ".join(sorted(scene.id for scene in maps)),
            "config_hash": config_hash(settings.content()),
            "code_version": code_version(),
        }
        write_coordinates(aside, grid, {}, attributes)
