"""Puts label maps onto a region's grid: the code of the nearest pixel, or of the polygon; 0 where none is.

The maps are those that a catalogue had, or files of one's own; the legend says what their values mean.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import zarr

from revisit.cube import item, quicklook
from revisit.cube.contract import codecs, open_cube
from revisit.cube.grid import Grid, Region, region_grid
from revisit.cube.labels.label_file import LabelFile
from revisit.cube.labels.legend import BY_YEAR, Legend
from revisit.cube.labels.sources import LabelMap, PolygonMap, RasterMap
from revisit.cube.stacking.acquisitions import read_manifests, with_bands
from revisit.cube.write import create_array, write_coordinates
from revisit.errors import RevisitError
from revisit.files import atomic
from revisit.job import Job
from revisit.provenance import code_version, config_hash
from revisit.record import read

BLOCK = 2048
BAND = "map"
NAMED = 10  # unknown values in a message


class Settings(Region):
    """The grid of the region's cubes, and what labels are made of."""

    resolution_m: Literal[10, 20, 60]
    """Pixel size in metres."""
    source: str
    """The map as the search calls it, or `files`."""
    legend: Legend
    """What the values of the maps mean."""
    files: list[LabelFile] = []
    """Files of one's own."""


def run(job: Job) -> None:
    """Make ``cube`` from ``manifests`` or the settings' files, with its map and STAC Item beside it."""
    path, manifests = job.target("cube"), job.sources("manifests")
    label(manifests, path, region=job.names["region"], settings=read(Settings, job.settings, "labels"))
    cube = open_cube(path, stage="labels")
    quicklook.label_map(cube, job.target("quicklook"))
    item.write_item(cube, path, item.scene_links(manifests))


def label(manifests: Sequence[str | Path], path: str | Path, *, region: str, settings: Settings) -> None:
    """Make the label cube at ``path``: ``land_cover`` (y, x) on the grid of the region's cubes.

    It is of the type that the legend's codes need. Where maps overlap the newest is taken. Where they
    hold for different years, ``land_cover_by_year`` (year, y, x) has those of each year by themselves. Raises
    RevisitError where a map is not the one downloaded or cannot be read, a value is not in the legend, or no
    map covers the region.
    """
    grid, legend = region_grid(settings, settings.resolution_m), settings.legend
    maps = _downloaded(manifests, legend) if not settings.files else _of_files(settings, grid)
    shown: list[LabelMap] = []  # maps that have a label here
    with atomic(path) as aside, codecs():
        zarr.create_group(aside, zarr_format=3)
        array = create_array(
            aside, "land_cover", grid.shape, ("y", "x"), legend.dtype.name, 0, legend.flags()
        )
        years = years_apart([one.years for one in maps])
        if years:
            by_year = create_array(
                aside,
                BY_YEAR,
                (len(years), *grid.shape),
                ("year", "y", "x"),
                legend.dtype.name,
                0,
                legend.flags(),
            )
        for block in grid.blocks(BLOCK):
            part = grid.part(block)
            codes = np.zeros(part.shape, legend.dtype)
            of_years = np.zeros((len(years), *part.shape), legend.dtype)
            for one in maps:
                found = one.onto(part)
                np.copyto(codes, found, where=codes == 0)
                for year, own in zip(years, of_years, strict=True):
                    if year in one.years:
                        np.copyto(own, found, where=own == 0)
                if one not in shown and found.any():
                    shown.append(one)
            array[block] = codes
            if years:
                by_year[(slice(None), *block)] = of_years
        _check_known(region, maps, legend)
        if not shown:
            raise RevisitError(_uncovered(region, settings))
        attributes = {
            "stage": "labels",
            "sensor": settings.source,
            "region": region,
            "unit": "class",
            "years": sorted({year for one in shown for year in one.years}),
            # Of each map as text: netCDF holds no lists of lists
            "map_years": [" ".join(map(str, years)) for years in sorted(one.years for one in shown)],
            "source_items": " ".join(sorted(one.name for one in shown)),
            "config_hash": config_hash(settings.content()),
            "code_version": code_version(),
        }
        coordinates = {"year": ("year", np.array(years), {"long_name": "calendar year"})} if years else {}
        write_coordinates(aside, grid, coordinates, attributes)


def years_apart(maps: Sequence[Sequence[int]]) -> list[int]:
    """All years that maps hold for, given those of each map; none where they are the same for all maps."""
    return sorted({year for own in maps for year in own}) if len(set(map(frozenset, maps))) > 1 else []


def _downloaded(manifests: Sequence[str | Path], legend: Legend) -> list[LabelMap]:
    """The maps that were downloaded, newest first."""
    scenes = with_bands(read_manifests(manifests), [BAND])[::-1]
    for scene in scenes:
        scene.clips[BAND].verify()
    return [
        RasterMap(
            scene.clips[BAND].path, [scene.time.year], legend, name=scene.id, nodata=scene.clips[BAND].nodata
        )
        for scene in scenes
    ]


def _of_files(settings: Settings, grid: Grid) -> list[LabelMap]:
    """The maps of files, newest first; of one year as they are listed."""
    files = sorted(settings.files, key=lambda file: -max(file.years))
    return [
        PolygonMap(file, settings.legend, grid)
        if file.vector
        else RasterMap(file.path, file.years, settings.legend)
        for file in files
    ]


def _check_known(region: str, maps: Sequence[LabelMap], legend: Legend) -> None:
    """Raise RevisitError where a map has values that the legend does not know."""
    for one in maps:
        if one.unknown:
            values = [f"{value} ({count} {one.counted})" for value, count in one.unknown.most_common(NAMED)]
            more = f" and {len(one.unknown) - NAMED} more" if len(one.unknown) > NAMED else ""
            raise RevisitError(
                f"{region}: {one.name} has values that are no class of {legend.title}: "
                f"{', '.join(values)}{more}; add them to labels.classes or to labels.ignore"
            )


def _uncovered(region: str, settings: Settings) -> str:
    if settings.files:
        names = ", ".join(str(file.path) for file in settings.files)
        return f"{region}: none of labels.files has a label in the region ({names}); correct the files"
    return f"{region}: no land cover map covers the region; see the log of its download"
