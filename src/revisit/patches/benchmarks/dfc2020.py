"""DFC2020: triplets like those of SEN12MS with land cover of 10 m, of the IEEE GRSS contest of 2020.

Yokoya et al. 2020, 2020 IEEE GRSS Data Fusion Contest: global land cover mapping with weak supervision, IEEE
GRSM 8(1). Folders ``ROIs0000_validation`` (986 triplets) and ``ROIs0000_test`` (5,128), in each s1_*, s2_*,
lc_* (MODIS) and dfc_* (10 m), where * is validation or 0 as one got them (the baseline of the contest,
github.com/lukasliebel/dfc2020_baseline, reads s2_validation and s2_0). Of the ten classes two, savanna and
snow, are not evaluated.
"""

from pathlib import Path
from typing import Literal

import numpy as np

from revisit.cube.labels.legend import Legend
from revisit.patches.benchmark import Entry, Sample, Source, check_codes, with_validation
from revisit.patches.benchmarks.sen12ms import NO_LABEL, SCHEME, Triplets, legend_of
from revisit.patches.rasters import read_raster

NOT_EVALUATED = (3, 8)
EVALUATED = {code: about for code, about in SCHEME.items() if code not in NOT_EVALUATED}
FOLDERS = {"train": "ROIs0000_validation", "test": "ROIs0000_test"}


class Dfc2020Entry(Entry):
    """DFC2020."""

    labels: Literal["dfc", "modis"] = "dfc"
    """Land cover of 10 m, or of MODIS."""


class Dfc2020(Triplets):
    """The importer; see ``revisit.patches.benchmark``."""

    Settings = Dfc2020Entry
    settings: Dfc2020Entry
    source = Source(
        "DFC2020, the validation and test data of track 2",
        "https://ieee-dataport.org/competitions/2020-ieee-grss-data-fusion-contest",
        "6,114 triplets",
        6_114,
        986,
        "CC BY",
    )
    period = ("2016-12-01", "2019-12-31")

    @property
    def legend(self) -> Legend:
        return legend_of("DFC2020", EVALUATED)

    def __init__(self, settings: Dfc2020Entry) -> None:
        super().__init__(settings)
        self.label_file = "dfc" if settings.labels == "dfc" else "lc"

    def samples(self) -> list[Sample]:
        """Training is on the contest's validation data, as in the works that learn from few labels.

        A triplet is listed where any of its files is.
        """
        found: list[Sample] = []
        for part, name in FOLDERS.items():
            folder = self.folder / name
            if not folder.is_dir():
                raise self.missing(f"{folder}")
            listed = {
                self.triplet(str(path.relative_to(self.folder)), part, path.parent.name.partition("_")[2])
                for what in ("s1", "s2", self.label_file)
                for path in folder.glob(f"{what}_*/*.tif")
            }
            found += sorted(listed, key=_in_order)
        return with_validation(found)

    def codes(self, path: Path) -> np.ndarray:
        codes = read_raster(path).numbers[0]
        if self.settings.labels == "modis":
            codes = super().codes(path)
        check_codes(codes, [*NO_LABEL, *SCHEME], path)
        return np.where(np.isin(codes, list(EVALUATED)), codes, 0).astype(np.uint8)


BENCHMARK = Dfc2020


def _in_order(sample: Sample) -> tuple[str, int]:
    """By folder and number of the patch, which is the order of the ground."""
    return str(Path(sample.files[0]).parent), int(sample.name.rpartition("_p")[2])
