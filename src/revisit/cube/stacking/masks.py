"""Which pixels of an optical scene are clear: by its scene classification, a probability of cloud, or all."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, StringConstraints, model_validator
from rasterio.io import DatasetReader

from revisit.cube.bands import BANDS
from revisit.cube.grid import Grid
from revisit.cube.warp import read_onto
from revisit.record import Record

CLASSIFICATION = "scl"
DEFAULTS: dict[str, dict[str, Any]] = {
    "scene-classification": {"band": CLASSIFICATION},
    "cloud-probability": {"band": "cloud", "most": 40},
}


class CloudMask(Record):
    """What tells the clear pixels of Sentinel-2. A pixel that is not clear keeps its value in the cube; its
    `valid` is 0."""

    by: Literal["scene-classification", "cloud-probability", "nothing"] = "scene-classification"
    """scene-classification: its class is among `scene_classification_valid`. cloud-probability: it has at
    most `most` per cent in the asset `band`. nothing: every pixel that was seen."""
    band: Annotated[str, StringConstraints(pattern=r"^[\w.-]+$")] | None = None
    """The mask's asset: of a probability its name in the items (`cloud` if absent); `scl` of a scene
    classification."""
    most: float | None = Field(default=None, ge=0, le=100)
    """Per cent of probability from which on a pixel is no longer clear; 40 if absent."""

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {**DEFAULTS.get(str(content.get("by", "scene-classification")), {}), **content}

    @model_validator(mode="after")
    def _fitting(self) -> "CloudMask":
        known = DEFAULTS.get(self.by, {})
        for key in ("band", "most"):
            if (getattr(self, key) is None) == (key in known):
                says = "needs" if key in known else "has no"
                raise ValueError(f"by: {self.by} {says} {key}; see docs/config.md")
        is_image = self.band in BANDS["sentinel-2"]
        if is_image or (self.band == CLASSIFICATION) != (self.by == "scene-classification"):
            raise ValueError(f"by: {self.by} does not go with the band {self.band}; see docs/config.md")
        return self

    @property
    def bands(self) -> list[str]:
        """The bands to fetch for it: one, or none."""
        return [self.band] if self.band else []

    @property
    def has_classes(self) -> bool:
        """Whether it is by classes, which the cube then keeps."""
        return self.by == "scene-classification"

    def read(
        self, file: DatasetReader, grid: Grid, valid: Collection[int]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Which pixels of ``grid`` are clear, bool (y, x), and their classes, uint8 (y, x), if it is by them.

        ``valid`` are the clear classes. Outside of the file nothing is clear.
        """
        if self.has_classes:
            classes = read_onto(file, grid, lambda numbers: numbers, missing=0, categorical=True)
            clear = np.zeros(grid.shape, dtype=bool)
            for one in valid:  # a few comparisons are quicker than a search
                clear |= classes == one
            return clear, classes
        assert self.most is not None
        probability = read_onto(file, grid, lambda numbers: numbers.astype(np.float32))
        return probability <= self.most, None
