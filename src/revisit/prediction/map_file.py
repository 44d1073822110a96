"""A map of classes as a cloud-optimised GeoTIFF with their colours and names, and its STAC Item."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.windows import Window

from revisit import __version__
from revisit.cube.grid import Block
from revisit.cube.item import derived_from, located
from revisit.cube.labels.legend import LabelClass, Legend, rgb
from revisit.errors import RevisitError
from revisit.files import atomic, remove, write_json
from revisit.prediction.images import Images, Place

NO_DATA = 0
CACHE_MB = 32  # GDAL takes a twentieth of the memory else, and fills it as the map grows
BLOCK = 512  # pixels a side of the blocks of the file
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
]
OF_MODEL = ("experiment", "method", "modality", "protocol", "label_fraction", "seed", "metric", "validation")


def legend_of(card: Mapping[str, Any]) -> Legend:
    """The classes of a model's maps: class number + 1 as code, as 0 is no class."""
    named = zip(card["classes"], card["colours"], strict=True)
    classes = [
        LabelClass(code=code, name=name, colour=colour) for code, (name, colour) in enumerate(named, start=1)
    ]
    return Legend(title=card["legend"] or "classes", classes=classes)


@contextmanager
def map_file(
    path: Path, place: Place, card: Mapping[str, Any]
) -> Iterator[Callable[[Block, NDArray[np.uint8]], None]]:
    """Yield what writes codes (y, x) to a block; the file is there when the ``with`` block succeeds.

    Raises RevisitError where the disk takes nothing more, of which GDAL does not always tell: so the file is
    read back, and must say what was written.
    """
    plain = path.with_name(f".{path.name}.plain.tif")  # what a killed run left is written over
    written: dict[tuple[int, int, int, int], int] = {}  # checksums by window
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB), atomic(path) as aside, _quiet():
        try:
            with _whole(path):
                target = rasterio.open(plain, "w", driver="GTiff", **_profile(place))

            def write(block: Block, codes: NDArray[np.uint8]) -> None:
                window = Window.from_slices(*block)
                written[window.flatten()] = crc32(np.ascontiguousarray(codes))
                with _whole(path):
                    target.write(codes, 1, window=window)

            try:
                _describe(target, card)
                yield write
            finally:
                with _whole(path):
                    target.close()
            with _whole(path):
                options = {"compress": "deflate", "blocksize": BLOCK, "overview_resampling": "mode"}
                rasterio.shutil.copy(plain, aside, driver="COG", **options)
                _read_back(aside, written)
        finally:
            remove(plain)


def _profile(place: Place) -> dict[str, Any]:
    return {
        "width": place.width, "height": place.height, "crs": place.crs, "transform": place.transform,
        "count": 1, "dtype": "uint8", "nodata": NO_DATA, "compress": "deflate",
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "if_safer",
    }  # fmt: skip


def _describe(target: Any, card: Mapping[str, Any]) -> None:
    """Write colours and names of the classes, and which model they are of."""
    legend = legend_of(card)
    colours = {code: (*rgb(colour), 255) for code, colour in legend.colours.items()}
    target.set_band_description(1, "land cover")
    target.write_colormap(1, {NO_DATA: (0, 0, 0, 0)} | colours)
    target.update_tags(
        TIFFTAG_SOFTWARE=f"revisit {__version__}",
        classes=json.dumps(legend.names),
        model=json.dumps({key: card[key] for key in OF_MODEL}),
    )
    target.update_tags(1, **{f"class_{code}": name for code, name in legend.names.items()})


def _read_back(path: Path, written: Mapping[tuple[int, int, int, int], int]) -> None:
    """Raise OSError where a file does not hold what was written, or lacks a part of its overviews."""
    with rasterio.open(path) as file:
        levels = len(file.overviews(1))
        for window, checksum in written.items():
            if crc32(file.read(1, window=Window(*window))) != checksum:
                raise OSError(f"{path}: not what was written to it")
    for level in range(levels):
        with rasterio.open(path, overview_level=level) as file:
            for _, window in file.block_windows(1):
                file.read(1, window=window)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Tell of what GDAL could not write or read back in one line that names ``path``."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.startswith("rasterio"):
            raise RevisitError(
                f"{path}: cannot be written (what there is of it is damaged); make room and run again"
            ) from error
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log of rasterio, which says the same in many lines."""
    log = logging.getLogger("rasterio")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def write_map_item(path: Path, place: Place, images: Images, card: Mapping[str, Any]) -> None:
    """Write the Item of the map at ``path`` beside it."""
    where, projection = located(place.crs, place.bounds, place.shape, list(place.transform)[:6])
    begin, end = images.period
    legend = legend_of(card)
    content = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS,
        "id": f"{card['experiment']}-{path.stem}",
        **where,
        "properties": {
            "datetime": None,
            "start_datetime": begin,
            "end_datetime": end,
            **projection,
            "processing:lineage": "Class of the highest score of a trained network at every pixel, scores of "
            "overlapping tiles blended.",
            "processing:software": {"revisit": __version__},
            "revisit:stage": "maps",
            **({"revisit:region": images.region} if images.region else {}),
            **{f"revisit:{key}": card[key] for key in (*OF_MODEL, "config_hash", "code_version")},
        },
        "assets": {
            "map": {
                "href": f"./{path.name}",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "title": "Map of classes; 0 is no data",
                "roles": ["data"],
                "data_type": "uint8",
                "nodata": NO_DATA,
                "classification:classes": [
                    {
                        "value": code,
                        "name": f"class-{code}",
                        "title": name,
                        "color_hint": legend.colours[code][1:].upper(),
                    }
                    for code, name in legend.names.items()
                ],
            },
        },
        "links": [derived_from(link, path.parent) for link in images.sources],
    }
    write_json(path.with_suffix(".json"), content)
