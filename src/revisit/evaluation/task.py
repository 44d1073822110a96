"""What a downstream task is: labels, networks and scores of the runs that an experiment asks for.

A task is one file in ``revisit.evaluation.tasks`` that offers an instance of a ``Task`` as ``TASK``. Its
``Settings`` are the entry of an experiment in the config. At planning it is asked to ``check`` an
experiment and which ``runs`` it is made of; a job (one repeat of a run) asks for the rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from revisit import parts
from revisit.errors import RevisitError
from revisit.evaluation.protocol import Indices, Predict, word
from revisit.evaluation.resampling import Reweighted
from revisit.patches.store import PatchStore
from revisit.record import Record, read

if TYPE_CHECKING:  # probes and floors need no network, and start without torch
    import torch
    from torch import Tensor

    from revisit.evaluation.networks import Networks

Fraction = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Repeats(Record):
    """How often a run is repeated: once for each amount of labels and each seed."""

    label_fractions: Annotated[list[Fraction], Field(min_length=1)] = [1.0]
    """Shares of the training places that keep their labels, each above 0 and at most 1."""
    label_counts: list[Count] = []
    """In the place of shares, numbers of training samples that keep their labels; places are kept or not as a
    whole, so where they have several samples it may be some more."""
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    """Seeds of the runs: which places keep their labels, new weights, the order of samples. Seed number i
    takes the encoder of pretraining seed number i mod n."""

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if self.label_counts and "label_fractions" in self.model_fields_set:
            raise ValueError("label_fractions and label_counts are both given; give each an experiment")
        return self

    @property
    def amounts(self) -> list[tuple[float | None, int | None]]:
        """Each amount of labels, as a share or as a number."""
        if self.label_counts:
            return [(None, count) for count in self.label_counts]
        return [(fraction, None) for fraction in self.label_fractions]


class Given(Record):
    """What a job gets of an experiment."""

    validation_labels: Literal["as-training", "all"] = "as-training"
    """Whether as large a share of the validation places keep their labels as of the training ones, or all."""
    labels_drawn: Literal["places", "with-replacement"] = "places"
    """How the training samples of a share below 1 are drawn. `places`: whole places, with the classes of all,
    smaller shares within larger ones; `with-replacement`: single samples by chance, some of them twice, as in
    the code of SeCo and DINO-MM."""


class Experiment(Repeats, Given):
    """An experiment of the config: what every task needs to know of it."""

    task: str
    """Which task: a file of `revisit.evaluation.tasks`, or a dotted path to one of your own."""
    collection: str
    """Key of `collections`: the patches to learn and to test on."""
    floors: list[str] | None = None
    """What to beat: files of `revisit.evaluation.floors`; all that the task allows when left out."""
    layouts: list[str] = []
    """Tables to lay the scores out in: files of `revisit.report.layouts`."""
    published_as: str | None = None
    """Key of the published numbers to set beside the scores."""
    title: str | None = None
    """Name of the experiment as printed; its key when left out."""

    @model_validator(mode="after")
    def _drawn(self) -> Self:
        if self.label_counts and self.labels_drawn != "places":
            raise ValueError(f"labels_drawn: {self.labels_drawn} goes with label_fractions; leave one out")
        return self


class RunSettings(Record):
    """What the repeats of a run share; nothing of the config that does not concern this one run."""

    task: str
    """The task, by its name or dotted path."""
    experiment: dict[str, Any]
    """What the job needs of the experiment: see the `Slice` of the task."""
    entry: dict[str, Any] = {}
    """The row's own network, in words of the task."""
    protocol: str
    """The protocol, probe or floor, by its name or dotted path."""
    recipe: dict[str, Any] = {}
    """How it learns."""
    pretrained: bool
    """Whether an encoder was trained before."""


class JobSettings(RunSettings):
    """The settings of one repeat of a run."""

    label_fraction: Fraction | None
    """Share of the training places that keep their labels; None where their number is given."""
    label_count: Count | None = None
    """Number of training samples that keep their labels; None where their share is given."""
    seed: int
    """Which places they are, new weights, the order of samples."""
    pretraining_seed: int | None
    """Seed of the encoder; None where there is none."""


class RepeatedSettings(RunSettings):
    """The settings of all repeats of a run."""

    repeats: list[dict[str, Any]]
    """What each has of its own: the fields of `Repeat`."""

    def each(self) -> list[JobSettings]:
        """The settings of each repeat, in order."""
        shared = self.model_dump(exclude={"repeats"})
        return [read(JobSettings, {**shared, **repeat}, "repeats") for repeat in self.repeats]


class Repeat(NamedTuple):
    """One of the repeats of a run: a job of its own where it trains a network, else all are one job."""

    label_fraction: float | None
    label_count: int | None
    seed: int
    pretraining_seed: int | None


class Run(Record):
    """What stands in one row of a table on one modality by one protocol."""

    method: str
    """Name of the row, as paths and tables have it."""
    modality: str
    """Bands the network sees, such as `s1+s2`."""
    protocol: str
    """The word for the way of training, as paths and tables have it."""
    collection: str
    """The patches it learns from and is tested on."""
    stage: Literal["evaluate", "probe", "floor"]
    """What runs it: `evaluate` trains networks, a `probe` has frozen features, a `floor` neither."""
    draws: bool
    """Whether a repeat draws more than which places keep their labels."""
    encoders: list[tuple[str, str]]
    """Pretraining entry and modality of each encoder of a network."""
    settings: dict[str, Any]
    """The part of the config that its jobs need: `RunSettings`."""
    modules: list[str]
    """Modules of the parts that the job loads by name, for the digests of its code."""
    title: str
    """Name of the row as printed."""
    pretrained: bool
    """Whether an encoder was trained before."""
    published_as: str | None
    """Key of the published numbers of the row."""

    def repeats(self, experiment: Repeats, pretraining_seeds: Sequence[int]) -> list[Repeat]:
        """All its repeats but those that would repeat an earlier one to the bit, and so feign certainty.

        Where all labels are kept and nothing else is drawn there is one repeat an encoder.
        """
        encoders: list[int | None] = list(pretraining_seeds) if self.encoders else [None]
        return [
            Repeat(fraction, count, seed, encoders[order % len(encoders)])
            for fraction, count in experiment.amounts
            for order, seed in enumerate(experiment.seeds)
            if self.draws or fraction != 1 or order < len(encoders)
        ]


class Row(NamedTuple):
    """What all runs of a row share: see ``Run`` and ``JobSettings``. ``modules``: of its networks."""

    name: str
    title: str
    published_as: str | None
    pretrained: bool
    entry: dict[str, Any]
    modules: list[str]


class Metric(NamedTuple):
    """Printed name of a metric, and the unit a share between 0 and 1 is printed in."""

    title: str
    unit: str = "%"


@dataclass(frozen=True)
class Data:
    """What a run learns from and is tested on.

    ``bands`` of the images, at index ``time`` where a sample has several; at all times where that is None.
    ``labels`` gives the labels of samples by their indices: uint8 (sample, class) of scenes, or
    (sample, y, x) of maps; ``shows`` which classes they show, 0 or 1 (sample, class). ``train``, ``val``,
    ``test``: indices of labelled samples; ``positions`` (sample,) numbers places on the ground. ``colours``:
    of the classes of maps, ``codes``: those of the labels' legend that each is made of.
    """

    store: PatchStore
    bands: tuple[str, ...]
    time: int | None
    labels: Callable[[Indices], NDArray[np.uint8]]
    shows: Callable[[Indices], NDArray[np.uint8]]
    classes: tuple[str, ...]
    positions: NDArray[Any]
    train: Indices
    val: Indices
    test: Indices
    colours: tuple[str, ...] = ()
    codes: tuple[tuple[int, ...], ...] = ()

    def scaled(self, indices: Indices) -> NDArray[Any]:
        """Images as stored: uint8 or float32 (sample, [time,] band, y, x)."""
        return self.store.images(indices, self.bands, self.time)


Numbers = dict[str, dict[str, float]]  # class, or what is over all of them: metric: value


class Scored(NamedTuple):
    """Scores on the test split, what else of them the score file is to hold (JSON-able), the predictions.

    ``reweighted``: the headline where test samples, in the order of ``Data.test``, count several times or not
    at all. ``absent``: classes that no test sample shows, and that therefore have no numbers.
    """

    numbers: Numbers
    reweighted: Reweighted
    record: dict[str, Any]
    absent: list[str]
    predictions: dict[str, NDArray[Any]]


class Task(ABC):
    """A downstream task.

    ``Settings``: an experiment's entry in the config. ``Slice``: what of it a job gets. ``labels``: one set
    of classes a ``scene``, a class a pixel of a ``map``, or that of a ``change`` between two images.
    ``kinds``: of collection it can take. ``metrics`` by name, ``headline`` the one a figure shows.
    ``exclusive``: whether what has a label shows one class alone.
    """

    Settings: ClassVar[type[Experiment]]
    Slice: ClassVar[type[Given]] = Given
    labels: ClassVar[Literal["scene", "map", "change"]]
    kinds: ClassVar[tuple[str, ...]]
    metrics: ClassVar[Mapping[str, Metric]]
    headline: ClassVar[str]
    exclusive: ClassVar[bool] = True

    # At planning

    @abstractmethod
    def runs(
        self, name: str, settings: Experiment, pretraining: Mapping[str, Mapping[str, Any]]
    ) -> list[Run]:
        """All runs of the experiment ``name``, in order.

        ``pretraining``: of each entry ``collection``, ``modalities``, ``method`` (its settings) and, where
        given, ``title`` and ``published_as``. Raises RevisitError where an entry does not exist.
        """

    @abstractmethod
    def check(
        self,
        name: str,
        settings: Experiment,
        pretraining: Mapping[str, Mapping[str, Any]],
        collections: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Raise RevisitError, with key, value and remedy, where a run could not end well.

        ``collections``: of each ``kind``, ``patch_pixels``, ``bands`` (of each sensor, in order) and
        ``legend`` (of its labels, as ``Legend.described``; None without labels).
        """

    def run(
        self,
        settings: Experiment,
        row: Row,
        modality: str,
        sort: str,
        protocol: str,
        recipe: Record,
        encoders: Sequence[tuple[str, str]],
        collection: str | None = None,
    ) -> Run:
        """A run with what follows from the experiment's settings and the row.

        ``protocol``: a part of this ``sort``: protocol, probe or floor. ``collection``: where it is not the
        experiment's.
        """
        content, learning = settings.content(), recipe.content()
        if not row.pretrained and "layer_decay" in learning:
            learning["layer_decay"] = 1.0
        job = {
            "task": settings.task,
            "experiment": {key: content[key] for key in self.Slice.model_fields},
            "entry": row.entry,
            "protocol": protocol,
            "recipe": learning,
            "pretrained": row.pretrained,
        }
        loaded = [parts.module_of("task", settings.task), parts.module_of(sort, protocol)]
        learner, called = parts.find(sort, protocol), "floor" if sort == "floor" else protocol
        if sort == "protocol":
            called = word(protocol, learner, bool(encoders))
        return Run(
            method=row.name,
            modality=modality,
            protocol=called,
            collection=collection or settings.collection,
            stage="evaluate" if sort == "protocol" else sort,
            draws=sort == "protocol" or learner.draws,
            encoders=list(encoders),
            settings=job,
            modules=[*loaded, *row.modules],
            title=row.title,
            pretrained=row.pretrained,
            published_as=row.published_as,
        )

    def floors(self, settings: Experiment, modalities: Sequence[str]) -> list[Run]:
        """The rows that need no network, one a floor and modality."""
        named = settings.floors
        fitting = [name for name in parts.names("floor") if self.labels in parts.find("floor", name).labels]
        found = []
        for name in fitting if named is None else named:
            floor = parts.find("floor", name)
            row = Row(name.rpartition(":")[2].lower(), floor.title, None, False, {}, [])
            found += [
                self.run(settings, row, modality, "floor", name, Record(), []) for modality in modalities
            ]
        return found

    # In a job

    def check_kind(self, store: PatchStore) -> None:
        """Raise RevisitError where a store is of a kind the task cannot take."""
        if store.kind not in self.kinds:
            raise RevisitError(
                f"{store.path}: labels of a {self.labels} need a collection of the kind "
                f"{' or '.join(self.kinds)}, this is of the kind {store.kind!r}"
            )

    @abstractmethod
    def data(self, store: PatchStore, modality: str, given: Given) -> Data:
        """The data of a store; raises RevisitError where it cannot serve the task."""

    @abstractmethod
    def networks(
        self,
        store: PatchStore,
        modality: str,
        classes: int,
        encoders: Sequence[Path],
        entry: Mapping[str, Any],
        device: torch.device,
    ) -> Networks:
        """What makes the network of a run; ``entry`` describes the row's own network."""

    @abstractmethod
    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """What training descends on: a scalar of a network's outputs and the labels (uint8)."""

    @abstractmethod
    def agreement(self, labels: NDArray[np.uint8], outputs: NDArray[np.float32]) -> float:
        """How well outputs agree with labels, between 0 and 1: says which state or setting to keep."""

    def predicted(self, outputs: NDArray[np.float32]) -> NDArray[Any]:
        """What a network's outputs say, as probes and floors say it; as they are where only order counts."""
        return outputs

    def validation(self, data: Data, validating: Indices, predict: Predict) -> float:
        """The agreement on these samples."""
        return self.agreement(data.labels(validating), predict(validating))

    @abstractmethod
    def score(self, data: Data, predict: Predict) -> Scored:
        """The scores on the whole test split."""
