"""Pictures of cubes for a person's eye: a contact sheet of dates, a label map, a small GeoTIFF for any GIS."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from revisit.cube.classes import WORLDCOVER
from revisit.cube.contract import grid_of, values_of
from revisit.files import atomic

DATES = 8
COLUMNS = 4
PANEL_PIXELS = 400
MEDIAN_DATES = 9
# First of these that a cube has is shown as red, green, blue.
COMPOSITES = [
    ("red", "green", "blue"),
    ("nir", "red", "green"),
    ("swir16", "nir", "red"),
    ("vv", "vh", "vv - vh"),
]
MASKED_GREY = 0.6


def contact_sheet(cube: xr.Dataset, path: str | Path) -> None:
    """Draw up to eight dates of a cube, spread over its time, as a PNG; masked pixels are grey.

    All panels share one stretch (2nd to 98th percentile of the valid pixels drawn), so that dates compare.
    """
    dates = np.unique(np.linspace(0, cube.sizes["time"] - 1, DATES).round().astype(int))
    step = max(1, -(-max(cube.sizes["y"], cube.sizes["x"]) // PANEL_PIXELS))
    names = composite_of(cube["band"].values.tolist())
    images = np.stack([_composite(cube, date, step, names) for date in dates])
    valid = cube["valid"][dates, ::step, ::step].values.astype(bool)
    colours = _stretch(images, valid)

    columns = min(COLUMNS, len(dates))
    rows = -(-len(dates) // columns)
    height, width = images.shape[1:3]
    panel = 2.6
    figure = Figure(figsize=(columns * panel, rows * (panel * height / width + 0.25) + 0.45), layout="constrained")
    for index, axes in enumerate(np.ravel(figure.subplots(rows, columns, squeeze=False))):
        axes.set_axis_off()
        if index < len(dates):
            axes.imshow(colours[index], interpolation="nearest")
            axes.set_title(_title(cube, dates[index]), fontsize=9)
    _scale_bar(figure.axes[0], cube, step)
    figure.suptitle(_heading(cube, f"{len(dates)} of {cube.sizes['time']} dates, {', '.join(names)}"), fontsize=10)
    save(figure, path)


def label_map(cube: xr.Dataset, path: str | Path) -> None:
    """Draw the land cover of a label cube with a legend of the classes in it, as a PNG."""
    step = max(1, -(-max(cube.sizes["y"], cube.sizes["x"]) // (2 * PANEL_PIXELS)))
    codes = cube["land_cover"][::step, ::step].values
    palette = np.full((256, 3), 255, np.uint8)
    for code, land_cover in WORLDCOVER.items():
        palette[code] = list(bytes.fromhex(land_cover.colour[1:]))
    present, counts = np.unique(codes, return_counts=True)
    figure = Figure(figsize=(8, 0.5 + 5.4 * codes.shape[0] / codes.shape[1]), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.imshow(palette[codes], interpolation="nearest")
    legend = [
        Patch(
            facecolor=palette[code] / 255,
            edgecolor="0.4",
            label=f"{WORLDCOVER[code].name if code in WORLDCOVER else 'none'}, {share:.1%}",
        )
        for code, share in zip(present, counts / codes.size, strict=True)
    ]
    axes.legend(handles=legend, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    _scale_bar(axes, cube, step)
    figure.suptitle(_heading(cube, "land cover"), fontsize=10)
    save(figure, path)


def median_image(cube: xr.Dataset, path: str | Path) -> None:
    """Write the median of the clearest dates as a cloud-optimised GeoTIFF: red, green, blue, and a mask.

    Worked out block by block; every GIS opens it, also those that read no Zarr.
    """
    grid, names = grid_of(cube), composite_of(cube["band"].values.tolist())
    clearest = np.sort(np.argsort(-cube["valid_fraction"].values, kind="stable")[:MEDIAN_DATES])
    limits = None
    profile = {
        "driver": "GTiff", "width": grid.width, "height": grid.height, "count": 3, "dtype": "uint8",
        "crs": grid.crs, "transform": grid.transform, "photometric": "rgb", "tiled": True, "compress": "deflate",
    }  # fmt: skip
    step = max(1, -(-max(grid.shape) // PANEL_PIXELS))
    sample = np.stack([_composite(cube, date, step, names) for date in clearest])
    limits = _limits(sample, cube["valid"][clearest, ::step, ::step].values.astype(bool))
    with atomic(path) as aside, atomic(aside.with_suffix(".strip.tif")) as plain:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(plain, "w", **profile) as target:
            for rows, columns in grid.blocks(512):
                part = cube.isel(y=rows, x=columns)
                median = np.nanmedian(np.stack([_composite(part, d, 1, names) for d in clearest]), axis=0)
        rasterio.shutil.copy(plain, aside, driver="COG", compress="deflate")
