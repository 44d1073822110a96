"""What a downstream task is: labels, networks and scores of the runs that an experiment asks for.

A task is one file in ``revisit.evaluation.tasks`` that offers an instance of a ``Task`` as ``TASK``. Its
``Settings`` are the entry of an experiment in the config. At planning it is asked to ``check`` an
experiment and which ``runs`` it is made of; a job (``revisit.evaluation.evaluate``) asks for the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from revisit import parts
from revisit.evaluation.features import Reader
from revisit.evaluation.networks import Networks
from revisit.evaluation.protocol import Predict, Protocol, word
from revisit.patches.store import PatchStore
from revisit.record import Record

Fraction = Annotated[float, Field(gt=0, le=1)]


class Repeats(Record):
    """How often a run is repeated: once for each share of the labels and each seed."""

    label_fractions: Annotated[list[Fraction], Field(min_length=1)] = [1.0]
    """Shares of the training places that keep their labels, each above 0 and at most 1."""
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    """Seeds of the runs: which places keep their labels, new weights, the order of samples. Seed number i
    takes the encoder of pretraining seed number i mod n."""


class Experiment(Repeats):
    """An experiment of the config: what every task needs to know of it."""

    task: str
    """Which task: a file of `revisit.evaluation.tasks`, or a dotted path to one of your own."""
    collection: str
    """Key of `collections`: the patches to learn and to test on."""
    layouts: list[str] = []
    """Tables to lay the scores out in: files of `revisit.report.layouts`."""
    published_as: str | None = None
    """Key of the published numbers to set beside the scores."""
    title: str | None = None
    """Name of the experiment as printed; its key when left out."""


class JobSettings(Record):
    """The settings of an evaluation job; nothing of the config that does not concern this one run."""

    task: str
    """The task, by its name or dotted path."""
    experiment: dict[str, Any]
    """What the job needs of the experiment: see the `Slice` of the task."""
    entry: dict[str, Any] = {}
    """The row's own network, in words of the task."""
    protocol: str
    """The protocol, by its name or dotted path."""
    recipe: dict[str, Any] = {}
    """How the protocol trains."""
    pretrained: bool
    """Whether an encoder was trained before."""


class Run(Record):
    """One job of an experiment: a row of its tables on one modality by one protocol."""

    method: str
    """Name of the row, as paths and tables have it."""
    modality: str
    """Bands the network sees, such as `s1+s2`."""
    protocol: str
    """The word for the way of training, as paths and tables have it."""
    encoders: list[tuple[str, str]]
    """Pretraining entry and modality of each encoder of a network, for every pretraining seed anew."""
    settings: dict[str, Any]
    """The part of the config that the job needs: the settings of `revisit.evaluation.evaluate`."""
    modules: list[str]
    """Modules of the parts that the job loads by name, for the digests of its code."""
    title: str
    """Name of the row as printed."""
    pretrained: bool
    """Whether an encoder was trained before."""
    published_as: str | None
    """Key of the published numbers of the row."""


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

    ``labels`` gives the labels of samples by their indices: uint8 (sample, class) of scenes, or (sample, y,
    x) of maps. ``train``, ``val``, ``test``: indices; ``positions`` (sample,) numbers places on the ground.
    """

    images: Reader
    bands: tuple[str, ...]
    labels: Callable[[NDArray[Any]], NDArray[np.uint8]]
    classes: tuple[str, ...]
    positions: NDArray[Any]
    train: NDArray[Any]
    val: NDArray[Any]
    test: NDArray[Any]


class RunNumber(NamedTuple):
    """Which repeat: its share of the labels, its seed and the number of that seed among all."""

    label_fraction: float
    seed: int
    order: int


Numbers = dict[str, dict[str, float]]  # class, or what is over all of them: metric: value


class Scorer(ABC):
    """Scores the runs of a job on the test split, one after the other, and keeps what to draw of them."""

    @abstractmethod
    def add(self, run: RunNumber, predict: Predict) -> tuple[Numbers, dict[str, Any]]:
        """The numbers of a run, and what else its record in the score file is to hold (JSON-able)."""

    @abstractmethod
    def absent(self) -> list[str]:
        """Classes that no test sample shows, and that therefore have no numbers."""

    @abstractmethod
    def predictions(self) -> dict[str, NDArray[Any]]:
        """Arrays to keep of the runs added."""


class Task(ABC):
    """A downstream task.

    ``Settings``: an experiment's entry in the config. ``Slice``: what of it a job gets. ``labels``: one
    set of classes a ``scene`` or a class a pixel of a ``map``. ``kinds``: of collection it can take.
    ``metrics`` by name, ``headline`` the one a figure shows.
    """

    Settings: ClassVar[type[Experiment]]
    Slice: ClassVar[type[Repeats]] = Repeats
    labels: ClassVar[Literal["scene", "map"]]
    kinds: ClassVar[tuple[str, ...]]
    metrics: ClassVar[Mapping[str, Metric]]
    headline: ClassVar[str]

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

        ``collections``: of each ``kind``, ``patch_pixels`` and ``bands`` (of each sensor, in order).
        """

    def recipe(self, protocol: type[Protocol]) -> type[Record]:
        """The record that says how a protocol trains for this task."""
        return protocol.Settings

    def run(
        self,
        settings: Experiment,
        row: Row,
        modality: str,
        protocol: str,
        recipe: Record,
        encoders: Sequence[tuple[str, str]],
    ) -> Run:
        """A run with what follows from the experiment's settings and the row."""
        content = settings.content()
        job = JobSettings(
            task=settings.task,
            experiment={key: content[key] for key in self.Slice.model_fields},
            entry=row.entry,
            protocol=protocol,
            recipe=recipe.content(),
            pretrained=row.pretrained,
        )
        loaded = [parts.module_of("task", settings.task), parts.module_of("protocol", protocol)]
        return Run(
            method=row.name,
            modality=modality,
            protocol=word(protocol, bool(encoders)),
            encoders=list(encoders),
            settings=job.content(),
            modules=[*loaded, *row.modules],
            title=row.title,
            pretrained=row.pretrained,
            published_as=row.published_as,
        )

    # In a job

    @abstractmethod
    def data(self, store: PatchStore, modality: str, given: Repeats, device: torch.device) -> Data:
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
        """What makes the networks of the runs; ``entry`` describes the row's own network."""

    @abstractmethod
    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """What training descends on: a scalar of a network's outputs and the labels (uint8)."""

    @abstractmethod
    def validation(self, data: Data, predict: Predict) -> float:
        """The score on ``val`` that says which state of a network to keep."""

    @abstractmethod
    def scorer(self, data: Data, given: Repeats) -> Scorer:
        """What scores the runs of a job."""
