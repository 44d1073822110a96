"""The contract of a kind of collection: which looks at a place make a sample, and what it asks of a study.

A kind is one file in ``revisit.patches.kinds`` that offers its class as ``KIND``, or a class from elsewhere
named by its dotted path.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
from pydantic import Field

from revisit.cube.labels.legend import Legend
from revisit.errors import RevisitError
from revisit.record import Record

LABELS = "labels"  # where a kind is told the years of the sensors, those of the labels
NO_TIME = np.datetime64("NaT", "ns")  # the time of a slot or year that a sample does not have

Share = Annotated[float, Field(ge=0, le=1)]


class Look(NamedTuple):
    """A sensor's view of a patch: values (time, band, y, x), valid (time, y, x) bool, times (time,).

    Values are from 0 to 255, uint8 or float32.
    """

    values: np.ndarray
    valid: np.ndarray
    times: np.ndarray


@dataclass(frozen=True)
class Ground:
    """A patch of ground: centre in metres, part of the split, all looks at it, codes of its labels (y, x).

    ``elevation`` is a look of one time, which is ``NO_TIME``; None where the study has none. It goes into
    every sample of the place, whatever its kind. ``by_year``: the labels of each year that a map holds for,
    which ``land_cover`` has merged.
    """

    x: float
    y: float
    part: int
    looks: dict[str, Look]
    land_cover: np.ndarray
    elevation: Look | None = None
    by_year: Mapping[int, np.ndarray] = field(default_factory=dict)


class Sensed(NamedTuple):
    """What a region has of a sensor: how its cube was scaled, and the years in which it has a date."""

    scaling: Mapping[str, Any]
    years: Sequence[int]


class Entry(Record):
    """A collection of the config, whatever its kind."""

    kind: str
    """What a sample is; see `src/revisit/patches/kinds`."""
    regions: list[str] | None = None
    """Regions to take; all if absent."""
    cube: str | None = None
    """Key of `cube.variants`: the cubes to cut from; those of `cube` itself if absent."""
    patch_pixels: int = Field(ge=8)
    """Side of a patch, pixels; divides the blocks of the split."""
    min_valid: Share
    """Least share of valid pixels for a date, or a composite, to be used."""
    label_years_apart: int = Field(1, ge=0)
    """Most calendar years between an image and those of the map that labels it; a sample of other years has
    no labels, and serves pretraining alone."""
    classes: list[int] | None = Field(None, min_length=1)
    """Codes of the legend that are labels; all that occur in training if absent. One that no labelled sample
    of training or of test shows is an error."""
    min_class_fraction: float = Field(0.1, gt=0, le=1)
    """A class is a label of a patch from this share of its area on."""
    allow_empty: bool = False
    """Go on without a sample of a region, a part of the split, or one of `classes`: else an error."""


S = TypeVar("S", bound=Entry)


class Kind(ABC, Generic[S]):
    """What the samples of a region are.

    ``sensors`` are those of the region that the kind takes, with their scaling and years; ``seed`` is the
    study's; ``label_years`` are the years that each of the region's label maps holds for, empty where it has
    none. ``years`` are those of each sensor's time axis where that counts years, else empty.
    """

    Settings: ClassVar[type[Entry]]
    needs: ClassVar[tuple[str, ...]] = ()  # sensors it cannot do without
    time_axis: ClassVar[bool]  # whether a sample has several times of a sensor

    def __init__(
        self,
        settings: S,
        sensors: Mapping[str, Sensed],
        seed: int,
        label_years: Sequence[Sequence[int]] = (),
    ) -> None:
        self.settings, self.sensors, self.seed, self.label_years = settings, sensors, seed, label_years
        self.years: dict[str, list[int]] = {}

    @abstractmethod
    def samples(self, ground: Ground) -> tuple[list[dict[str, Look]], str]:
        """The samples of a place, each a look by sensor, always of as many times; if none, what it lacks.

        A time that a place does not have is no reason to lose it: ``times`` of the look is ``NO_TIME`` there.
        Called by several threads at once.
        """

    def label_map(self, ground: Ground, sample: Mapping[str, Look]) -> np.ndarray | None:
        """The codes that label a sample (y, x), of ``legend``; None where it has no label."""
        return ground.land_cover if ground.land_cover.any() and self.labelled(sample) else None

    def labelled(self, sample: Mapping[str, Look]) -> bool:
        """Whether the land cover holds for a sample: each of its images is near enough to the map in time."""
        times = np.concatenate([look.times.astype(NO_TIME.dtype) for look in sample.values()])
        return bool(self.near_labels(times[~np.isnat(times)]).all())

    def near_labels(self, times: np.ndarray) -> np.ndarray:
        """Which times are at most ``label_years_apart`` years from every label map, bool (time,).

        From the nearest year that it holds for; and from every map, as those of a region are merged. None is
        where the region has no map.
        """
        if not self.label_years:
            return np.zeros(len(times), bool)
        years = years_of(times)[:, None]
        apart = [np.abs(years - np.array(own)).min(axis=1) for own in self.label_years]
        near: np.ndarray = np.max(apart, axis=0) <= self.settings.label_years_apart
        return near

    def map_of(self, ground: Ground, year: int) -> np.ndarray | None:
        """The codes that label an image of a year, of the map of the nearest year; None without any."""
        nearest = self.nearest_map(ground, year)
        return ground.by_year[nearest] if nearest is not None and ground.by_year[nearest].any() else None

    def nearest_map(self, ground: Ground, year: int) -> int | None:
        """The year of the map that labels an image of a year, of two the earlier; None where none is near
        enough."""
        near = [own for own in ground.by_year if abs(own - year) <= self.settings.label_years_apart]
        return min(near, key=lambda own: (abs(own - year), own), default=None)

    @classmethod
    def legend(cls, legend: Legend) -> Legend:
        """What the codes of its samples' labels mean, in a study whose label maps have this legend."""
        return legend

    @classmethod
    def taken(cls, settings: S, available: Iterable[str]) -> list[str]:
        """Those of the available sensors that are stored, in order."""
        return sorted(available)

    @classmethod
    def check(cls, name: str, settings: S, searched: Mapping[str, Sequence[int]], block_pixels: int) -> None:
        """Raise RevisitError where the collection ``name`` does not fit the study.

        ``searched``: the years searched by sensor, and those of the ``labels`` where there are any.
        """
        check_blocks(name, settings.patch_pixels, block_pixels)
        check_sensors(name, cls.needs, searched)


def check_blocks(name: str, patch_pixels: int, block_pixels: int) -> None:
    """Raise RevisitError where the blocks of the split do not hold whole patches."""
    if block_pixels % patch_pixels:
        raise RevisitError(
            f"collections.{name}.patch_pixels: {patch_pixels} does not divide split.block_pixels, "
            f"{block_pixels}; a block must hold whole patches, choose a divisor"
        )


def check_sensors(name: str, needed: Iterable[str], searched: Iterable[str]) -> None:
    """Raise RevisitError where a sensor the collection needs is not searched."""
    images = sorted(set(searched) - {LABELS})
    if missing := [sensor for sensor in needed if sensor not in images]:
        raise RevisitError(
            f"collections.{name}: needs {' and '.join(missing)}, but searched are {', '.join(images)}; "
            "add it to the search or choose another kind"
        )


def check_year(name: str, year: int, searched: Mapping[str, Sequence[int]]) -> None:
    """Raise RevisitError where a sensor is not searched, or labels do not hold, in the year of the labels."""
    for sensor, years in searched.items():
        if year not in years:
            how = "the labels are of" if sensor == LABELS else f"{sensor} is searched in"
            raise RevisitError(
                f"collections.{name}.label_year: {year}, but {how} {list(years)}; choose a year of all"
            )


def check_classes(name: str, classes: Sequence[int] | None, legend: Legend | None) -> None:
    """Raise RevisitError where the collection ``name`` asks for classes that the labels do not have."""
    if not classes:
        return
    if legend is None:
        raise RevisitError(
            f"collections.{name}.classes: {list(classes)}, but the study has no labels; search for a map, "
            "such as worldcover, or give labels.files"
        )
    if unknown := sorted(set(classes) - set(legend.codes)):
        raise RevisitError(
            f"collections.{name}.classes: {unknown} are no codes of {legend.title}, {legend.codes}"
        )


def years_of(times: np.ndarray) -> np.ndarray:
    """Calendar year of each time."""
    return times.astype("datetime64[Y]").astype(int) + 1970
