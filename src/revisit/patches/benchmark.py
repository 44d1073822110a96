"""The contract of an importer: how a benchmark set lies on disk, and what its samples are.

An importer is one file in ``revisit.patches.benchmarks`` that offers its class as ``BENCHMARK``, or a class
from elsewhere named by its dotted path. It lists the samples of the set and reads one of them in physical
units; scaling, writing and indexing are the same for all (``revisit.patches.survey``, ``import_set``,
``index_set``).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Generic, Literal, NamedTuple, TypeVar

import numpy as np
from pydantic import Field

from revisit.cube.labels.legend import Legend
from revisit.errors import RevisitError
from revisit.patches.kind import Look
from revisit.record import Record

VALIDATING = 10  # one training sample in so many is for validation where no list is


class Entry(Record):
    """A benchmark set to import, whatever it is."""

    set: str
    """Which set; see `src/revisit/patches/benchmarks`."""
    folder: Path
    """Where it lies, unpacked, in its own layout."""
    bands: dict[str, list[str]] | None = None
    """Bands to take, by sensor and in order (`sentinel-2: [blue, green, red, nir]`); all that the set has if
    absent."""
    limits: Literal["own", "cubes"] = "own"
    """What 0 and 255 mean. `own`: three deviations around the mean of the set's training split, as of cubes;
    `cubes`: what they mean in the study's cubes, so that encoders pretrained on these take the set's
    images."""
    partial: bool = False
    """Take what is there of the set; else a missing file is an error. What is missing is listed in
    `samples.csv` of the collection."""
    classes: list[int] | None = Field(None, min_length=1)
    """Codes of the legend that are labels; all that occur in training if absent."""
    min_class_fraction: float = Field(0.1, gt=0, le=1)
    """Where labels are maps, a class is a label of a patch from this share of its area on."""
    stores: int = Field(1, ge=1, le=999)
    """In how many stores to write the collection; each is a job of its own, so a large set is imported in
    parallel, and one that was stopped goes on with the stores that it lacks."""
    allow_empty: bool = False
    """Go on without a sample of a part of the split, or one of `classes`: else an error."""


class Listed(Entry):
    """A set that comes with three lists: of training, of validation and of test."""

    score_on: Literal["test", "val"] = "test"
    """The list that scores are of. `val`: as SeCo, CACo and 3DMAE report, the validation list is the test
    split, and every tenth of training chooses the moment to stop."""


class Source(NamedTuple):
    """What to tell somebody who lacks the set; how many samples it has, and how many to train on at most.

    Of a set whose images are cut into squares: how many images; see ``in_squares``.
    """

    name: str
    address: str
    size: str
    samples: int
    training: int
    licence: str = "licence as stated there"

    def in_squares(self, squares: int) -> "Source":
        """Of images that are cut into so many squares each."""
        return self._replace(samples=self.samples * squares, training=self.training * squares)


class Sensor(NamedTuple):
    """What a set has of a sensor: bands in order, and the unit that ``Benchmark.read`` gives them in."""

    bands: tuple[str, ...]
    unit: str


class Sample(NamedTuple):
    """A sample of the set's lists.

    ``name`` is unique, ``part`` is train, val or test; samples of one ``place`` show the same ground.
    ``files`` are those it is read from, or their folders, below that of the set; ``window`` is the upper left
    corner (row, column) of the sample in them. ``left_out`` says why it is no sample of the collection, "" if
    it is one.
    """

    name: str
    part: str
    place: str
    files: tuple[str, ...]
    window: tuple[int, int] = (0, 0)
    left_out: str = ""


class Reading(NamedTuple):
    """A sample as read.

    ``looks``: by sensor, float32 in the sensor's unit. ``label_map``: codes of the legend (y, x), 0 where
    there is none, or None where the set has no maps. ``labels``: 0 or 1 for each class of the legend, or None
    where they follow from the map. ``centre``: longitude and latitude, degrees; NaN where they are not known.
    """

    looks: dict[str, Look]
    label_map: np.ndarray | None
    labels: np.ndarray | None
    centre: tuple[float, float]


S = TypeVar("S", bound=Entry)


class Benchmark(ABC, Generic[S]):
    """A benchmark set in the folder that its entry names.

    ``kind``: what tasks and methods take its samples for, as of collections cut from cubes. ``label_maps``:
    whether every pixel has a label, or the sample as a whole. ``undated``: sensors whose images have no known
    date; they are from within ``period`` (first and last day).
    """

    Settings: ClassVar[type[Entry]]
    source: Source
    kind: str
    time_axis: ClassVar[bool] = False
    label_maps: ClassVar[bool]
    resolution_m: float = 10
    undated: ClassVar[tuple[str, ...]] = ()
    period: ClassVar[tuple[str, str]]

    def __init__(self, settings: S) -> None:
        self.settings = settings
        self.folder = settings.folder

    @property
    @abstractmethod
    def sensors(self) -> dict[str, Sensor]:
        """What there is of each sensor, in the order of their names."""

    @property
    def taken(self) -> dict[str, Sensor]:
        """What is taken of it; raises RevisitError where the entry asks for what the set does not have."""
        asked = self.settings.bands
        if asked is None:
            return self.sensors
        for sensor, bands in asked.items():
            has = self.sensors[sensor].bands if sensor in self.sensors else ()
            if unknown := [band for band in bands or [""] if band not in has]:
                what = f"no band {unknown[0]!r} of {sensor}" if has else f"no sensor {sensor!r}"
                known = ", ".join(has or self.sensors)
                raise RevisitError(f"bands: {self.source.name} has {what}, there is {known}")
        return {
            sensor: Sensor(tuple(asked[sensor]), own.unit)
            for sensor, own in self.sensors.items()
            if sensor in asked
        }

    @property
    @abstractmethod
    def legend(self) -> Legend:
        """What the codes of labels mean."""

    @property
    @abstractmethod
    def patch_pixels(self) -> int:
        """Side of a sample."""

    @abstractmethod
    def samples(self) -> list[Sample]:
        """Every sample of the set's lists, in their order, those left out too.

        Reads lists, not images. Raises RevisitError where a list or folder is missing.
        """

    @abstractmethod
    def read(self, sample: Sample) -> Reading:
        """A sample; raises RevisitError where a file is damaged or says what it must not."""

    def take(self, sample: Sample) -> Reading:
        """``read``, with the bands that are taken."""
        reading, looks = self.read(sample), {}
        for sensor, own in self.taken.items():
            look, has = reading.looks[sensor], self.sensors[sensor].bands
            chosen = [has.index(band) for band in own.bands]
            looks[sensor] = Look(look.values[:, chosen], look.valid, look.times)
        return reading._replace(looks=looks)

    def absent(self, sample: Sample) -> Path | None:
        """The first file that a sample is read from and that is not there; None where all are.

        For sets whose ``Sample.files`` are files; those that name folders look into them.
        """
        return next((path for file in sample.files if not (path := self.folder / file).exists()), None)

    def missing(self, what: str) -> RevisitError:
        """What to raise where ``what`` of the set is not there."""
        about = self.source
        return RevisitError(
            f"{what} is not there; {about.name} ({about.size}; {about.licence}) is had at {about.address}: "
            "unpack it and give the folder that holds it"
        )

    def lines(self, name: str) -> list[str]:
        """The lines of one of the set's lists that say something; raises RevisitError where it is missing."""
        path = self.folder / name
        if not path.is_file():
            raise self.missing(f"{path}")
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line]


def _name(sample: Sample) -> str:
    return sample.name


def parts_scored(
    samples: Iterable[Sample], score_on: str, scene: Callable[[Sample], str] = _name
) -> list[Sample]:
    """The samples of three lists with the parts that ``score_on`` asks for (``Listed``).

    ``scene``: see ``with_validation``.
    """
    if score_on == "test":
        return list(samples)
    kept = [sample for sample in samples if sample.part != "test"]
    return with_validation([one._replace(part="test") if one.part == "val" else one for one in kept], scene)


def with_validation(samples: Sequence[Sample], scene: Callable[[Sample], str] = _name) -> list[Sample]:
    """The samples with every tenth ``scene`` of training for validation, where the set has no list for that.

    A scene is a single sample where nothing else is said.
    """
    scenes = dict.fromkeys(scene(sample) for sample in samples if sample.part == "train")
    chosen = set(list(scenes)[VALIDATING - 1 :: VALIDATING])
    return [
        sample._replace(part="val") if sample.part == "train" and scene(sample) in chosen else sample
        for sample in samples
    ]


def check_codes(codes: np.ndarray, known: Iterable[int], path: Path) -> None:
    """Raise RevisitError where a label map holds a code that the set does not have."""
    unknown = np.setdiff1d(codes, list(known))
    if unknown.size:
        raise RevisitError(
            f"{path}: has the label {unknown[0]}, which the set does not know; fetch the file again"
        )


def check_split(samples: Iterable[Sample], name: str) -> None:
    """Raise RevisitError where a sample of the collection ``name`` is listed twice, a place in two parts."""
    seen: dict[str, str] = {}
    places: dict[str, str] = {}
    for sample in samples:
        if sample.name in seen:
            raise RevisitError(
                f"imports.{name}: {sample.name} is listed twice, in {seen[sample.name]} and in "
                f"{sample.part}; mend the lists of the set"
            )
        seen[sample.name] = sample.part
        part = sample.part if sample.left_out else places.setdefault(sample.place, sample.part)
        if part != sample.part:
            raise RevisitError(
                f"imports.{name}: {sample.name} is in {sample.part} and shows {sample.place}, which is in "
                f"{part} by another name; mend the lists of the set"
            )
