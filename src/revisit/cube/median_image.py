"""A cube as one small GeoTIFF, the median of clear dates: any GIS opens it, also those that read no Zarr."""

from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from rasterio.windows import Window

from revisit.cube.averages import median_of_valid
from revisit.cube.composites import composite_names, composites, limits_of, step_of, stretch
from revisit.cube.contract import clearest, grid_of
from revisit.files import atomic, remove

DATES = 9
BLOCK = 768  # pixels, whole chunks of a large cube and all of a small one


def median_image(cube: xr.Dataset, path: str | Path) -> None:
    """Write the median of the clearest dates as a cloud-optimised GeoTIFF: red, green, blue and a mask.

    Every GIS opens it, also those that read no Zarr.
    """
    plain = Path(path).with_name(f".{Path(path).name}.plain.tif")  # what a killed run left is written over
    with atomic(path) as aside:
        try:
            _plain_median(cube, plain)
            rasterio.shutil.copy(plain, aside, driver="COG", compress="deflate")
        finally:
            remove(plain)


def _plain_median(cube: xr.Dataset, path: Path) -> None:
    """The image as a plain GeoTIFF, block by block."""
    grid, names = grid_of(cube), composite_names(cube)
    dates = clearest(cube, DATES)
    limits = limits_of(*composites(cube, names, dates, step_of(cube)))
    profile = {"width": grid.width, "height": grid.height, "crs": grid.crs, "transform": grid.transform}
    profile |= {"count": 3, "dtype": "uint8", "photometric": "rgb", "compress": "deflate"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", tiled=True, **profile) as target,
    ):
        for block in grid.blocks(BLOCK):
            rows, columns = block
            images, valid = composites(cube.isel(y=rows, x=columns), names, dates)
            window = Window.from_slices(rows, columns)
            colours = stretch(median_of_valid(images, valid), limits)
            target.write(np.moveaxis(colours, -1, 0), window=window)
            target.write_mask(valid.any(axis=0), window=window)
