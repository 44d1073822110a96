"""The variants of a study's cubes in its plan: what each does otherwise, and which stages are its own.

A variant's cubes lie in a folder of their own. A stage that it does not change, nor any before it, is not
made again: the variant takes what the study's own cubes have.
"""

from typing import Any

from revisit.plan.jobs import any_of

Settings = dict[str, Any]
RAW = ("scene_classification_valid", "cloud_mask")
ALIGNED = (*RAW, "max_shift_pixels")
MEASURED = (*ALIGNED, "clip_percent")
SCALED = (*MEASURED, "clip_sigma", "scaled_dtype")
STAGES = {"raw": RAW, "aligned": ALIGNED, "moments": MEASURED, "scaled": SCALED}  # what each depends on


class Variants:
    """The variants of the section ``cube``; ``""`` is the cube itself."""

    def __init__(self, cube: Settings, root: str) -> None:
        self.own: dict[str, Settings] = cube["variants"]
        self._cube, self._root = cube, root

    def cube(self, variant: str) -> Settings:
        """The section as it is for a variant."""
        return {**self._cube, **self.own.get(variant, {})}

    def folder(self, variant: str, stage: str) -> str:
        """The folder in which a stage of a variant's cubes lies, below it region and sensor."""
        return f"{self._root}/variants/{variant}" if self.has(variant, stage) else f"{self._root}/cubes"

    def has(self, variant: str, stage: str) -> bool:
        """Whether a variant has a stage of its own."""
        return any(self.cube(variant)[key] != self._cube[key] for key in STAGES[stage])

    def pattern(self) -> str:
        """The pattern of their names."""
        return any_of(self.own)

    def masks(self) -> list[str]:
        """The bands that mask clouds, in the study's cubes or a variant's."""
        bands = [self.cube(variant)["cloud_mask"]["band"] for variant in ("", *self.own)]
        return list(dict.fromkeys(band for band in bands if band))


def of(wildcards: Any) -> str:
    """The variant that a job is of."""
    return str(getattr(wildcards, "variant", ""))
