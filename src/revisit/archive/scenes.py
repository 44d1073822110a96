"""Acquisitions of a region, from the state of the land to files and items, one at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.warp import Resampling, reproject
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform

from revisit.archive import geometry, optics, radar
from revisit.archive import items as catalogue
from revisit.archive.geometry import Grid
from revisit.archive.kinds import BANDS
from revisit.archive.land import Land
from revisit.archive.noise import stream
from revisit.archive.optics import Light
from revisit.archive.schedule import Pass
from revisit.archive.season import state
from revisit.archive.weather import Weather


@dataclass(frozen=True)
class Place:
    """What all acquisitions of a region share. ``grid`` is larger than the region by a margin."""

    key: tuple[int, str]
    folder: Path
    grid: Grid
    tiles: list[Grid]
    latitude: float
    land: Land
    weather: Weather


def write_sentinel2(place: Place, one: Pass) -> list[tuple[catalogue.Item, float]]:
    """Write a pass, an item a tile; returns items with the share of the region's tile that is truly clear."""
    rng = stream(*place.key, *one.seed)  # the sky is the same in both products of a pass, the noise is not
    light = _light(place, one)
    land = state(place.land, place.weather, one.when.date())
    above = optics.sky(place.grid.shape, one.cloud_cover, light, rng)
    bands = optics.seen(optics.ground(land, light, rng), above, one.displacement)
    rng = stream(*place.key, *one.seed, one.sequence)
    scl = optics.scene_classes(bands, above, land.snow, rng)
    clear = (above.cloud < 0.1) & (above.veil < 0.1) & (above.shadow < 0.2)
    swath = _swath(place, one)
    names = _tile_names(place)
    result = []
    for tile, name in zip(place.tiles, names, strict=True):
        footprint = _on(tile, place.grid.epsg, swath)
        inside = {metres: geometry.covered(tile, footprint, metres) for metres in (10, 20, 60)}
        classes = np.where(inside[20], _delivered(scl, place.grid, tile, 20), 0).astype(np.uint8)
        codes = np.bincount(classes.ravel(), minlength=12)
        shares = {code: 100 * float(count) / max(int(codes[1:].sum()), 1) for code, count in enumerate(codes)}
        shares[0] = 100 * float(codes[0]) / classes.size
        item = catalogue.sentinel2_item(one, tile, name, footprint, light, shares)
        write_cog(place.folder / item["assets"]["scl"]["href"], classes, tile.epsg, tile.affine(20), 0)
        for band, (_, _, _, resolution) in BANDS.items():
            numbers = optics.digital_numbers(
                _delivered(bands[band], place.grid, tile, resolution),
                catalogue.offset(one.baseline),
                one.quality,
                rng,
                inside[resolution],
            )
            path = place.folder / item["assets"][band]["href"]
            write_cog(path, numbers, tile.epsg, tile.affine(resolution), 0)
        usable = _delivered(clear.astype(np.uint8), place.grid, tile, 20).astype(bool)
        result.append((item, float(np.mean(usable & inside[20]))))
    return result


def write_sentinel1(place: Place, one: Pass) -> tuple[catalogue.Item, float]:
    """Write a pass; returns its item with the share of the scene inside the swath."""
    rng = stream(*place.key, *one.seed)
    footprint = _swath(place, one)
    inside = geometry.covered(place.grid, footprint)
    item = catalogue.sentinel1_item(one, place.grid, footprint)
    mean = radar.power(state(place.land, place.weather, one.when.date()), one.ascending, one.displacement)
    for band, power in mean.items():
        values = radar.speckled(power, catalogue.RADAR_NODATA, rng, inside)
        path = place.folder / item["assets"][band]["href"]
        write_cog(path, values, place.grid.epsg, place.grid.affine(), catalogue.RADAR_NODATA)
    return item, float(inside.mean())


def write_cog(path: Path, values: NDArray[Any], epsg: int, affine: Affine, nodata: float) -> None:
    """One band as a cloud-optimised GeoTIFF; overviews only where the image is larger than a screen."""
    rows, columns = values.shape
    profile = {
        "driver": "COG",
        "compress": "zstd",  # writes and reads more than twice as fast as deflate, at the same size
        "level": 1,
        "blocksize": 256,
        "overviews": "AUTO" if max(rows, columns) > 1024 else "NONE",
    }
    # By way of memory: GDAL says nothing of a disk that is full when it closes a file.
    with MemoryFile() as memory:
        with memory.open(
            height=rows, width=columns, count=1, dtype=values.dtype, crs=f"EPSG:{epsg}",
            transform=affine, nodata=nodata, **profile,
        ) as file:  # fmt: skip
            file.write(values, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(memory.getbuffer())


def _light(place: Place, one: Pass) -> Light:
    elevation, azimuth = geometry.sun(place.latitude, one.when)
    far = one.relative_orbit % 2  # of the two orbits one sees the place from the east, one from the west
    return Light(elevation, azimuth, 8.5 if far else 3.5, 105.0 if far else 285.0)


def _swath(place: Place, one: Pass) -> BaseGeometry:
    angle = 0.2 if one.ascending else -0.2  # orbits lean from the meridian
    return geometry.half_plane(place.grid, angle, one.swath_edge)


def _tile_names(place: Place) -> list[str]:
    first = geometry.tile_name(place.tiles[0])
    if len(place.tiles) == 1:
        return [first]
    second = place.tiles[1]
    return [first, geometry.tile_name(second, 1 if second.epsg == place.grid.epsg else 0)]


def _on(tile: Grid, epsg: int, footprint: BaseGeometry) -> BaseGeometry:
    """The part of a footprint on a tile, in the tile's coordinates."""
    if tile.epsg != epsg:
        footprint = transform(Transformer.from_crs(epsg, tile.epsg, always_xy=True).transform, footprint)
    return footprint.intersection(tile.polygon())


def _delivered(values: NDArray[Any], scene: Grid, tile: Grid, resolution: int) -> NDArray[Any]:
    """A scene's field on the grid of a tile: a part of it, or resampled to the zone next door."""
    if tile.epsg == scene.epsg:
        rows, columns = (
            slice(part.start * 10 // resolution, part.stop * 10 // resolution) for part in scene.part(tile)
        )
        return values[rows, columns]
    result = np.zeros((tile.rows * 10 // resolution, tile.columns * 10 // resolution), dtype=values.dtype)
    reproject(
        values,
        result,
        src_transform=scene.affine(resolution),
        src_crs=f"EPSG:{scene.epsg}",
        dst_transform=tile.affine(resolution),
        dst_crs=f"EPSG:{tile.epsg}",
        resampling=Resampling.nearest if values.dtype == np.uint8 else Resampling.cubic,
    )
    return result
