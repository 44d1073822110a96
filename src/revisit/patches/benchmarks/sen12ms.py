"""SEN12MS: triplets of Sentinel-1, Sentinel-2 and MODIS land cover from all over the land, in four seasons.

Schmitt, Hughes, Qiu and Zhu 2019, SEN12MS: a curated dataset of georeferenced multi-spectral Sentinel-1/2
imagery for deep learning and data fusion, ISPRS Annals IV-2/W7; lists of Schmitt and Wu 2021, Remote sensing
image classification with the SEN12MS dataset, ISPRS Annals V-2. Files of 256 × 256 pixels of 10 m:
backscatter in dB, Level-1C in 13 bands, and four bands of land cover, the first by IGBP. The labels are the
ten classes that those authors merge IGBP's into. The images have a season, but no dates.

The lists train_list.txt and test_list.txt (18,106 files of 26 scenes) are in ``splits`` of the authors'
repository. It has no list for validation any more; an earlier state (commit ebc2556) names the 25 scenes of
one, which are the default here.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import Field

from revisit.cube.labels.legend import LabelClass, Legend
from revisit.errors import RevisitError
from revisit.patches.benchmark import (
    Benchmark,
    Entry,
    Listed,
    Reading,
    Sample,
    Sensor,
    Source,
    check_codes,
    parts_scored,
)
from revisit.patches.kind import NO_TIME
from revisit.patches.rasters import SENTINEL_2, optical, radar, read_raster

# Codes of the simplified IGBP scheme, its names, and the IGBP classes that each is merged from.
SCHEME: dict[int, tuple[str, tuple[int, ...]]] = {
    1: ("Forest", (1, 2, 3, 4, 5)),
    2: ("Shrubland", (6, 7)),
    3: ("Savanna", (8, 9)),
    4: ("Grassland", (10,)),
    5: ("Wetlands", (11,)),
    6: ("Croplands", (12, 14)),
    7: ("Urban or built-up", (13,)),
    8: ("Snow or ice", (15,)),
    9: ("Barren", (16,)),
    10: ("Water", (17,)),
}
NO_LABEL = (0, 255)  # IGBP: unclassified
COLOURS = (  # in which MODIS land cover is usually drawn
    "#009900", "#c6b044", "#fbff13", "#b6ff05", "#27ff87",
    "#c24f44", "#a5a5a5", "#69fff8", "#f9ffa4", "#1c0dff",
)  # fmt: skip
BROKEN = "ROIs1868_summer_146_p202"  # the triplet that the lists' authors took out
SIDE = 256
SPOKEN = 3  # scenes named in an error


def legend_of(title: str, codes: Mapping[int, tuple[str, tuple[int, ...]]]) -> Legend:
    """The legend of some of the classes."""
    return Legend(
        title=title,
        classes=[LabelClass(code=code, name=codes[code][0], colour=COLOURS[code - 1]) for code in codes],
    )


def merged(igbp: np.ndarray, path: Path) -> np.ndarray:
    """Codes of the scheme for IGBP's; raises RevisitError where ``path`` holds another."""
    table = np.zeros(256, np.uint8)
    for code, (_, classes) in SCHEME.items():
        table[list(classes)] = code
    check_codes(igbp, [*NO_LABEL, *np.flatnonzero(table).tolist()], path)
    return table[igbp.astype(np.uint8)]


# Scenes that the authors validated on, by season: splits/ValidationScenes.txt.
VALIDATION = {
    "ROIs1158_spring": (44, 45, 77, 112, 113, 117),
    "ROIs1868_summer": (26, 36, 55, 73, 89, 113),
    "ROIs1970_fall": (1, 3, 14, 20, 57, 62, 93, 130, 142),
    "ROIs2017_winter": (69, 77, 103, 144),
}


class Triplets(Benchmark[Entry]):
    """What SEN12MS and the sets made like it share: files of one name but for what they hold."""

    kind = "pairs"
    label_maps = True
    undated = ("sentinel-1", "sentinel-2")
    patch_pixels = SIDE
    label_file: str  # what the files of labels are called

    @property
    def sensors(self) -> dict[str, Sensor]:
        return {
            "sentinel-1": Sensor(("vv", "vh"), "dB"),
            "sentinel-2": Sensor(tuple(SENTINEL_2.values()), "reflectance"),
        }

    def triplet(self, line: str, part: str, of_folder: str = "") -> Sample:
        """The sample of a file of any of the three; ``place`` is itself.

        Folders are called by what they hold and ``of_folder``, by default the scene.
        """
        pieces = Path(line).stem.split("_")
        if len(pieces) != 5 or not re.fullmatch(r"p\d+", pieces[-1]):
            raise RevisitError(
                f"{self.folder}: the list of {part} names {line!r}, which is not like "
                "ROIs1868_summer_s2_146_p202.tif; mend the list, or take the file away"
            )
        roi, season, _, scene, patch = pieces
        name = "_".join((roi, season, scene, patch))
        files = (
            f"{roi}_{season}/{what}_{of_folder or scene}/{roi}_{season}_{what}_{scene}_{patch}.tif"
            for what in ("s1", "s2", self.label_file)
        )
        return Sample(name, part, name, tuple(files))

    def codes(self, path: Path) -> np.ndarray:
        """Codes of the legend in a file of labels."""
        return merged(read_raster(path).numbers[0], path)

    def read(self, sample: Sample) -> Reading:
        radar_path, optical_path, label_path = (self.folder / file for file in sample.files)
        backscatter, numbers = read_raster(radar_path), read_raster(optical_path)
        for raster, path, bands in ((backscatter, radar_path, 2), (numbers, optical_path, len(SENTINEL_2))):
            if raster.numbers.shape[0] != bands:
                raise RevisitError(f"{path}: has {raster.numbers.shape[0]} bands, not {bands}")
        looks = {
            "sentinel-1": radar(backscatter.numbers[None], [NO_TIME]),
            "sentinel-2": optical(numbers.numbers[None], [NO_TIME]),
        }
        return Reading(looks, self.codes(label_path), None, numbers.centre)


class Sen12MsEntry(Listed):
    """SEN12MS."""

    validation_scenes: list[str] | None = Field(None, min_length=1)
    """Scenes of the training list that are for validation, such as `ROIs1158_spring_44`; the 25 that the
    authors once took if absent."""


class Sen12Ms(Triplets):
    """The importer; see ``revisit.patches.benchmark``."""

    Settings = Sen12MsEntry
    settings: Sen12MsEntry
    source = Source(
        "SEN12MS",
        "https://mediatum.ub.tum.de/1474000 (lists: https://github.com/schmitt-muc/SEN12MS)",
        "180,662 triplets",
        180_662,
        162_555,
    )
    period = ("2016-12-01", "2017-11-30")
    label_file = "lc"
    legend = legend_of("SEN12MS, simplified IGBP", SCHEME)

    def samples(self) -> list[Sample]:
        found = [
            self.triplet(line, part) for part in ("train", "test") for line in self.lines(f"{part}_list.txt")
        ]
        training = {_scene(sample) for sample in found if sample.part == "train"}
        validating = set(
            self.settings.validation_scenes
            or (f"{season}_{scene}" for season, scenes in VALIDATION.items() for scene in scenes)
        )
        if unknown := sorted(validating - training):
            raise RevisitError(
                f"validation_scenes: {unknown[0]!r} is not in the training list of {self.folder}, there is "
                f"{', '.join(sorted(training)[:SPOKEN])} and so on; name scenes of that list"
            )
        listed = (
            sample._replace(
                part="val" if sample.part == "train" and _scene(sample) in validating else sample.part,
                left_out="broken" if sample.name == BROKEN else "",
            )
            for sample in found
        )
        return parts_scored(listed, self.settings.score_on, _scene)


BENCHMARK = Sen12Ms


def _scene(sample: Sample) -> str:
    return sample.name.rpartition("_")[0]
