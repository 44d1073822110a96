"""Settings of ``places``: which file regions come from, and how."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from revisit.cube.grid import MOST_KM
from revisit.record import Record

# What goes with each source, beside the file itself.
KEYS = {
    "areas": {"block_km"},
    "points": {"size_km"},
    "around": {"size_km", "sigma_km", "count", "within"},
}
NEEDED: dict[str, list[str]] = {
    "areas": [],
    "points": ["size_km"],
    "around": ["size_km", "sigma_km", "count"],
}


class Places(Record):
    """Regions from a file: give one of `areas`, `points` and `around`."""

    areas: Path | None = None
    """Polygons to cover, in any format that GDAL reads. They are cut into blocks of the UTM grid, each in its
    own zone, with `split.gap_pixels` between them, narrower where zones meet; `revisit plan` says what stays
    uncovered there."""
    points: Path | None = None
    """Points to be the centres of squares: a file that GDAL reads, or a CSV file with the columns longitude,
    latitude and, if you like, name."""
    around: Path | None = None
    """Points, such as towns, to scatter squares around."""
    block_km: float | None = Field(default=None, gt=0, le=MOST_KM)
    """Side of a block of `areas`, rounded down to a multiple of 60 m; 20 where it is not given."""
    size_km: float | None = Field(default=None, gt=0, le=MOST_KM)
    """Side of a square, rounded up to a multiple of 60 m."""
    count: int | None = Field(default=None, ge=1)
    """How many squares to scatter, apart from each other and from the regions and places before them."""
    sigma_km: float | None = Field(default=None, gt=0)
    """Standard deviation of a square's distance from its point, east and north. SeCo has 50, CACo 5."""
    within: Path | None = None
    """Polygons, such as land, that a scattered square must touch."""

    @property
    def source(self) -> str:
        """Which of the three it is."""
        return next(key for key in KEYS if getattr(self, key) is not None)

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [key for key in KEYS if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(KEYS)}, not {' and '.join(given) or 'none'}")
        own = {name for name in self.model_fields_set if name not in KEYS and getattr(self, name) is not None}
        if stray := sorted(own - KEYS[given[0]]):
            raise ValueError(f"{given[0]} has no {stray[0]}; leave it out")
        if missing := [name for name in NEEDED[given[0]] if getattr(self, name) is None]:
            raise ValueError(f"{given[0]} needs {missing[0]}; add it")
        return self
