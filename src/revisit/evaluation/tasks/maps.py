"""What tasks on maps have in common: their rows are networks, on encoders or on images, checked and built.

A task of these says besides which classes there are, where their maps come from, and how they are scored.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict
from scipy.sparse import csr_array, vstack
from torch import nn

from revisit import parts
from revisit.errors import RevisitError
from revisit.evaluation import checks
from revisit.evaluation.columns import NOT_PRETRAINED
from revisit.evaluation.features import batches
from revisit.evaluation.metrics import IGNORE, ConfusionMatrix, counts_by_sample
from revisit.evaluation.networks import Networks, load_encoders
from revisit.evaluation.protocol import Indices, Predict
from revisit.evaluation.protocols.recipes import Recipe
from revisit.evaluation.subsets import evenly
from revisit.evaluation.task import Data, Experiment, Row, Run, Task
from revisit.evaluation.tasks.landcover import LandClass, Merging
from revisit.nets.load_save import architecture_modules, build_encoder, check_architecture
from revisit.nets.network import Network
from revisit.patches.modality import bands_of
from revisit.patches.store import PARTS, PatchStore
from revisit.record import Record, read

PLACES = 8  # test places to keep as maps
BATCH = 32  # class maps predicted at once


class MapNetwork(Record):
    """A row: a network, and where its encoders come from. Beside these keys it takes the network's own."""

    model_config = ConfigDict(extra="allow")

    network: str
    """A file of `revisit.nets.segmentation`, or a dotted path to one of your own."""
    modalities: list[str]
    """Modalities to train and test on; a network of several encoders needs a sensor for each (`s1+rgb`)."""
    pretrained: str | None = None
    """Key of `pretraining.methods`: whose encoders to start from."""
    encoder_of: str | None = None
    """Key of `pretraining.methods`: whose encoder's shape to take, with new weights."""
    collection: str | None = None
    """The patches to learn and to test on, where they are not the experiment's: as of other cubes."""
    title: str | None = None
    """Name of the row as printed; that of the entry when left out."""
    published_as: str | None = None
    """Key of the published numbers to set beside the row's."""
    protocols: list[str] | None = None
    """Ways of learning the labels, where they are not the experiment's."""
    train: dict[str, Any] = {}
    """Keys of the experiment's `train` that are others for this row."""

    @property
    def own(self) -> dict[str, Any]:
        """Settings of the network itself."""
        return dict(self.model_extra or {})


class MapExperiment(Experiment):
    """An experiment on maps: its rows are networks."""

    networks: dict[str, MapNetwork]
    """The rows, by names of your choice."""
    protocols: list[str] = ["fine-tune"]
    """Ways of learning the labels: files of `revisit.evaluation.protocols`. What freezes encoders is for the
    rows that have some."""
    train: Recipe
    """How networks are trained, where their rows do not say otherwise."""

    def recipe(self, where: str, row: MapNetwork) -> Recipe:
        """How a row's network is trained."""
        return read(Recipe, {**self.train.content(), **row.train}, f"{where}.train")

    def learnt_by(self, row: MapNetwork, network: type[Network]) -> list[str]:
        """The protocols of a row: of the experiment's, those that its network can be trained by."""
        if row.protocols is not None:
            return row.protocols
        return [name for name in self.protocols if network.encoders or not _freezes(name)]


class MapEntry(Record):
    """What a job gets of a row."""

    network: str
    """The network, by its name or dotted path."""
    settings: dict[str, Any] = {}
    """The network's own."""
    encoder: dict[str, Any] | None = None
    """Architecture of its encoders where they have new weights."""


class MapTask(Task):
    """A task on maps; see ``revisit.evaluation.task``. ``dates``: images of a place that a network sees."""

    labels: ClassVar[Literal["scene", "map", "change"]] = "map"
    dates: ClassVar[int] = 1

    def runs(self, name: str, settings: Experiment, pretraining: checks.Entries) -> list[Run]:
        wanted = cast(MapExperiment, settings)
        found = []
        for row_name, of_row in wanted.networks.items():
            where = f"experiments.{name}.networks.{row_name}"
            network = checks.part("network", of_row.network, f"{where}.network")
            shape = None
            modules = [parts.module_of("network", of_row.network)]
            if source := of_row.pretrained or of_row.encoder_of:
                checks.known(source, pretraining, where)
                shape = checks.shape_of(pretraining[source])
                modules += architecture_modules(shape)
            row = Row(
                name=row_name,
                title=of_row.title or row_name,
                published_as=of_row.published_as,
                pretrained=of_row.pretrained is not None
                and checks.is_trained(pretraining[of_row.pretrained]),
                entry=MapEntry(
                    network=of_row.network,
                    settings=read(network.Settings, of_row.own, where).content(),
                    encoder=shape if of_row.pretrained is None else None,
                ).content(),
                modules=modules,
            )
            for modality in of_row.modalities:
                encoders = [
                    (of_row.pretrained, checks.serving(pretraining[of_row.pretrained], part))
                    for part in _sensors(network, of_row.network, modality, where)
                    if of_row.pretrained is not None
                ]
                recipe = wanted.recipe(where, of_row)
                found += [
                    self.run(
                        settings, row, modality, "protocol", protocol, recipe, encoders, of_row.collection
                    )
                    for protocol in wanted.learnt_by(of_row, network)
                ]
        modalities = dict.fromkeys(name for row in wanted.networks.values() for name in row.modalities)
        return found + self.floors(settings, list(modalities))

    def check(
        self, name: str, settings: Experiment, pretraining: checks.Entries, collections: checks.Entries
    ) -> None:
        wanted, where = cast(MapExperiment, settings), f"experiments.{name}"
        collection = checks.collection_of(wanted.collection, self.kinds, collections, where)
        checks.lists_each_once(wanted, where)
        checks.legend_of(collection, f"{where}.collection")
        if not collection.get("label_maps", True):
            raise RevisitError(
                f"{where}.collection: {wanted.collection!r} has labels of whole scenes, no maps; choose the "
                "task single-label or multi-label"
            )
        if not wanted.networks:
            raise RevisitError(f"{where}.networks: is empty; give at least one")
        self._check_protocols(wanted.protocols, f"{where}.protocols")
        for row_name, of_row in wanted.networks.items():
            of = f"{where}.networks.{row_name}"
            wanted.recipe(of, of_row)
            own = collection
            if of_row.collection is not None:
                own = checks.collection_of(of_row.collection, self.kinds, collections, of)
                if own["legend"] != collection["legend"]:
                    raise RevisitError(
                        f"{of}.collection: the labels of {of_row.collection!r} are others than those of "
                        f"{wanted.collection!r}, of the other rows; choose one with the same"
                    )
            self._check_row(of, of_row, pretraining, collections, own)

    def _check_protocols(self, names: Sequence[str], where: str) -> None:
        for name in names:
            with checks.at(where):
                if self.labels not in parts.find("protocol", name).labels:
                    raise RevisitError(f"{name!r} cannot learn maps; leave it out")

    def _check_row(
        self,
        where: str,
        row: MapNetwork,
        pretraining: checks.Entries,
        collections: checks.Entries,
        collection: Mapping[str, Any],
    ) -> None:
        network = checks.part("network", row.network, f"{where}.network")
        if network.dates != self.dates:
            fitting = [
                name for name in parts.names("network") if parts.find("network", name).dates == self.dates
            ]
            raise RevisitError(
                f"{where}.network: {row.network} takes {_images(network.dates)} of a place, this task gives "
                f"it {_images(self.dates)}; choose {' or '.join(fitting)}"
            )
        read(network.Settings, row.own, where)
        if row.protocols is not None:
            key_of = f"{where}.protocols"
            checks.each_once(row.protocols, key_of)
            self._check_protocols(row.protocols, key_of)
            if not network.encoders and (freezing := [name for name in row.protocols if _freezes(name)]):
                raise RevisitError(
                    f"{key_of}: {freezing[0]!r} freezes encoders, and {row.network} has none; leave it out"
                )
        given = [key for key in ("pretrained", "encoder_of") if getattr(row, key) is not None]
        if network.encoders and len(given) != 1:
            raise RevisitError(
                f"{where}: {row.network} needs encoders; give one of pretrained and encoder_of, not "
                f"{' and '.join(given) or 'none'}"
            )
        if not network.encoders and given:
            raise RevisitError(f"{where}.{given[0]}: {row.network} takes no encoder; leave it out")
        checks.each_once(row.modalities, f"{where}.modalities")
        for modality in row.modalities:
            key = f"{where}.modalities: {modality!r}"
            sensors = _sensors(network, row.network, modality, f"{where}.modalities")
            with checks.at(key):
                bands = [bands_of(sensor, collection["bands"]) for sensor in (*sensors, modality)]
            shapes = []
            for sensor, wanted in zip(sensors, bands, strict=False):
                if row.pretrained is not None:
                    key_of = f"{where}.pretrained"
                    checks.known(row.pretrained, pretraining, key_of)
                    own = pretraining[row.pretrained]
                    source = checks.serving(own, sensor)
                    checks.pretrained_entry(
                        row.pretrained, source, pretraining, key_of, f"{where}.modalities"
                    )
                    checks.takes(own, source, sensor, collections, collection, key)
                    side = collections[own["collection"]]["patch_pixels"]
                    shape = checks.shape_serving(own, sensor, collections, key)
                else:
                    checks.known(str(row.encoder_of), pretraining, f"{where}.encoder_of")
                    own, side = pretraining[str(row.encoder_of)], collection["patch_pixels"]
                    shape = checks.shape_of(own)
                shapes.append({"image_pixels": side, **shape, "bands": list(wanted)})
            with checks.at(key):
                for shape in shapes:
                    check_architecture(shape)
                network.check(shapes, collection["patch_pixels"])

    def labelled(
        self,
        store: PatchStore,
        bands: tuple[str, ...],
        time: int | None,
        seen: NDArray[np.bool_],
        classes: Sequence[LandClass] | None,
    ) -> Data:
        """The data of a store that has labels, with these classes of its legend (see ``Merging``).

        ``seen`` (sample,): which samples have the images. Raises RevisitError where a part of the split has
        no labelled pixel.
        """
        if store.legend is None:
            raise RevisitError(f"{store.path}: made without labels; tile it anew with some")
        merging = Merging(classes, store.legend)

        def labels(indices: Indices) -> NDArray[np.uint8]:
            return merging.merge(store.land_cover(indices))

        def shows(indices: Indices) -> NDArray[np.uint8]:
            maps = labels(indices).reshape(len(indices), -1)
            return np.stack([(maps == number).any(1) for number in range(len(merging.names))], 1).astype("u1")

        splits = {}
        for split in PARTS:
            indices = store.indices(split, labelled=True)
            splits[split] = indices = indices[seen[indices]]
            if all((labels(part) == IGNORE).all() for part in batches(indices)):
                raise RevisitError(
                    f"{store.path}: no labelled pixel in {split!r} ({len(indices)} samples); "
                    "use more or larger regions, or another split"
                )
        return Data(
            store, bands, time, labels, shows, merging.names, store.positions, **splits,
            colours=merging.colours, codes=merging.codes,
        )  # fmt: skip

    def networks(
        self,
        store: PatchStore,
        modality: str,
        classes: int,
        encoders: Sequence[Path],
        entry: Mapping[str, Any],
        device: torch.device,
    ) -> Networks:
        return MapNetworks(store, modality, classes, encoders, read(MapEntry, entry, "evaluate.entry"))


def _images(count: int) -> str:
    return "one image" if count == 1 else f"{count} images"


def _freezes(protocol: str) -> bool:
    """Whether a protocol leaves encoders as they are."""
    freezes: bool = parts.find("protocol", protocol).freezes
    return freezes


def _sensors(network: type[Network], name: str, modality: str, key: str) -> list[str]:
    """The modality of each encoder of a network on ``modality``."""
    sensors = modality.split("+") if network.encoders > 1 else [modality][: network.encoders]
    if len(sensors) != network.encoders:
        raise RevisitError(
            f"{key}: {name} has {network.encoders} encoders, one a sensor, and {modality!r} is of "
            f"{len(sensors)}; give a modality such as s1+rgb"
        )
    return sensors


class MapNetworks(Networks):
    """The network of a row, on pretrained encoders, on new ones, or on none."""

    def __init__(
        self, store: PatchStore, modality: str, classes: int, encoders: Sequence[Path], entry: MapEntry
    ) -> None:
        self.name = entry.network
        self.network: type[Network] = parts.find("network", entry.network)
        self.settings = read(self.network.Settings, entry.settings, f"evaluate.entry: {entry.network}")
        self.channels, self.classes = len(bands_of(modality, store.bands)), classes
        sensors = _sensors(self.network, entry.network, modality, "evaluate.modality")
        self.new = [
            {
                "image_pixels": store.patch_pixels,
                **entry.encoder,
                "bands": list(bands_of(sensor, store.bands)),
            }
            for sensor in sensors
            if entry.encoder is not None
        ]
        super().__init__(load_encoders(encoders, [] if self.new else sensors, store, entry.network))

    def build(self) -> nn.Module:
        encoders = self.encoders or [build_encoder(architecture) for architecture in self.new]
        return self.network.build(self.settings, encoders, self.channels, self.classes)

    def described(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "settings": self.settings.content(),
            "encoders": [encoder.architecture() for encoder in self.encoders] or self.new,
            "channels": self.channels,
            "dates": self.network.dates,
            "classes": self.classes,
        }

    def columns(self) -> dict[str, Any]:
        if self.encoders:
            return super().columns()
        name = self.network.short_name(self.settings, self.new)
        return {"encoder": name, **NOT_PRETRAINED}


def kept(data: Data, predict: Predict) -> dict[str, NDArray[Any]]:
    """Predictions to keep, of ``PLACES`` test samples.

    ``image`` as stored (sample, [date,] band, y, x), ``label`` and ``prediction`` uint8 (sample, y, x) class
    numbers, 255 for no label, ``sample`` indices into the collection, ``bands``, ``classes`` and their
    ``colours``.
    """
    shown = evenly(data.test, PLACES)
    return {
        "sample": shown,
        "image": data.scaled(shown),
        "label": data.labels(shown),
        "prediction": class_maps(predict, shown),
        "bands": np.array(data.bands),
        "classes": np.array(data.classes),
        "colours": np.array(data.colours),
    }


def confusions(data: Data, predict: Predict, indices: Indices) -> csr_array:
    """The matrices of the given samples, as ``counts_by_sample`` has them."""
    classes = len(data.classes)
    return vstack(
        [
            counts_by_sample(data.labels(part), class_maps(predict, part), classes)
            for part in batches(indices, BATCH)
        ]
    )


def confusion(data: Data, predict: Predict, indices: Indices) -> ConfusionMatrix:
    """One matrix over all labelled pixels of the given samples."""
    return ConfusionMatrix.total(confusions(data, predict, indices))


def class_maps(predict: Predict, indices: Indices) -> NDArray[np.uint8]:
    """Predicted class numbers (sample, y, x)."""
    return predict(indices).argmax(1).astype(np.uint8)
