"""What a pretraining method is: views of a batch, a loss on them, and the encoder or encoders to keep.

A method is one file with one class, which it offers as ``METHOD``. The class declares what it learns from,
has a record of its settings, and says its source and what the source leaves open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from revisit import parts
from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder
from revisit.nets.load_save import build_encoder
from revisit.patches.batch import Batch
from revisit.patches.modality import sensor_of
from revisit.patches.standardise import standardise
from revisit.record import Record, part, read
from revisit.training.optimiser import Course, Descent, adamw_descent, main_schedule
from revisit.training.settings import Training


@dataclass(frozen=True)
class DataDescription:
    """What a method must know of the images before it sees one; a config says it all but ``samples``.

    ``bands``: of the modality, in order. ``image_pixels``: side of a stored image.
    ``clip_sigma``: half range of the 8-bit scale in standard deviations. ``kind``: the collection's.
    ``times``: years of a series of years, () where there are none. ``samples``: to train on, None where
    unknown. ``places``: of the collection, by whose numbers a method may keep what it knows of each; None
    where unknown. ``scaling``: of the patch store, what its 8 bits mean; None where unknown.
    """

    bands: tuple[str, ...]
    image_pixels: int
    clip_sigma: float
    kind: str
    times: tuple[int, ...] = ()
    samples: int | None = None
    places: int | None = None
    scaling: Mapping[str, Any] | None = None


class Store(Protocol):
    """What a hook may read of the data: a ``revisit.patches.store.PatchStore``."""

    def indices(self, split: str) -> Any: ...

    def images(self, indices: Any, bands: Sequence[str], time: int | None = None) -> Any: ...

    def dates(self, bands: Sequence[str], time: int | None = None) -> Any: ...

    def where(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Moment:
    """Where training stands when a hook is called.

    ``step``: updates done, of ``steps``; an epoch has ``epoch_steps``. ``store``: the data that is trained
    on. ``descents``: the optimisers with their schedules.
    """

    step: int
    steps: int
    epoch_steps: int
    store: Store | None
    descents: Sequence[Descent]

    @property
    def epoch(self) -> int:
        """Whole epochs done."""
        return self.step // self.epoch_steps


class MethodSettings(Record):
    """What every method's entry may say; each adds its own keys."""

    name: str
    """The method: a file of revisit/methods, or `package.module:Name` of one's own."""
    encoder: Annotated[dict[str, Any], part("encoder")]
    """The architecture to pretrain: its name and its own keys."""
    crop_pixels: int | None = Field(None, gt=0)
    """Side of the images the encoder is shown; the whole stored image when left out."""


class Method(nn.Module):
    """A pretraining method; what must outlive a step is a parameter or a buffer of it.

    ``source``: the paper. ``choices``: what it leaves open and how that is settled here.
    ``kinds``: of the collections it learns from, None for any. ``sensors``: that the modality must have.
    ``needs_series``: whether images come as [B, T, C, H, W] (all times of a place) or [B, C, H, W].
    ``reconstructs``: whether ``reconstruct`` shows something. ``baseline``: it takes no step at all;
    ``weights_of``: whose weights it has then, if not those it drew.
    ``trains_only``: the part of the encoder that learns, "" for all of it; the rest stays as it was drawn.
    ``batch_wide``: its loss couples the samples of a batch, so that a batch cannot be done in parts.
    ``needs_parents``: of how many other entries it starts from the encoder.
    """

    Settings: ClassVar[type[MethodSettings]] = MethodSettings
    source: ClassVar[str]
    choices: ClassVar[str]
    kinds: ClassVar[frozenset[str] | None] = None
    sensors: ClassVar[frozenset[str]] = frozenset()
    needs_series: ClassVar[bool] = False
    reconstructs: ClassVar[bool] = False
    baseline: ClassVar[bool] = False
    weights_of: str = ""
    trains_only: ClassVar[str] = ""
    batch_wide: ClassVar[bool] = False
    needs_parents: int = 0
    encoder: Encoder

    def __init__(self, settings: MethodSettings, data: DataDescription) -> None:
        """Raises RevisitError where settings and data do not fit; works on the meta device too."""
        super().__init__()
        self.data, self.name = data, settings.name
        if self.kinds is not None and data.kind not in self.kinds:
            raise RevisitError(
                f"{self.name}: learns from collections of kind {' or '.join(sorted(self.kinds))}, "
                f"not {data.kind}; choose another collection"
            )
        if absent := sorted(self.sensors - {sensor_of(band) for band in data.bands}):
            raise RevisitError(f"{self.name}: needs bands of {', '.join(absent)}; choose another modality")
        self.crop_pixels = settings.crop_pixels or data.image_pixels
        if self.crop_pixels > data.image_pixels:
            raise RevisitError(
                f"{self.name}: crop_pixels is {self.crop_pixels}, images have {data.image_pixels} pixels; "
                f"lower crop_pixels"
            )
        self.encoder = self.build_encoder(settings)

    def build_encoder(self, settings: MethodSettings) -> Encoder:
        """An encoder of the entry's architecture with new weights, for the bands and size of the images."""
        return build_encoder(
            {**settings.encoder, "bands": list(self.data.bands), "image_pixels": self.crop_pixels}
        )

    def start_from(self, parents: Sequence[Encoder]) -> None:
        """Take over what other entries learnt, in the order of the config; called before the first step.

        At planning it is tried with encoders without weights or card. Raises RevisitError where one does not
        fit.
        """

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Augmented, standardised images and their masks, on the batch's device; samples come first in all.

        ``batch.images`` are uint8, see ``needs_series``.
        """
        raise NotImplementedError

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        """``loss`` to descend on, and its named parts, to be logged; scalars. Parts may come and go."""
        raise NotImplementedError

    def shares(self, views: dict[str, Tensor]) -> Tensor | None:
        """How much each sample counts in the mean that ``loss`` is, [B]; None where all count alike.

        A batch that is computed in parts, on several GPUs or one after the other, is put together by it.
        """
        return None

    def before_step(self, moment: Moment) -> None:
        """Called before the views of a step are drawn."""

    def after_backward(self, moment: Moment) -> None:
        """Called when gradients are there and before they are used (to freeze, to scale)."""

    def after_step(self, moment: Moment) -> None:
        """Called after every update (momentum encoders, queues)."""

    def after_epoch(self, moment: Moment) -> None:
        """Called after every epoch (estimates over the whole data)."""

    def optimisers(self, training: Training, course: Course) -> list[Descent]:
        """What trains it: AdamW on all weights, linear warm-up and half a cosine, unless overridden."""
        rate = main_schedule(training, course)
        return [adamw_descent(self.named_parameters(), training, course, rate)]

    def check_training(self, training: Training) -> None:
        """Raise RevisitError where the settings of the training loop do not fit the method."""
        if self.batch_wide and training.accumulate > 1:
            raise RevisitError(
                f"{self.name}: its loss is over the whole batch, so accumulate must be 1, "
                f"not {training.accumulate}; use more gpus or a smaller batch_size"
            )

    def encoders(self) -> dict[str, Encoder]:
        """The encoders it leaves, by name; the one of a method that leaves one has the name ""."""
        return {"": self.encoder}

    @property
    def generates(self) -> tuple[str, ...]:
        """Bands whose images its encoder, a ``revisit.nets.generator.Generator``, makes; mostly none."""
        return ()

    @property
    def drawn(self) -> tuple[str, ...]:
        """Bands of the images of a batch: those of the modality, then those that a parent generated."""
        return self.data.bands

    @property
    def leaves(self) -> tuple[str, ...]:
        """Names of the tables that ``tables`` gives, known before there are any data."""
        return ()

    def tables(self, store: Store) -> dict[str, list[dict[str, Any]]]:
        """What it found out about its data: small tables, which are kept beside the encoders as CSV files.

        Rows of each table by its name; those of one table have the same columns.
        """
        return {}

    def reconstruct(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``input``, ``masked`` and ``reconstruction``, standardised, shaped like ``images`` (uint8).

        ``masked`` is 0 where the encoder saw nothing; ``reconstruction`` has the input where it saw it. Where
        predictions get the true mean and deviation of each cell, ``moments_given`` is the side of a cell in
        pixels.
        """
        raise NotImplementedError

    def standardised(self, images: Tensor) -> Tensor:
        """Stored uint8 values as standard deviations from the mean, float32."""
        return standardise(images, self.data.clip_sigma)


def method_type(entry: Mapping[str, Any]) -> type[Method]:
    """The class of a ``method`` entry; raises RevisitError where it names none."""
    if not isinstance(name := entry.get("name"), str):
        raise RevisitError(f"method.name is {name!r}; give one of {', '.join(parts.names('method'))}")
    found = parts.find("method", name)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise RevisitError(f"method {name!r}: is no subclass of revisit.methods.method.Method; name one")
    return found


def build_method(entry: Mapping[str, Any], data: DataDescription) -> Method:
    """The method of a ``method`` entry for data so described; raises RevisitError where they do not fit."""
    kind = method_type(entry)
    return kind(read(kind.Settings, entry, "method"), data)
