"""Multi-label scenes: which land-cover classes a patch shows, scored by average precision and F1.

Works on collections of pairs and of dates. Labels are given by place; models are selected on ``val`` and
scored once on the whole of ``test``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, create_model

from revisit import parts
from revisit.errors import RevisitError
from revisit.evaluation import checks
from revisit.evaluation.average_precision import mean_average_precision, reweighted
from revisit.evaluation.metrics import scene_averages, scene_scores
from revisit.evaluation.protocol import Indices, Predict
from revisit.evaluation.task import Data, Experiment, Given, Metric, Row, Run, Scored, Task
from revisit.patches.modality import bands_of
from revisit.patches.store import PARTS, PatchStore
from revisit.record import Record, read

if TYPE_CHECKING:  # probes and floors need no network, and start without torch
    import torch
    from torch import Tensor

    from revisit.evaluation.networks import Networks

LEARNERS = ("protocol", "probe")
EVEN = 0.5  # probability above which a class is predicted


class SceneExperiment(Experiment):
    """An experiment on scenes with several classes each."""

    methods: list[str]
    """Keys of `pretraining.methods`: whose encoders to compare, a row each."""
    pretrain_modality: str | None = None
    """Modality the encoders were pretrained on. Left out, a row has on each modality the encoder of its entry
    that was pretrained on the same, or else on that and other sensors; where it has none it is not run."""
    modalities: list[str]
    """Modalities to train and test on, a column each; their bands must be among the encoders'."""
    protocols: list[str]
    """Ways of learning the labels: files of `revisit.evaluation.protocols` or `revisit.evaluation.probes`."""


def with_recipes(experiment: type[Experiment]) -> type[Experiment]:
    """The record with a key for the recipe of each protocol that learns scenes."""
    recipes: dict[str, Any] = {}
    for sort in LEARNERS:
        for name in parts.names(sort):
            learner = parts.find(sort, name)
            if "scene" in learner.labels:
                field = Field(None, description=f"Recipe of `{name}`.")
                recipes[_key(name)] = (learner.Settings | None, field)
    return create_model("MultiLabelExperiment", __base__=experiment, **recipes)


def _sources(wanted: SceneExperiment, pretraining: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The modalities that a row is run on, each with the one its encoder was pretrained on."""
    if wanted.pretrain_modality:
        return [(modality, wanted.pretrain_modality) for modality in wanted.modalities]
    found = [(modality, checks.pretrained_for(pretraining, modality)) for modality in wanted.modalities]
    return [(modality, source) for modality, source in found if source]


def _key(protocol: str) -> str:
    """The key of a protocol's recipe in an experiment."""
    return protocol.replace("-", "_")


class MultiLabel(Task):
    """The task; see ``revisit.evaluation.task``."""

    labels = "scene"
    kinds = ("pairs", "dates")
    metrics = {
        "micro_map": Metric("mAP (micro)"),
        "macro_map": Metric("mAP (macro)"),
        "average_precision": Metric("average precision"),
        "precision": Metric("precision"),
        "recall": Metric("recall"),
        "f1": Metric("F1"),
    }
    headline = "micro_map"
    exclusive = False

    @cached_property
    def Settings(self) -> type[Experiment]:  # type: ignore[override]  # noqa: N802
        """The record of an experiment; made when asked for, as it needs protocols, and they need torch."""
        return with_recipes(SceneExperiment)

    def runs(self, name: str, settings: Experiment, pretraining: checks.Entries) -> list[Run]:
        from revisit.nets.load_save import architecture_modules

        wanted = cast(SceneExperiment, settings)
        found = []
        for method in wanted.methods:
            checks.known(method, pretraining, f"experiments.{name}.methods")
            own = pretraining[method]
            row = Row(
                name=method,
                title=own.get("title") or method,
                published_as=own.get("published_as"),
                pretrained=checks.is_trained(own),
                entry={},
                modules=architecture_modules(own["method"]["encoder"]),
            )
            found += [
                self.run(
                    settings,
                    row,
                    modality,
                    checks.learner(protocol, f"experiments.{name}.protocols"),
                    protocol,
                    self._recipe(name, settings, protocol),
                    [(method, source)],
                )
                for modality, source in _sources(wanted, own)
                for protocol in wanted.protocols
            ]
        return found + self.floors(settings, wanted.modalities)

    def check(
        self, name: str, settings: Experiment, pretraining: checks.Entries, collections: checks.Entries
    ) -> None:
        wanted, where = cast(SceneExperiment, settings), f"experiments.{name}"
        collection = checks.collection_of(wanted.collection, self.kinds, collections, where)
        checks.legend_of(collection, f"{where}.collection")
        checks.lists_each_once(wanted, where)
        for protocol in wanted.protocols:
            sort = checks.learner(protocol, f"{where}.protocols")
            if self.labels not in parts.find(sort, protocol).labels:
                raise RevisitError(f"{where}.protocols: {protocol!r} cannot learn scenes; leave it out")
            self._recipe(name, settings, protocol)
        for method in wanted.methods:
            checks.known(method, pretraining, f"{where}.methods")
            sources = _sources(wanted, pretraining[method])
            asked = wanted.pretrain_modality or ("" if sources else wanted.modalities[0])
            if asked:
                key = "pretrain_modality" if wanted.pretrain_modality else "modalities"
                checks.pretrained_entry(method, asked, pretraining, f"{where}.methods", f"{where}.{key}")
            for modality, source in sources:
                checks.takes(
                    pretraining[method], source, modality, collections, collection,
                    f"{where}.modalities: {method!r} on {modality!r}",
                )  # fmt: skip

    def _recipe(self, name: str, settings: Experiment, protocol: str) -> Record:
        """The recipe of a protocol; where the experiment gives none, its defaults."""
        key = _key(protocol)
        given: Record | None = getattr(settings, key, None)
        sort = checks.learner(protocol, f"experiments.{name}.protocols")
        kind: type[Record] = parts.find(sort, protocol).Settings
        return given if given is not None else read(kind, {}, f"experiments.{name}.{key}")

    def data(self, store: PatchStore, modality: str, given: Given) -> Data:
        self.check_kind(store)
        splits = {split: store.indices(split, labelled=True) for split in PARTS}
        targets = store.multi_label(np.arange(store.samples))
        for split, indices in splits.items():
            if not targets[indices].any():
                raise RevisitError(
                    f"{store.path}: no labelled scene in {split!r} ({len(indices)} samples); "
                    "use more or larger regions, or another split"
                )

        def labels(indices: Indices) -> NDArray[np.uint8]:
            return targets[indices]

        classes = tuple(store.attrs["classes"])
        bands = bands_of(modality, store.bands)
        train, val, test = splits.values()
        return Data(store, bands, None, labels, labels, classes, store.positions, train, val, test)

    def networks(
        self,
        store: PatchStore,
        modality: str,
        classes: int,
        encoders: Sequence[Path],
        entry: Mapping[str, Any],
        device: torch.device,
    ) -> Networks:
        from revisit.evaluation.scene_network import SceneNetworks
        from revisit.nets.load_save import load_encoder

        bands = bands_of(modality, store.bands)
        if len(encoders) != 1:
            raise RevisitError(f"evaluate: scenes take one encoder, the job has {len(encoders)}")
        encoder = load_encoder(encoders[0], bands=bands, scaling=store.scaling, device=device)
        return SceneNetworks(encoder, bands, classes)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(outputs, labels.float())

    def predicted(self, outputs: NDArray[np.float32]) -> NDArray[Any]:
        """The probabilities of logits, in as many digits as leave their order as it is."""
        return 1 / (1 + np.exp(-outputs.astype(np.float64)))

    def agreement(self, labels: NDArray[np.uint8], outputs: NDArray[np.float32]) -> float:
        return mean_average_precision(labels, outputs).micro

    def score(self, data: Data, predict: Predict) -> Scored:
        """Mean average precision over the whole test set, and what is right of the classes above one half.

        Predictions: ``target`` uint8 (sample, class), ``score`` (sample, class) probabilities,
        ``sample`` (sample,) indices into the collection, ``classes``.
        """
        targets, outputs = data.labels(data.test), predict(data.test)
        result = mean_average_precision(targets, outputs)
        counted = scene_scores(targets, outputs > EVEN)
        classes = {
            name: {"average_precision": value}
            | {metric: float(values[number]) for metric, values in counted.items()}
            for number, (name, value) in enumerate(zip(data.classes, result.classes, strict=True))
            if value is not None
        }
        return Scored(
            numbers={
                "all": {"micro_map": result.micro, "macro_map": result.macro},
                **scene_averages(targets, outputs > EVEN),
                **classes,
            },
            reweighted=reweighted(targets, outputs),
            record={},
            absent=[name for name, shown in zip(data.classes, targets.any(0), strict=True) if not shown],
            predictions={
                "target": targets,
                "score": outputs,
                "sample": data.test,
                "classes": np.array(data.classes),
            },
        )


TASK = MultiLabel()
