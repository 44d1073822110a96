"""OSCD, Onera Satellite Change Detection: 24 pairs of Sentinel-2 images of towns, and maps of what was built.

Daudt, Le Saux, Boulch and Gousseau 2018, Urban change detection for multispectral Earth observation using
convolutional neural networks, IGARSS. For each town a folder with both dates: co-registered, with all bands
on the grid of 10 m (``imgs_{1,2}_rect``), or as they came, each band on its own grid (``imgs_{1,2}``), which
SeCo's code reads. The maps are PNGs of 0 and 255. Towns are cut into squares without overlap; those at the
right and lower edges are filled up with nothing. Files do not say where they lie; the outline of the town
does, where the folder has one (a .geojson).

Names of folders and lists as torchgeo and SeCo's code (github.com/ServiceNow/seasonal-contrast) read them.
"""

import json
import re
from pathlib import Path

import numpy as np
from pydantic import Field

from revisit.cube.labels.change import CHANGE, CHANGED, SAME
from revisit.cube.labels.legend import Legend
from revisit.errors import RevisitError
from revisit.patches.benchmark import Benchmark, Entry, Reading, Sample, Sensor, Source, check_codes
from revisit.patches.kept import kept
from revisit.patches.kind import Look
from revisit.patches.rasters import SENTINEL_2, UNKNOWN, optical, read_raster, stacked

IMAGES = "Onera Satellite Change Detection dataset - Images"
LABELS = "Onera Satellite Change Detection dataset - {part} Labels"
MAP, DAYS = "cm/cm.png", "dates.txt"
DATES = (1, 2)
UNCHANGED_VALUE, CHANGED_VALUE = 0, 255
TOWN_PIXELS = 600  # side of a town, about
TOWNS_KEPT = 8  # read last, each some 30 MB


class OscdEntry(Entry):
    """OSCD."""

    rectified: bool = True
    """The co-registered images; else those as they came, as SeCo's code reads them."""
    tile_pixels: int = Field(96, ge=8)
    """Side of the squares; 96 in SeCo and CACo."""
    validation_towns: list[str] = ["beirut", "rennes"]
    """Towns of the training list that are for validation; the set has no list for that."""


class Oscd(Benchmark[OscdEntry]):
    """The importer; see ``revisit.patches.benchmark``."""

    Settings = OscdEntry
    source = Source("OSCD", "https://rcdaudt.github.io/oscd", "24 pairs of images", 24, 24)
    kind = "bitemporal"
    time_axis = True
    label_maps = True
    period = ("2015-07-01", "2018-12-31")

    def __init__(self, settings: OscdEntry) -> None:
        super().__init__(settings)
        self.source = self.source.in_squares((-(-TOWN_PIXELS // settings.tile_pixels)) ** 2)
        self.town = kept(self._town, TOWNS_KEPT)

    @property
    def sensors(self) -> dict[str, Sensor]:
        return {"sentinel-2": Sensor(tuple(SENTINEL_2.values()), "reflectance")}

    @property
    def legend(self) -> Legend:
        return CHANGE

    @property
    def patch_pixels(self) -> int:
        return self.settings.tile_pixels

    def samples(self) -> list[Sample]:
        found = []
        training = self._towns("train")
        validating = self.settings.validation_towns
        if unknown := [town for town in validating if town not in training]:
            raise RevisitError(
                f"validation_towns: {unknown[0]!r} is not in the training list of {self.folder}, there is "
                f"{', '.join(training)}"
            )
        for part, towns in (("train", training), ("test", self._towns("test"))):
            for town in towns:
                found += self._tiles(town, part, "val" if town in validating else part)
        return found

    def _towns(self, part: str) -> list[str]:
        """Towns of a list, which may stand in one line with commas between."""
        return [
            town for line in self.lines(f"{IMAGES}/{part}.txt") for town in re.split(r"[,\s]+", line) if town
        ]

    def _tiles(self, town: str, part: str, into: str) -> list[Sample]:
        files = (f"{IMAGES}/{town}", f"{LABELS.format(part=part.title())}/{town}/{MAP}")
        map_path = self.folder / files[1]
        if not map_path.is_file():  # how many squares it has is not known
            return [Sample(town, into, town, files)]
        side = self.settings.tile_pixels
        height, width = _changes(map_path).shape
        return [
            Sample(f"{town}-{row}-{column}", into, f"{town}-{row}-{column}", files, (row, column))
            for row in range(0, height, side)
            for column in range(0, width, side)
        ]

    def absent(self, sample: Sample) -> Path | None:
        town, changes = (self.folder / file for file in sample.files)
        bands = (self._file(town, date, band) for date in DATES for band in SENTINEL_2)
        return next((path for path in (changes, town / DAYS, *bands) if not path.is_file()), None)

    def read(self, sample: Sample) -> Reading:
        images, changes, centre, extent = self.town(*sample.files)
        side, (row, column) = self.settings.tile_pixels, sample.window
        inside = changes[row : row + side, column : column + side]
        filling = ((0, side - inside.shape[0]), (0, side - inside.shape[1]))
        of_tile = (..., slice(row, row + side), slice(column, column + side))
        look = Look(
            np.pad(images.values[of_tile], ((0, 0), (0, 0), *filling)),
            np.pad(images.valid[of_tile], ((0, 0), *filling)),
            images.times,
        )
        height, width = changes.shape
        shares = (column + side / 2) / width - 0.5, 0.5 - (row + side / 2) / height
        place = tuple(
            middle + share * degrees for middle, share, degrees in zip(centre, shares, extent, strict=True)
        )
        return Reading({"sentinel-2": look}, np.pad(inside, filling), None, (place[0], place[1]))

    def _town(
        self, images: str, changes: str
    ) -> tuple[Look, np.ndarray, tuple[float, float], tuple[float, float]]:
        """Both images of a town, its map of change, and its middle and extent in degrees."""
        folder = self.folder / images
        codes = _changes(self.folder / changes)
        dates = _dates(folder / DAYS)
        height, width = codes.shape
        stored = (height, width) if self.settings.rectified else None
        both = np.stack(
            [
                stacked({self._file(folder, date, band): stored for band in SENTINEL_2}, (height, width))
                for date in DATES
            ]
        )
        return optical(both, dates), codes, *_outline(folder)

    def _file(self, folder: Path, date: int, band: str) -> Path:
        """The file of a band, or what it would be called; raises RevisitError where it is one of several."""
        if self.settings.rectified:
            return folder / f"imgs_{date}_rect" / f"{band}.tif"
        called = folder / f"imgs_{date}" / f"*{band}.tif"
        found = list(called.parent.glob(called.name))
        if len(found) > 1:
            raise RevisitError(f"{called}: there are {len(found)}; leave the one that came with the set")
        return found[0] if found else called


BENCHMARK = Oscd


def _changes(path: Path) -> np.ndarray:
    """Codes of a map of change (y, x); raises RevisitError where it holds anything but 0 and 255."""
    values = read_raster(path).numbers[0]
    check_codes(values, (UNCHANGED_VALUE, CHANGED_VALUE), path)
    return np.where(values == CHANGED_VALUE, CHANGED, SAME).astype(np.uint8)


def _dates(path: Path) -> list[np.datetime64]:
    """The days of both images, ``date_1: 20151211``; raises RevisitError where they are not said."""
    found = re.findall(r"date_(\d):\s*(\d{4})(\d\d)(\d\d)", path.read_text() if path.is_file() else "")
    days = {number: np.datetime64("-".join(date)) for number, *date in found}
    if len(found) != 2 or set(days) != {"1", "2"}:
        raise RevisitError(f"{path}: does not say the dates of both images; fetch the set again")
    return [days["1"], days["2"]]


def _outline(folder: Path) -> tuple[tuple[float, float], tuple[float, float]]:
    """Middle and extent in degrees of the box around the outline of a town; NaN where there is none."""
    for path in sorted(folder.glob("*.geojson")):
        try:
            (feature,) = json.loads(path.read_text(encoding="utf-8"))["features"]
            corners = np.array(feature["geometry"]["coordinates"][0], float)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise RevisitError(
                f"{path}: is no outline of one polygon ({error}); fetch the set again"
            ) from error
        low, high = corners.min(axis=0), corners.max(axis=0)
        middle, extent = (low + high) / 2, high - low
        return (float(middle[0]), float(middle[1])), (float(extent[0]), float(extent[1]))
    return UNKNOWN, UNKNOWN
