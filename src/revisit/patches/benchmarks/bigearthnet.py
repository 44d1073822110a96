"""BigEarthNet-MM, version 1: pairs of Sentinel-1 and Sentinel-2 patches of Europe with several classes each.

Sumbul et al. 2021, BigEarthNet-MM: a large-scale, multimodal, multilabel benchmark archive for remote sensing
image classification and retrieval, IEEE GRSM 9(3). A folder for each patch of each sensor, in it a GeoTIFF
for each band on its own grid (Level-2A at 10, 20 and 60 m without B10; backscatter in dB), and a JSON with
CORINE classes. The labels are the 19 classes of that paper; a patch that shows none of them has no label.

The official lists are ``splits`` of git.tu-berlin.de/rsim/BigEarthNet-MM_19-classes_models, called here as
torchgeo calls them; the random ones and EuroSAT's are from one place (see there). The lists of snow (61,707
patches) and of clouds (9,280) are files of the set's Zenodo record.
"""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import Field

from revisit.cube.labels.legend import LabelClass, Legend
from revisit.cube.split import PARTS
from revisit.errors import RevisitError
from revisit.patches.benchmark import Benchmark, Listed, Reading, Sample, Sensor, Source, parts_scored
from revisit.patches.kind import Look
from revisit.patches.rasters import METRES, SENTINEL_2, optical, radar, read_raster, stacked

RADAR, OPTICAL = "sentinel-1", "sentinel-2"
FOLDERS = {OPTICAL: "BigEarthNet-v1.0", RADAR: "BigEarthNet-S1-v1.0"}
BANDS = {name: band for name, band in SENTINEL_2.items() if name != "B10"}
POLARISATIONS = {"VV": "vv", "VH": "vh"}
SIDE, RESOLUTION_M = 120, 10
DESCRIBED = "labels_metadata.json"
BAD = {  # lists of patches that show no ground, published with the set
    "patches_with_seasonal_snow.csv": "under snow",
    "patches_with_cloud_and_shadow.csv": "under clouds or their shadow",
}
# The 19 classes, and the CORINE classes of level 3 that each is made of; the eleven others are left out.
CLASSES: dict[str, tuple[str, ...]] = {
    "Urban fabric": ("Continuous urban fabric", "Discontinuous urban fabric"),
    "Industrial or commercial units": ("Industrial or commercial units",),
    "Arable land": ("Non-irrigated arable land", "Permanently irrigated land", "Rice fields"),
    "Permanent crops": (
        "Vineyards",
        "Fruit trees and berry plantations",
        "Olive groves",
        "Annual crops associated with permanent crops",
    ),
    "Pastures": ("Pastures",),
    "Complex cultivation patterns": ("Complex cultivation patterns",),
    "Land principally occupied by agriculture, with significant areas of natural vegetation": (
        "Land principally occupied by agriculture, with significant areas of natural vegetation",
    ),
    "Agro-forestry areas": ("Agro-forestry areas",),
    "Broad-leaved forest": ("Broad-leaved forest",),
    "Coniferous forest": ("Coniferous forest",),
    "Mixed forest": ("Mixed forest",),
    "Natural grassland and sparsely vegetated areas": ("Natural grassland", "Sparsely vegetated areas"),
    "Moors, heathland and sclerophyllous vegetation": ("Moors and heathland", "Sclerophyllous vegetation"),
    "Transitional woodland, shrub": ("Transitional woodland/shrub",),
    "Beaches, dunes, sands": ("Beaches, dunes, sands",),
    "Inland wetlands": ("Inland marshes", "Peatbogs"),
    "Coastal wetlands": ("Salt marshes", "Salines"),
    "Inland waters": ("Water courses", "Water bodies"),
    "Marine waters": ("Coastal lagoons", "Estuaries", "Sea and ocean"),
}
LEFT_OUT = (
    "Road and rail networks and associated land",
    "Port areas",
    "Airports",
    "Mineral extraction sites",
    "Dump sites",
    "Construction sites",
    "Green urban areas",
    "Sport and leisure facilities",
    "Bare rock",
    "Burnt areas",
    "Intertidal flats",
)
NUMBERS = {corine: number for number, merged in enumerate(CLASSES.values()) for corine in merged}
LEGEND = Legend(
    title="BigEarthNet, 19 classes",
    classes=[LabelClass(code=code, name=name) for code, name in enumerate(CLASSES, start=1)],
)


class PatchesEntry(Listed):
    """What either version may be asked for."""

    sensors: list[Literal["sentinel-1", "sentinel-2"]] = ["sentinel-1", "sentinel-2"]
    """Sensors to take; without Sentinel-1 its folder is not needed."""


class BigEarthNetEntry(PatchesEntry):
    """BigEarthNet-MM, version 1."""

    lists: Literal["official", "random"] = "official"
    """The split: that of the 19 classes (`bigearthnet-train.csv` and so on: 269,695, 123,723 and 125,866
    pairs); or the random one that SeCo, DINO-MM and SSL4EO-S12 take (`bigearthnet-train.txt`), less the
    patches of the two lists of snow and of clouds."""
    resampled_pixels: int = Field(SIDE, ge=8, le=1024)
    """Side that patches are resampled to, bilinearly, from 120 pixels: 128 in SeCo and DINO-MM, which all
    networks take."""


S = TypeVar("S", bound=PatchesEntry)


class Patches(Benchmark[S]):
    """What both versions share: a folder for each patch of each sensor, in it a file for each band."""

    period = ("2017-06-01", "2018-05-31")
    legend = LEGEND
    whole_pixels = SIDE  # to which patches are resampled, before their middle is taken
    beside: tuple[str, ...] = ()  # ends the names of files of a patch that are no bands

    def __init__(self, settings: S) -> None:
        super().__init__(settings)
        self.kind = "pairs" if len(set(settings.sensors)) == 2 else "dates"

    @property
    def sensors(self) -> dict[str, Sensor]:
        have = {
            RADAR: Sensor(tuple(POLARISATIONS.values()), "dB"),
            OPTICAL: Sensor(tuple(BANDS.values()), "reflectance"),
        }
        return {sensor: own for sensor, own in have.items() if sensor in self.settings.sensors}

    def absent(self, sample: Sample) -> Path | None:
        """See ``Benchmark``; one look into each folder, as the whole set has eight million files."""
        for sensor, file in zip(self.sensors, sample.files, strict=False):  # files of maps come after them
            folder = self.folder / file
            try:
                with os.scandir(folder) as entries:
                    there = {entry.name for entry in entries}
            except (FileNotFoundError, NotADirectoryError):
                return folder
            bands = BANDS if sensor == OPTICAL else POLARISATIONS
            for end in (*(f"{band}.tif" for band in bands), *self.beside):
                if (name := f"{folder.name}_{end}") not in there:
                    return folder / name
        return super().absent(sample)

    def look(self, sensor: str, folder: Path, time: np.datetime64) -> Look:
        """The image of a sensor in the folder of its patch, all bands on the grid of 10 m."""
        names, of_numbers = (BANDS, optical) if sensor == OPTICAL else (POLARISATIONS, radar)
        sides = {band: SIDE * RESOLUTION_M // METRES.get(band, RESOLUTION_M) for band in names}
        files = {folder / f"{folder.name}_{band}.tif": (side, side) for band, side in sides.items()}
        numbers = stacked(files, (self.whole_pixels,) * 2)
        return of_numbers(self.middle(numbers)[None], [time])

    def middle(self, whole: np.ndarray) -> np.ndarray:
        """What is taken of a patch (..., y, x)."""
        edge = (self.whole_pixels - self.patch_pixels) // 2
        middle = slice(edge, edge + self.patch_pixels)
        return whole[..., middle, middle]


def centre(sensor: str, folder: Path) -> tuple[float, float]:
    """Longitude and latitude of the patch in a folder, degrees."""
    finest = "B02" if sensor == OPTICAL else "VV"
    return read_raster(folder / f"{folder.name}_{finest}.tif").centre


class BigEarthNet(Patches[BigEarthNetEntry]):
    """The importer; see ``revisit.patches.benchmark``."""

    Settings = BigEarthNetEntry
    source = Source(
        "BigEarthNet-MM v1.0",
        "https://zenodo.org/records/12687186",
        "590,326 pairs",
        590_326,
        311_667,
        "CDLA-Permissive-1.0",
    )
    label_maps = False
    beside = (DESCRIBED,)

    def __init__(self, settings: BigEarthNetEntry) -> None:
        super().__init__(settings)
        self.whole_pixels = settings.resampled_pixels
        self.resolution_m = RESOLUTION_M * SIDE / settings.resampled_pixels

    @property
    def patch_pixels(self) -> int:
        return self.settings.resampled_pixels

    def samples(self) -> list[Sample]:
        for sensor in self.sensors:
            if not (self.folder / FOLDERS[sensor]).is_dir():
                raise self.missing(f"{self.folder / FOLDERS[sensor]}")
        official = self.settings.lists == "official"
        return parts_scored(self._official() if official else self._random(), self.settings.score_on)

    def _official(self) -> Iterator[Sample]:
        for part in PARTS:
            for line in self.lines(file := f"bigearthnet-{part}.csv"):
                names = dict(zip((OPTICAL, RADAR), next(csv.reader([line])), strict=False))
                yield self._sample(part, names, file)

    def _random(self) -> Iterator[Sample]:
        bad = {name: cause for file, cause in BAD.items() for name in self.lines(file)}
        partners = self._partners() if RADAR in self.sensors else {}
        for part in PARTS:
            for name in self.lines(file := f"bigearthnet-{part}.txt"):
                names = {OPTICAL: name} | ({RADAR: partners[name]} if name in partners else {})
                if name in bad or (RADAR in self.sensors and name not in partners):
                    yield Sample(name, part, name, (), left_out=bad.get(name, "without a Sentinel-1 partner"))
                else:
                    yield self._sample(part, names, file)

    def _sample(self, part: str, names: dict[str, str], file: str) -> Sample:
        if lacking := [sensor for sensor in self.sensors if sensor not in names]:
            raise RevisitError(
                f"{self.folder / file}: names no patch of {lacking[0]} beside {names[OPTICAL]}; take the "
                "lists of BigEarthNet-MM, or `sensors: [sentinel-2]`"
            )
        files = tuple(f"{FOLDERS[sensor]}/{names[sensor]}" for sensor in self.sensors)
        return Sample(names[OPTICAL], part, names[OPTICAL], files)

    def _partners(self) -> dict[str, str]:
        """The Sentinel-1 patch of each Sentinel-2 patch, as its JSON says."""
        folders = sorted(path for path in (self.folder / FOLDERS[RADAR]).iterdir() if path.is_dir())
        if self.settings.partial:
            folders = [folder for folder in folders if _about(folder).is_file()]
        return {_said(folder, "corresponding_s2_patch"): folder.name for folder in folders}

    def read(self, sample: Sample) -> Reading:
        folders = dict(zip(self.sensors, (self.folder / file for file in sample.files), strict=True))
        looks = {}
        for sensor, folder in folders.items():
            date = _said(folder, "acquisition_date" if sensor == OPTICAL else "acquisition_time")
            looks[sensor] = self.look(sensor, folder, np.datetime64(date.replace(" ", "T")))
        sensor, folder = list(folders.items())[-1]
        return Reading(looks, None, _labels(folder, _said(folder, "labels")), centre(sensor, folder))


BENCHMARK = BigEarthNet


def _about(folder: Path) -> Path:
    """The JSON of a patch."""
    return folder / f"{folder.name}_{DESCRIBED}"


def _said(folder: Path, key: str) -> Any:
    """What the JSON of a patch says under a key."""
    path = _about(folder)
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise RevisitError(f"{path}: cannot be read ({error}); fetch the set again") from error
    if key not in about:
        raise RevisitError(f"{path}: does not say {key}; fetch the set again")
    return about[key]


def _labels(folder: Path, names: list[str]) -> np.ndarray | None:
    """0 or 1 for each of the 19 classes; None where the patch shows none of them."""
    if unknown := [name for name in names if name not in NUMBERS and name not in LEFT_OUT]:
        raise RevisitError(f"{folder}: has the label {unknown[0]!r}, which is no class of the set")
    labels = np.zeros(len(CLASSES), np.uint8)
    labels[[NUMBERS[name] for name in names if name in NUMBERS]] = 1
    return labels if labels.any() else None
