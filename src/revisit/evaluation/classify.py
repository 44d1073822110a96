"""Evaluate an encoder on multi-label scenes: all label fractions and seeds of one protocol.

Reads a patch store and the encoders of one method, one a pretraining seed (evaluation seed i takes
encoder i mod n); writes a score file. Protocols: ``linear`` (frozen features, logistic regression) and
``fine-tune``. Labels are given by place; models are selected on ``val`` and scored once on ``test``.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from revisit import stage
from revisit.errors import RevisitError
from revisit.evaluation import scores, settings
from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.features import Images, Reader, pooled_features, predict
from revisit.evaluation.finetune import FineTune, fine_tune
from revisit.evaluation.probe import linear_probe
from revisit.evaluation.scores import Value
from revisit.evaluation.subsets import labelled_subset
from revisit.nets.encoder import Encoder, load_encoder
from revisit.patches.modality import bands_of
from revisit.patches.store import SPLITS, PatchStore
from revisit.training.device import choose_device, prepare

PROTOCOLS = ("fine-tune", "linear")


@dataclass(frozen=True)
class Linear:
    """Recipe of the linear protocol: the inverse regularisations ``c`` to choose from on val."""

    c: list[float] = field(default_factory=lambda: [0.001, 0.01, 0.1, 1.0, 10.0])


@dataclass(frozen=True)
class Settings:
    """What the stage reads of an experiment."""

    label_fractions: list[float]
    seeds: list[int]
    fine_tune: dict[str, Any] = field(default_factory=dict)
    linear: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """The scenes: where their images come from, their labels (sample, class) 0/1, places and splits."""

    images: Images
    bands: tuple[str, ...]
    targets: NDArray[np.uint8]
    positions: NDArray
    train: NDArray
    val: NDArray
    test: NDArray


def classify(
    patches: Path,
    encoders: Sequence[Path],
    experiment: str,
    method: str,
    modality: str,
    protocol: str,
    given: dict[str, Any],
    out: Path,
) -> None:
    """Run the protocol for every label fraction and seed and write the score file ``out``.

    Raises RevisitError where settings, encoder and store do not fit together.
    """
    wanted = settings.read(Settings, given, "classify")
    recipe: FineTune | Linear
    if protocol == "fine-tune":
        recipe = settings.read(FineTune, wanted.fine_tune, "classify fine_tune")
    else:
        recipe = settings.read(Linear, wanted.linear, "classify linear")
    device = choose_device()
    prepare(device)
    store = PatchStore(patches)
    bands = bands_of(modality, store.bands)
    networks = [load_encoder(path, bands=bands, scaling=store.scaling, device=device) for path in encoders]
    task = scenes(store, bands, device)
    names = store.attrs["classes"]
    absent = [name for name, column in zip(names, task.targets[task.test].T, strict=True) if not column.any()]
    if absent:
        stage.log.info("no test sample shows %s: left out of macro_map", ", ".join(absent))

    if isinstance(recipe, FineTune):
        runs = fine_tuned(task, networks, wanted, recipe)
    else:
        runs = probed(task, networks, wanted, recipe)
    values: list[Value] = []
    history = []
    for label_fraction, seed, test_scores, record in runs:
        result = mean_average_precision(task.targets[task.test], test_scores)
        stage.log.info(
            "%s %s %s: labels %g %%, seed %d: micro mAP %.4f, macro mAP %.4f",
            method, modality, protocol, 100 * label_fraction, seed, result.micro, result.macro,
        )  # fmt: skip
        values.append(Value(label_fraction, "all", "micro_map", seed, result.micro))
        values.append(Value(label_fraction, "all", "macro_map", seed, result.macro))
        values += [
            Value(label_fraction, name, "average_precision", seed, value)
            for name, value in zip(names, result.classes, strict=True)
            if value is not None
        ]
        history.append({"label_fraction": label_fraction, "seed": seed, **record})
    columns = {
        "experiment": experiment,
        "task": "multi-label",
        "method": method,
        "modality": modality,
        "protocol": protocol,
        **scores.encoder_columns([[network.card or {} for network in networks]]),
    }
    scores.write(
        out,
        values,
        columns,
        given,
        patches,
        history=history,
        absent_classes=absent,
        samples={split: len(getattr(task, split)) for split in SPLITS},
        sources=scores.sources(patches, store.attrs, encoders),
    )


def scenes(store: PatchStore, bands: tuple[str, ...], device: torch.device) -> Task:
    """The multi-label task of a store of pairs; raises RevisitError when a split lacks labelled scenes."""
    if store.kind != "pairs":
        raise RevisitError(f"{store.path}: classify needs a store of pairs, this is {store.kind!r}")
    splits = {split: store.indices(split) for split in SPLITS}
    targets = store.multi_label(np.arange(store.samples))
    for split, indices in splits.items():
        if not targets[indices].any():
            raise RevisitError(
                f"{store.path}: no labelled scene in {split!r} ({len(indices)} samples); "
                "use more or larger regions, or another split"
            )
    return Task(Reader(store, bands, device), bands, targets, store.positions, **splits)


Run = tuple[float, int, NDArray, dict[str, Any]]


def fine_tuned(task: Task, networks: Sequence[Encoder], wanted: Settings, recipe: FineTune) -> Iterator[Run]:
    """Label fraction, seed, test logits and learning curve of each run."""
    for label_fraction, seed, order in combinations(wanted):
        train = task.train[labelled_subset(task.positions[task.train], label_fraction, seed)]
        encoder = networks[order % len(networks)]
        model, records = fine_tune(
            encoder, task.images, task.bands, task.targets, train, task.val, recipe, seed
        )
        outputs = predict(model, task.images, task.test).numpy()
        yield label_fraction, seed, outputs, {"labelled_samples": len(train), "curve": records}


def probed(task: Task, networks: Sequence[Encoder], wanted: Settings, recipe: Linear) -> Iterator[Run]:
    """The same for the linear protocol, its scores probabilities; features are computed once an encoder.

    With all labels the seed draws nothing, so a further seed on the same encoder would repeat a run to the
    bit and feign certainty: there are as many runs as encoders.
    """
    everything = np.arange(len(task.targets))
    features = [
        pooled_features(network, task.images, task.bands, everything)
        for network in stage.progress(networks, "features")
    ]
    for label_fraction, seed, order in combinations(wanted):
        if label_fraction == 1 and order >= len(networks):
            continue
        train = task.train[labelled_subset(task.positions[task.train], label_fraction, seed)]
        with threadpool_limits(1):  # the last bits depend on the number of threads
            result = linear_probe(
                features[order % len(networks)], task.targets, train, task.val, task.test, recipe.c
            )
        record = {
            "labelled_samples": len(train),
            "c": result.c,
            "validation": {str(c): value for c, value in result.validation.items()},
        }
        yield label_fraction, seed, result.scores, record


def combinations(wanted: Settings) -> Iterator[tuple[float, int, int]]:
    """Label fraction, seed and number of the seed, with a progress bar."""
    runs = [
        (fraction, seed, order)
        for fraction in wanted.label_fractions
        for order, seed in enumerate(wanted.seeds)
    ]
    yield from stage.progress(runs, "runs", total=len(runs))


def _work(arguments: argparse.Namespace) -> None:
    classify(
        arguments.patches,
        arguments.encoders,
        arguments.experiment,
        arguments.method,
        arguments.modality,
        arguments.protocol,
        arguments.settings,
        arguments.out,
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--patches", required=True, type=Path, help="patch store of pairs")
    parser.add_argument("--encoders", required=True, type=Path, nargs="+", help="one a pretraining seed")
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--method", required=True)
    parser.add_argument("--modality", required=True, help="bands to evaluate on, such as s1 or s1+s2")
    parser.add_argument("--protocol", required=True, choices=PROTOCOLS)
    parser.add_argument("--out", required=True, type=Path, help="score file (JSON)")
    return stage.main(_work, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
