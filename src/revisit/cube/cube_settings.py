"""The config's section ``cube``: how cubes are built, and what is refused before anything is fetched."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from revisit.cube.bands import BANDS
from revisit.cube.grid import Region
from revisit.cube.scaling.scaled_values import ROUNDED, ScaledDtype
from revisit.cube.split import PARTS, TRAIN, Split, check_blocks
from revisit.cube.stacking.masks import CloudMask
from revisit.errors import RevisitError
from revisit.record import Record, read

Sensor = Literal["sentinel-1", "sentinel-2"]
SceneClass = Annotated[int, Field(ge=0, le=11)]
VariantName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
# What variants may differ in: neither bands nor grid, which labels and patches share.
VARYING = (
    "scene_classification_valid",
    "cloud_mask",
    "max_shift_pixels",
    "clip_sigma",
    "clip_percent",
    "scaled_dtype",
)


class Cube(Record):
    """How cubes are built."""

    resolution_m: Literal[10, 20, 60] = 10
    """Pixel size in metres."""

    bands: dict[Sensor, list[str]] = {}
    """Bands of each sensor that is searched, in the order of the cube."""

    scene_classification_valid: list[SceneClass] = Field(default=[4, 5, 6, 7], min_length=1)
    """Classes of the Sentinel-2 scene classification (0 to 11) that count as clear."""

    cloud_mask: CloudMask = CloudMask()
    """What tells the clear pixels of Sentinel-2: the scene classification, another band, or nothing."""

    max_shift_pixels: float = Field(default=3, ge=0, le=20)
    """Co-registration moves no date further than this."""

    clip_sigma: float = Field(default=3, gt=0, le=10)
    """Half the range that 0 to 255 spans, in standard deviations of the training pixels."""

    clip_percent: float | None = Field(default=None, ge=0, lt=50)
    """In the place of `clip_sigma`: per cent of the training pixels beyond either limit; 0 for none."""

    scaled_dtype: ScaledDtype = ROUNDED
    """Type of scaled cubes and of the patches cut from them: `uint8` rounds to the 256 steps of 0 to 255,
    `float32` does not, and takes four times the space in patches. Imported sets are uint8."""

    limits_from: list[str] | None = Field(default=None, min_length=1)
    """Regions whose training pixels set the limits of 0 and 255; null takes all. Named, they stay as they
    are when regions are added, and so does every cube already scaled."""

    variants: dict[VariantName, dict[str, Any]] = {}
    """Other cubes of the same imagery, by name, for collections that ask for one by `cube`, to see what a
    step of the preparation is worth: what they do otherwise, of `scene_classification_valid`, `cloud_mask`,
    `max_shift_pixels`, `clip_sigma`, `clip_percent` and `scaled_dtype`."""

    def variant(self, name: str) -> "Cube":
        """The cube with what a variant does otherwise; raises RevisitError where it may not, or does not."""
        where, given = f"cube.variants.{name}", self.variants[name]
        if foreign := [key for key in given if key not in VARYING]:
            raise RevisitError(
                f"{where}: has {foreign[0]!r}, which all variants share; it may have {', '.join(VARYING)}"
            )
        varied = read(Cube, {**self.content(), "variants": {}, **given}, where)
        if all(getattr(varied, key) == getattr(self, key) for key in VARYING):
            raise RevisitError(
                f"{where}: does nothing otherwise than cube; change one of {', '.join(VARYING)}"
            )
        return varied

    @field_validator("bands")
    @classmethod
    def _known(cls, bands: dict[Sensor, list[str]]) -> dict[Sensor, list[str]]:
        for sensor, names in bands.items():
            if not names:
                raise ValueError(f"{sensor} has no band; name some of {', '.join(BANDS[sensor])}")
            for name in names:
                if name not in BANDS[sensor]:
                    close = difflib.get_close_matches(name, BANDS[sensor], n=1)
                    hint = f"; did you mean {close[0]!r}?" if close else ""
                    known = ", ".join(BANDS[sensor])
                    raise ValueError(f"{sensor} has no band {name!r}, it has {known}{hint}")
                if names.count(name) > 1:
                    raise ValueError(f"{sensor} names the band {name!r} twice; leave one out")
        return bands


def check_cubes(cube: Cube, regions: Mapping[str, Region], split: Split) -> None:
    """Refuse what regions, cubes and split make impossible together; raises RevisitError.

    A region smaller than a block, a part of the split without any block, limits from a region that is not
    there, or from regions none of which has a training block.
    """
    blocks = check_blocks(regions, cube.resolution_m, split)
    limiting = cube.limits_from or list(regions)
    for name in limiting:
        if name not in regions:
            known = ", ".join(regions)
            raise RevisitError(f"cube.limits_from: no region is called {name!r}, there is {known}")
    if not any(blocks[name][TRAIN] for name in limiting):
        raise RevisitError(
            f"cube.limits_from: {', '.join(limiting)} have no {PARTS[TRAIN]} block; "
            f"name a larger region or raise split.{PARTS[TRAIN]}"
        )
