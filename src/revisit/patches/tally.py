"""What became of a region's patches: how many were kept, labelled, lost and why, and what they lack."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from revisit.cube.split import PARTS
from revisit.patches.kind import Look

CUT_OFF = "cut off by gaps and edges of the split"


class Tally:
    """Counts while a region is tiled, or a set imported. A part of the split is its number in ``PARTS``.

    ``cut``: patches that each part holds; ``uncut``: patches that the region would hold were it not split.
    ``classes``: how many the legend has.
    """

    def __init__(self, cut: Sequence[int], uncut: int, classes: int) -> None:
        self._cut = dict(zip(PARTS, cut, strict=True))
        self._off = uncut - sum(cut)
        self._lost = {part: Counter[str]() for part in PARTS}
        self._labelled = dict.fromkeys(PARTS, 0)
        self._classes = {part: np.zeros(classes, int) for part in PARTS}
        self._masked: dict[str, np.ndarray] = {}
        self.places = 0

    def lose(self, part: int, cause: str) -> None:
        """Count a place without a sample, and why."""
        self._lost[PARTS[part]][cause] += 1

    def keep(self) -> None:
        """Count a place with samples."""
        self.places += 1

    def sample(self, part: int, looks: Mapping[str, Look], labels: np.ndarray | None) -> None:
        """Count a sample, its times that are not there, and its labels (class,), if it has any."""
        if labels is not None:
            self._labelled[PARTS[part]] += 1
            self._classes[PARTS[part]] += labels
        for sensor, look in looks.items():
            self._masked[sensor] = self._masked.get(sensor, 0) + np.isnat(look.times).astype(int)

    @property
    def lost(self) -> dict[str, int]:
        """Patches lost by cause, most first; what the split cuts off last."""
        causes = sum(self._lost.values(), Counter[str]())
        return dict(causes.most_common()) | ({CUT_OFF: self._off} if self._off else {})

    def attributes(self, years: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        """What the store says of it; ``years`` by sensor, where its time axis counts years.

        ``lost``: patches by cause; ``lost_in`` and ``cut``: those of each part, and how many each part holds;
        ``labelled``: samples by part; ``class_samples``: by part, labelled samples of each class;
        ``masked``: by sensor, samples without a time, by its year or, in a series, its number.
        """
        return {
            "lost": self.lost,
            "lost_in": {part: dict(causes.most_common()) for part, causes in self._lost.items()},
            "cut": self._cut,
            "labelled": self._labelled,
            "class_samples": {part: counts.tolist() for part, counts in self._classes.items()},
            "masked": {
                sensor: {
                    str(time): int(count)
                    for time, count in zip(
                        years.get(sensor) or range(1, len(counts) + 1), counts, strict=True
                    )
                    if count
                }
                for sensor, counts in self._masked.items()
            },
        }


def told(lost: Mapping[str, int]) -> str:
    """Lost patches in words: ``12 without a clear date, 3 cut off by …``."""
    return ", ".join(f"{count} {cause}" for cause, count in lost.items()) or "none lost"


def cover(land_cover: np.ndarray, codes: Sequence[int]) -> np.ndarray:
    """Share of the patch that each class of the legend covers: (class,)."""
    counts = np.bincount(land_cover.ravel(), minlength=max(codes, default=0) + 1)
    shares: np.ndarray = counts[codes] / land_cover.size
    return shares
