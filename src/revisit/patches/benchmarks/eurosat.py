"""EuroSAT: 27,000 Sentinel-2 scenes of Europe, each of one of ten classes.

Helber, Bischke, Dengel and Borth 2019, EuroSAT: a novel dataset and deep learning benchmark for land use and
land cover classification, IEEE JSTARS 12(7). Level-1C, all bands on one grid of 64 × 64 pixels of 10 m, the
file order with B8A last (so torchgeo reads it). The images have no dates. The lists are those of Neumann,
Pinto, Zhai and Houlsby 2019, In-domain representation learning for remote sensing
(``storage.googleapis.com/remote_sensing_representations``: eurosat-train.txt, -val, -test), and those that
torchgeo added (``hf.co/datasets/torchgeo/eurosat``); they name scenes by the file of one form or the other
(.jpg, .tif).
"""

from pathlib import Path
from typing import Literal

import numpy as np

from revisit.cube.labels.legend import LabelClass, Legend
from revisit.cube.split import PARTS
from revisit.errors import RevisitError
from revisit.patches.benchmark import Benchmark, Listed, Reading, Sample, Sensor, Source, parts_scored
from revisit.patches.kind import NO_TIME, Look
from revisit.patches.rasters import REFLECTANCE, SENTINEL_2, optical, read_raster

# Folders of the classes, and their names.
CLASSES = {
    "AnnualCrop": "Annual crop",
    "Forest": "Forest",
    "HerbaceousVegetation": "Herbaceous vegetation",
    "Highway": "Highway",
    "Industrial": "Industrial",
    "Pasture": "Pasture",
    "PermanentCrop": "Permanent crop",
    "Residential": "Residential",
    "River": "River",
    "SeaLake": "Sea or lake",
}
FILE_BANDS = [*(name for name in SENTINEL_2 if name != "B8A"), "B8A"]  # the order in the files
ORDER = [FILE_BANDS.index(name) for name in SENTINEL_2]
LISTS = {"random": "eurosat", "spatial": "eurosat-spatial", "100": "eurosat-100"}
FOLDERS = {  # as the archives of Zenodo unpack, and those of the first host
    "multispectral": ("EuroSAT_MS", "ds/images/remote_sensing/otherDatasets/sentinel_2/tif"),
    "rgb": ("EuroSAT_RGB", "2750"),
}
SUFFIX = {"multispectral": "tif", "rgb": "jpg"}
# The 8 bits of the JPEGs: digital numbers 0 to 2750 became 1 to 255 (README of the set's repository:
# gdal_translate -scale 0 2750 1 255).
RGB_LOWEST, RGB_HIGHEST, RGB_NUMBERS = 1, 255, 2750
SIDE = 64


class EuroSatEntry(Listed):
    """EuroSAT."""

    images: Literal["multispectral", "rgb"] = "multispectral"
    """The 13 bands as GeoTIFF, which say where they are; or red, green and blue as JPEG."""
    lists: Literal["random", "spatial", "100"] = "random"
    """The split: the usual one, 16,200 for training, 5,400 for validation and 5,400 for test at random; one
    of the same sizes by longitude; or one of a hundred scenes, 60, 20 and 20, to try things with."""


class EuroSat(Benchmark[EuroSatEntry]):
    """The importer; see ``revisit.patches.benchmark``."""

    Settings = EuroSatEntry
    source = Source(
        "EuroSAT", "https://zenodo.org/records/7711810", "27,000 images, 2 GB", 27_000, 16_200, "MIT"
    )
    kind = "dates"
    label_maps = False
    undated = ("sentinel-2",)
    period = ("2015-06-23", "2017-08-31")  # from the launch of Sentinel-2A to the publication
    patch_pixels = SIDE
    legend = Legend(
        title="EuroSAT",
        classes=[LabelClass(code=code, name=name) for code, name in enumerate(CLASSES.values(), start=1)],
    )

    @property
    def sensors(self) -> dict[str, Sensor]:
        bands = tuple(SENTINEL_2.values()) if self._multispectral else ("red", "green", "blue")
        return {"sentinel-2": Sensor(bands, "reflectance")}

    @property
    def _multispectral(self) -> bool:
        return self.settings.images == "multispectral"

    def samples(self) -> list[Sample]:
        form = self.settings.images
        below = next((one for one in FOLDERS[form] if (self.folder / one).is_dir()), None)
        if below is None:
            raise self.missing(f"{self.folder / FOLDERS[form][0]}")
        found = []
        for part in PARTS:
            for line in self.lines(f"{LISTS[self.settings.lists]}-{part}.txt"):
                name = Path(line).stem
                folder = name.rpartition("_")[0]
                if folder not in CLASSES:
                    raise RevisitError(
                        f"{self.folder}: the list of {part} names {line!r}, of none of the ten classes; "
                        "mend the list"
                    )
                found.append(Sample(name, part, name, (f"{below}/{folder}/{name}.{SUFFIX[form]}",)))
        return parts_scored(found, self.settings.score_on)

    def read(self, sample: Sample) -> Reading:
        path = self.folder / sample.files[0]
        raster = read_raster(path)
        numbers = raster.numbers
        bands = len(ORDER) if self._multispectral else 3
        if numbers.shape != (bands, SIDE, SIDE):
            raise RevisitError(f"{path}: is of the shape {numbers.shape}, not {(bands, SIDE, SIDE)}")
        look = optical(numbers[None, ORDER], [NO_TIME]) if self._multispectral else _stretched(numbers)
        labels = np.zeros(len(CLASSES), np.uint8)
        labels[list(CLASSES).index(sample.name.rpartition("_")[0])] = 1
        return Reading({"sentinel-2": look}, None, labels, raster.centre)


BENCHMARK = EuroSat


def _stretched(colours: np.ndarray) -> Look:
    """Reflectance of the 8 bits of a JPEG (band, y, x)."""
    shares = (colours[None].astype(np.float32) - RGB_LOWEST) / (RGB_HIGHEST - RGB_LOWEST)
    values = np.clip(shares, 0, 1) * np.float32(RGB_NUMBERS * REFLECTANCE)
    return Look(values, np.ones((1, *colours.shape[1:]), bool), np.array([NO_TIME]))
