"""BigEarthNet, version 2 (reBEN): the pairs of version 1 made anew, with maps of land cover.

Clasen et al. 2025, reBEN: refined BigEarthNet dataset for remote sensing image analysis, IGARSS
(arXiv:2407.03653). Sentinel-2 by a newer sen2cor, Sentinel-1 as it was; patches lie in folders of the product
that they were cut from. ``metadata.parquet`` has a row for each of 480,038 patches: patch_id, s1_name, split
(train, validation, test: 237,871, 122,342 and 119,825) and labels, names of the 19 classes. The 69,450 under
snow or clouds are in a parquet file of their own, which is not read. Digital numbers have no offset, though
sen2cor is new (means of blue that users publish are about 440). A reference map is of CORINE codes; those
that are in none of the 19 classes, and 999, are no label.

Layout, columns and codes are those of the code that made the set (github.com/kai-tub/bigearthnet-pipeline)
and of torchgeo, which reads it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic import Field

from revisit.errors import RevisitError
from revisit.patches.benchmark import Reading, Sample, Source, check_codes, parts_scored
from revisit.patches.benchmarks.bigearthnet import (
    CLASSES,
    OPTICAL,
    RADAR,
    SIDE,
    Patches,
    PatchesEntry,
    centre,
)
from revisit.patches.kept import kept
from revisit.patches.rasters import read_raster

METADATA = "metadata.parquet"
FOLDERS = {OPTICAL: "BigEarthNet-S2", RADAR: "BigEarthNet-S1"}
MAPS = "Reference_Maps"
PARTS = {"train": "train", "validation": "val", "test": "test"}
# CORINE codes of the 19 classes, in their order, and those of no class; 999 is no code of CORINE.
CORINE = (
    (111, 112), (121,), (211, 212, 213), (221, 222, 223, 241), (231,), (242,), (243,), (244,), (311,), (312,),
    (313,), (321, 333), (322, 323), (324,), (331,), (411, 412), (421, 422), (511, 512), (521, 522, 523),
)  # fmt: skip
NO_LABEL = (122, 123, 124, 131, 132, 133, 141, 142, 332, 334, 335, 423, 999)
CODES = np.zeros(1000, np.uint8)
for number, merged in enumerate(CORINE, start=1):
    CODES[list(merged)] = number


class BigEarthNetV2Entry(PatchesEntry):
    """BigEarthNet, version 2 (reBEN). Labels are the set's own: a class that a whole patch shows at all."""

    patch_pixels: int = Field(SIDE, ge=8, le=SIDE, multiple_of=2)
    """Side of the middle of the patches that is taken: all 120 pixels; or 112, a multiple of 16, or 96, one
    of 32, as many networks need."""


class BigEarthNetV2(Patches[BigEarthNetV2Entry]):
    """The importer; see ``revisit.patches.benchmark``."""

    Settings = BigEarthNetV2Entry
    source = Source(
        "BigEarthNet v2.0",
        "https://zenodo.org/records/10891137",
        "480,038 pairs, 118 GB packed",
        480_038,
        237_871,
        "CDLA-Permissive-1.0",
    )
    label_maps = True

    def __init__(self, settings: BigEarthNetV2Entry) -> None:
        super().__init__(settings)
        self.labels = kept(self._labels, 1)

    @property
    def patch_pixels(self) -> int:
        return self.settings.patch_pixels

    def samples(self) -> list[Sample]:
        for folder in (*(FOLDERS[sensor] for sensor in self.sensors), MAPS):
            if not (self.folder / folder).is_dir():
                raise self.missing(f"{self.folder / folder}")
        columns = self._columns("patch_id", "s1_name", "split")
        found = []
        for name, radar, part in zip(columns["patch_id"], columns["s1_name"], columns["split"], strict=True):
            if part not in PARTS:
                raise RevisitError(
                    f"{self.folder / METADATA}: {name} is in the split {part!r}, which is none of "
                    f"{', '.join(PARTS)}; fetch the file again"
                )
            own = {OPTICAL: _below(name, 2), RADAR: _below(radar, 3)}
            files = [f"{FOLDERS[sensor]}/{own[sensor]}" for sensor in self.sensors]
            files.append(f"{MAPS}/{own[OPTICAL]}/{name}_reference_map.tif")
            found.append(Sample(name, PARTS[part], name, tuple(files)))
        return parts_scored(
            sorted(found, key=lambda one: list(PARTS.values()).index(one.part)), self.settings.score_on
        )

    def read(self, sample: Sample) -> Reading:
        *folders, map_path = (self.folder / file for file in sample.files)
        looks = {
            sensor: self.look(sensor, folder, _time(folder))
            for sensor, folder in zip(self.sensors, folders, strict=True)
        }
        corine = read_raster(map_path).numbers[0]
        if corine.shape != (SIDE, SIDE):
            raise RevisitError(f"{map_path}: is of the shape {corine.shape}, not {(SIDE, SIDE)}")
        check_codes(corine, [*np.flatnonzero(CODES).tolist(), *NO_LABEL], map_path)
        return Reading(
            looks,
            CODES[self.middle(corine)],
            self.labels()[sample.name],
            centre(list(self.sensors)[-1], folders[-1]),
        )

    def _labels(self) -> Mapping[str, np.ndarray]:
        """0 or 1 for each of the 19 classes, by patch."""
        columns, numbers = self._columns("patch_id", "labels"), {name: n for n, name in enumerate(CLASSES)}
        labels = np.zeros((len(columns["patch_id"]), len(CLASSES)), np.uint8)
        for row, (patch, names) in enumerate(zip(columns["patch_id"], columns["labels"], strict=True)):
            if unknown := [name for name in names if name not in numbers]:
                raise RevisitError(
                    f"{self.folder / METADATA}: {patch} has the label {unknown[0]!r}, which is no class of "
                    "the set; fetch the file again"
                )
            labels[row, [numbers[name] for name in names]] = 1
        return MappingProxyType(dict(zip(columns["patch_id"], labels, strict=True)))

    def _columns(self, *names: str) -> dict[str, list[Any]]:
        """Columns of the table of patches; raises RevisitError where it cannot be read or lacks one."""
        path = self.folder / METADATA
        if not path.is_file():
            raise self.missing(f"{path}")
        try:
            from fastparquet import ParquetFile  # of an extra that only this set needs
        except ImportError as error:
            raise RevisitError(
                f"{path}: to read it takes fastparquet; pip install 'revisit[parquet]'"
            ) from error
        try:
            table = ParquetFile(path).to_pandas(columns=list(names))
        except Exception as error:  # what a damaged file raises depends on where it is damaged
            said = " ".join(str(error).split())[:200]
            raise RevisitError(
                f"{path}: cannot be read ({said}); fetch the file again, or write a table of your own so "
                "that its lists have a dictionary (pyarrow does by default)"
            ) from error
        return {name: table[name].tolist() for name in names}


BENCHMARK = BigEarthNetV2


def _below(patch: str, position: int) -> str:
    """The folder of a patch below that of its product, whose name lacks the last pieces: the position."""
    return f"{patch.rsplit('_', position)[0]}/{patch}"


def _time(folder: Path) -> np.datetime64:
    """When a patch was seen, as its name says: ..._20170613T101031_..."""
    for piece in folder.name.split("_"):
        date, _, time = piece.partition("T")
        if len(date) == 8 and len(time) == 6 and (date + time).isdigit():
            day = f"{date[:4]}-{date[4:6]}-{date[6:]}"
            return np.datetime64(f"{day}T{time[:2]}:{time[2:4]}:{time[4:]}")
    raise RevisitError(f"{folder}: its name says no date; fetch the set again")
