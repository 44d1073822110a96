"""Pictures of cubes: a contact sheet of dates, a map of labels, a small GeoTIFF that any GIS opens."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from rasterio.windows import Window

from revisit.cube.averages import median_of_valid
from revisit.cube.contract import clearest, grid_of, values_of
from revisit.cube.labels.worldcover import WORLDCOVER, palette
from revisit.files import atomic, remove

DATES = 8
COLUMNS = 4
PANEL_PIXELS = 400
PANEL_INCHES = 2.6
MASKED_GREY = 200
GAMMA = 0.7  # land is dark beside sand and roofs
MEDIAN_DATES = 9
RATIO = "vv - vh"
# The first of these that a cube has the bands for is shown as red, green, blue.
COMPOSITES = [
    ("red", "green", "blue"),
    ("nir", "red", "green"),
    ("swir16", "nir", "red"),
    ("vv", "vh", RATIO),
]
SCALE_BARS_M = [100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000]


def contact_sheet(cube: xr.Dataset, path: str | Path) -> None:
    """Draw up to eight dates of a cube as a PNG, clearest first; masked pixels are grey.

    They are spread over its time: the clearest of each of eight spans with equally many dates.
    """
    dates = _clearest_over_time(cube)
    names, step = _composite_names(cube), _step(cube)
    images, valid = _composites(cube, names, dates, step)
    colours = _stretch(images, _limits(images, valid))
    colours[~valid] = MASKED_GREY

    columns = min(COLUMNS, len(dates))
    rows = -(-len(dates) // columns)
    panel_height = PANEL_INCHES * images.shape[2] / images.shape[3] + 0.3
    figure = Figure(figsize=(columns * PANEL_INCHES, rows * panel_height + 0.4), layout="constrained")
    panels = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in panels:
        axes.set_axis_off()
    for axes, date, image in zip(panels, dates, colours, strict=False):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(_title(cube, date), fontsize=9)
    _scale_bar(panels[0], cube, step)
    what = f"{len(dates)} of {cube.sizes['time']} dates, clearest first ({', '.join(names)}; grey: masked)"
    figure.suptitle(_heading(cube, what), fontsize=10)
    save(figure, path)


def label_map(cube: xr.Dataset, path: str | Path) -> None:
    """Draw the land cover of a label cube with a legend of the classes in it, as a PNG."""
    step = _step(cube, 2 * PANEL_PIXELS)
    codes = cube["land_cover"][::step, ::step].values
    colours = palette()
    present, counts = np.unique(codes, return_counts=True)
    figure = Figure(figsize=(8.5, 0.5 + 5.6 * codes.shape[0] / codes.shape[1]), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.imshow(colours[codes], interpolation="nearest")
    legend = [
        Patch(
            facecolor=colours[code] / 255,
            edgecolor="0.4",
            label=f"{WORLDCOVER[code].name if code in WORLDCOVER else 'none'}, {share:.1%}",
        )
        for code, share in zip(present, counts / codes.size, strict=True)
    ]
    figure.legend(handles=legend, loc="outside right upper", frameon=False, fontsize=9)
    _scale_bar(axes, cube, step)
    axes.set_title(_heading(cube, "land cover"), fontsize=10)
    save(figure, path)


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
    grid, names = grid_of(cube), _composite_names(cube)
    dates = clearest(cube, MEDIAN_DATES)
    limits = _limits(*_composites(cube, names, dates, _step(cube)))
    profile = {"width": grid.width, "height": grid.height, "crs": grid.crs, "transform": grid.transform}
    profile |= {"count": 3, "dtype": "uint8", "photometric": "rgb", "compress": "deflate"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", tiled=True, **profile) as target,
    ):
        for block in grid.blocks(512):
            rows, columns = block
            images, valid = _composites(cube.isel(y=rows, x=columns), names, dates)
            window = Window.from_slices(rows, columns)
            colours = _stretch(median_of_valid(images, valid), limits)
            target.write(np.moveaxis(colours, -1, 0), window=window)
            target.write_mask(valid.any(axis=0), window=window)


def save(figure: Figure, path: str | Path) -> None:
    """Save a figure so that the same picture has the same bytes."""
    with atomic(path) as aside:
        figure.savefig(aside, format="png", dpi=110, metadata={"Software": None})


def _clearest_over_time(cube: xr.Dataset) -> list[int]:
    """The clearest date of each span, by the share of valid pixels as it is printed, then by time."""
    valid = cube["valid_fraction"].values.round(2)
    spans = np.array_split(np.arange(len(valid)), min(DATES, len(valid)))
    dates = [int(span[np.argmax(valid[span])]) for span in spans]
    return sorted(dates, key=lambda date: (-valid[date], date))


def _composite_names(cube: xr.Dataset) -> tuple[str, ...]:
    bands = cube["band"].values.tolist()
    for names in COMPOSITES:
        if set(bands) >= set(names) - {RATIO}:
            return names
    return tuple(bands[:1] * 3)


def _step(cube: xr.Dataset, pixels: int = PANEL_PIXELS) -> int:
    """Every how many pixels to read so that a picture has at most ``pixels`` a side."""
    return -(-max(cube.sizes["y"], cube.sizes["x"]) // pixels)


def _composites(
    cube: xr.Dataset, names: Sequence[str], dates: Iterable[int], step: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Images (date, 3, y, x) float32, and which of their pixels are valid (date, y, x)."""
    index = [cube["band"].values.tolist().index(name) for name in names if name != RATIO]
    images, valid = [], []
    for date in dates:
        image = values_of(cube)[date, index, ::step, ::step].values.astype(np.float32)
        images.append(np.stack([*image, image[0] - image[1]]) if RATIO in names else image)
        valid.append(cube["valid"][date, ::step, ::step].values.astype(bool))
    return np.stack(images), np.stack(valid)


def _limits(images: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """2nd and 98th percentile of the valid pixels, (2, 3): one stretch for all dates."""
    chosen = np.moveaxis(images, 1, -1)[valid] if valid.any() else np.zeros((1, 3))
    limits: np.ndarray = np.percentile(chosen, (2, 98), axis=0)
    return limits


def _stretch(images: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Images (..., 3, y, x) as colours (..., y, x, 3), uint8."""
    low, high = limits
    shares = (np.nan_to_num(np.moveaxis(images, -3, -1)) - low) / np.maximum(high - low, 1e-6)
    colours: np.ndarray = (255 * np.clip(shares, 0, 1) ** GAMMA).astype(np.uint8)
    return colours


def _title(cube: xr.Dataset, date: int) -> str:
    at = cube.isel(time=date)
    orbit = f" {str(at['orbit_state'].values)[:3]}" if cube.attrs["sensor"] == "sentinel-1" else ""
    return f"{str(at['time'].values)[:10]}{orbit}  {float(at['valid_fraction']):.0%} valid"


def _heading(cube: xr.Dataset, what: str) -> str:
    return f"{cube.attrs['region']}, {cube.attrs['sensor']}, {cube.attrs['stage']}: {what}"


def _scale_bar(axes: Axes, cube: xr.Dataset, step: int) -> None:
    """A bar of a round length, about a quarter of the picture, with its length in kilometres."""
    pixel = grid_of(cube).resolution * step
    width, height = cube.sizes["x"] / step, cube.sizes["y"] / step
    length = max(n for n in SCALE_BARS_M if n <= max(width * pixel / 3, SCALE_BARS_M[0]))
    box = (0.03 * width, 0.93 * height)
    axes.add_patch(
        Rectangle(box, length / pixel, 0.025 * height, facecolor="white", edgecolor="black", lw=0.6)
    )
    text = axes.text(box[0], box[1] - 0.02 * height, f"{length / 1000:g} km", color="white", fontsize=8)
    text.set_path_effects([withStroke(linewidth=2, foreground="black")])
