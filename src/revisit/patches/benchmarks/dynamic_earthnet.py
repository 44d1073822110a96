"""DynamicEarthNet: 75 places seen by Planet in 2018 and 2019, with a map of land cover of every month.

Toker et al. 2022, DynamicEarthNet: daily multi-spectral satellite dataset for semantic change segmentation,
CVPR. PlanetFusion surface reflectance in four bands, stored blue, green, red, near infrared, in 1024 × 1024
pixels of 3 m; here the image of the first of each month, whose land cover the maps are. A map is seven bands
of 0 and 255, one for each class, the last of snow. The lists name a folder of images, a map and a month in
each line; below which folder the images lie differs from release to release, so all before the UTM zone is
left out of it.

The bands are called those of Sentinel-2, so that encoders of its visible and infrared bands take them. Order
of the bands, maps and lists as the authors' code (github.com/aysim/dynnet) reads them.
"""

import re

import numpy as np
from pydantic import Field

from revisit.cube.labels.legend import LabelClass, Legend
from revisit.cube.split import PARTS
from revisit.errors import RevisitError
from revisit.patches.benchmark import (
    Benchmark,
    Listed,
    Reading,
    Sample,
    Sensor,
    Source,
    check_codes,
    parts_scored,
)
from revisit.patches.kept import kept
from revisit.patches.kind import Look
from revisit.patches.rasters import Raster, optical, read_raster

LISTS = ("split_info", "dynnet_training_splits")  # the folder of the lists, by release
ZONE = re.compile(r"\d\d[NS]")
SIDE = 1024
SHOWN = 255  # in the band of its class
CLASSES = {
    "Impervious surface": "#606060",
    "Agriculture": "#cccc00",
    "Forest and other vegetation": "#00cc00",
    "Wetlands": "#0000ff",
    "Soil": "#994c00",
    "Water": "#0080ff",
    "Snow and ice": "#8a2be2",
}
SNOW = 7
IMAGES_KEPT = 16  # read last, 26 MB each with what is made of it


class DynamicEarthNetEntry(Listed):
    """DynamicEarthNet."""

    tile_pixels: int = Field(256, ge=8)
    """Side of the squares that images are cut into; divides 1024."""
    snow: bool = False
    """Whether snow and ice is a class; else it has no label, as in the official six classes."""


class DynamicEarthNet(Benchmark[DynamicEarthNetEntry]):
    """The importer; see ``revisit.patches.benchmark``."""

    Settings = DynamicEarthNetEntry
    source = Source(
        "DynamicEarthNet",
        "https://mediatum.ub.tum.de/1650201",
        "1,800 labelled images of 75 places, 525 GB with all days",
        1_800,
        1_320,
    )
    kind = "dates"
    label_maps = True
    resolution_m = 3
    period = ("2018-01-01", "2019-12-31")

    def __init__(self, settings: DynamicEarthNetEntry) -> None:
        super().__init__(settings)
        if SIDE % settings.tile_pixels:
            raise RevisitError(f"tile_pixels: {settings.tile_pixels} does not divide {SIDE}")
        self.source = self.source.in_squares((SIDE // settings.tile_pixels) ** 2)
        self.image = kept(self._image, IMAGES_KEPT)

    @property
    def sensors(self) -> dict[str, Sensor]:
        return {"sentinel-2": Sensor(("blue", "green", "red", "nir"), "reflectance")}

    @property
    def legend(self) -> Legend:
        classes = [
            LabelClass(code=code, name=name, colour=colour)
            for code, (name, colour) in enumerate(CLASSES.items(), start=1)
            if code != SNOW or self.settings.snow
        ]
        return Legend(title="DynamicEarthNet", classes=classes)

    @property
    def patch_pixels(self) -> int:
        return self.settings.tile_pixels

    def samples(self) -> list[Sample]:
        folder = next((name for name in LISTS if (self.folder / name).is_dir()), LISTS[0])
        found = []
        for part in PARTS:
            for line in self.lines(f"{folder}/{part}.txt"):
                found += self._tiles(line, part)
        return parts_scored(found, self.settings.score_on, lambda sample: sample.place.partition("-")[0])

    def _tiles(self, line: str, part: str) -> list[Sample]:
        """The squares of an image; its line may have doubled slashes, and one in front."""
        images, changes, month = [*line.split(), "", ""][:3]
        names = [name for name in images.split("/") if name not in ("", "PF-SR")]
        zone = next((number for number, name in enumerate(names) if ZONE.fullmatch(name)), len(names))
        pieces = names[zone:]
        if not pieces or not re.fullmatch(r"\d{4}-\d\d", month):
            raise RevisitError(
                f"{self.folder}: the list of {part} has the line {line!r}, which is not a folder of images "
                "below a UTM zone, a map and a month; mend the list"
            )
        files = (f"planet/{'/'.join(pieces)}/PF-SR/{month}-01.tif", changes.strip("/"))
        side = self.settings.tile_pixels
        return [
            Sample(f"{place}-{month}", part, place, files, (row, column))
            for row in range(0, SIDE, side)
            for column in range(0, SIDE, side)
            for place in (f"{pieces[-1]}-{row}-{column}",)
        ]

    def read(self, sample: Sample) -> Reading:
        raster, look, codes = self.image(*sample.files)
        side, (row, column) = self.settings.tile_pixels, sample.window
        inside = (..., slice(row, row + side), slice(column, column + side))
        here = Look(look.values[inside], look.valid[inside], look.times)
        return Reading(
            {"sentinel-2": here}, codes[inside], None, raster.at(row + side / 2, column + side / 2)
        )

    def _image(self, image: str, labels: str) -> tuple[Raster, Look, np.ndarray]:
        """An image, its look and its codes (y, x), 0 where there is no label."""
        raster, maps = read_raster(self.folder / image), read_raster(self.folder / labels).numbers
        for path, numbers, bands in ((image, raster.numbers, 4), (labels, maps, len(CLASSES))):
            if numbers.shape != (bands, SIDE, SIDE):
                raise RevisitError(
                    f"{self.folder / path}: is of the shape {numbers.shape}, not {(bands, SIDE, SIDE)}"
                )
        check_codes(maps, (0, SHOWN), self.folder / labels)
        codes = np.zeros((SIDE, SIDE), np.uint8)
        for code, shown in enumerate(maps == SHOWN, start=1):
            codes[shown] = code if code != SNOW or self.settings.snow else 0
        day = np.datetime64(image[-len("2018-01-01.tif") : -len(".tif")])
        return raster, optical(raster.numbers[None], [day]), codes


BENCHMARK = DynamicEarthNet
