"""Train and test land-cover networks on annual composites: all label fractions and seeds of one method.

Reads a yearly patch store and, for the pretrained methods, encoders (one a pretraining seed and
sensor; evaluation seed i takes encoder i mod n); writes a score file and the class maps of a few test
places. The input is the composite of the label year, as the seeds' tables read literally.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from revisit import stage
from revisit.errors import RevisitError
from revisit.evaluation import landcover, scores, settings
from revisit.evaluation.features import Reader, batches
from revisit.evaluation.landcover import Legend
from revisit.evaluation.metrics import IGNORE, ConfusionMatrix
from revisit.evaluation.networks import ENCODERS, Builder, Shape
from revisit.evaluation.scores import Value
from revisit.evaluation.segmentation import Labels, Train, class_maps, confusion, train_network
from revisit.evaluation.subsets import evenly, labelled_subset
from revisit.files import atomic
from revisit.patches.modality import bands_of
from revisit.patches.store import SPLITS, PatchStore
from revisit.training.device import choose_device, prepare

PLACES = 8  # test places to keep as maps


@dataclass(frozen=True)
class Settings:
    """What the stage reads of an experiment; ``classes``: class name to WorldCover codes."""

    seeds: list[int]
    train: dict[str, Any]
    label_fractions: list[float] = field(default_factory=lambda: [1.0])
    classes: dict[str, list[int]] = field(default_factory=lambda: landcover.CLASSES)
    network: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """The tiles: standardised images and class maps by sample index, places and splits."""

    images: Reader
    labels: Labels
    names: tuple[str, ...]
    positions: NDArray
    train: NDArray
    val: NDArray
    test: NDArray


def segment(
    patches: Path,
    encoders: Sequence[Path],
    experiment: str,
    method: str,
    modality: str,
    given: dict[str, Any],
    out: Path,
    predictions: Path,
) -> None:
    """Train and test ``method`` for every label fraction and seed; write scores and predictions.

    ``predictions`` (npz) holds of ``PLACES`` test samples, with the first seed and the largest label
    fraction: ``image`` uint8 (sample, band, y, x), ``label`` and ``prediction`` uint8 (sample, y, x)
    class numbers, 255 for no label, ``sample``, ``bands`` and ``classes``. Raises RevisitError where
    settings, encoders and store do not fit together.
    """
    wanted = settings.read(Settings, given, "segment")
    recipe = settings.read(Train, wanted.train, "segment train")
    shape = settings.read(Shape, wanted.network, "segment network")
    device = choose_device()
    prepare(device)
    store = PatchStore(patches)
    task = tiles(store, modality, Legend(wanted.classes), device)
    builder = Builder(method, modality, encoders, store, len(task.names), shape)
    values: list[Value] = []
    history: list[dict[str, Any]] = []
    runs = [
        (fraction, order, seed)
        for fraction in wanted.label_fractions
        for order, seed in enumerate(wanted.seeds)
    ]
    for label_fraction, order, seed in stage.progress(runs, "runs", total=len(runs)):
        train = task.train[labelled_subset(task.positions[task.train], label_fraction, seed)]
        torch.manual_seed(seed)
        network = builder.build(order).to(device)
        curve = train_network(
            network, task.images, task.labels, train, task.val, len(task.names), recipe, seed
        )
        matrix = confusion(network, task.images, task.labels, task.test, len(task.names))
        total = matrix.summary()["all"]
        stage.log.info(
            "%s %s: labels %g %%, seed %d: mIoU %.4f, accuracy %.4f",
            method, modality, 100 * label_fraction, seed, total["miou"], total["accuracy"],
        )  # fmt: skip
        values += run_values(matrix, task.names, label_fraction, seed)
        record = {"label_fraction": label_fraction, "seed": seed, "labelled_samples": len(train)}
        history.append({**record, "curve": curve, "confusion": matrix.counts.tolist()})
        if order == 0 and label_fraction == max(wanted.label_fractions):
            write_maps(predictions, network, task, evenly(task.test, PLACES))
    absent = [name for name, pixels in zip(task.names, matrix.counts.sum(1), strict=True) if not pixels]
    if absent:
        stage.log.info("no test pixel is %s: left out of the averages", ", ".join(absent))
    columns = {
        "experiment": experiment,
        "task": "segmentation",
        "method": method,
        "modality": modality,
        "protocol": "fine-tune" if encoders else "supervised",
        **builder.columns(),
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


def tiles(store: PatchStore, modality: str, legend: Legend, device: torch.device) -> Task:
    """The land-cover task of a yearly store; raises RevisitError when a split has no labelled pixel."""
    if store.kind != "yearly":
        raise RevisitError(f"{store.path}: segment needs a yearly store, this holds {store.kind!r}")
    splits = {split: store.indices(split) for split in SPLITS}

    def labels(indices: NDArray) -> NDArray[np.uint8]:
        return legend.merge(store.land_cover(indices))

    for split, indices in splits.items():
        if all((labels(part) == IGNORE).all() for part in batches(indices)):
            raise RevisitError(
                f"{store.path}: no labelled pixel in {split!r} ({len(indices)} samples); "
                "use more or larger regions, or another split"
            )
    images = Reader(store, bands_of(modality, store.bands), device, store.attrs["label_year"])
    return Task(images, labels, legend.names, store.positions, **splits)


def run_values(
    matrix: ConfusionMatrix, names: Sequence[str], label_fraction: float, seed: int
) -> list[Value]:
    """What a run enters in the table: each class (unless no test pixel is of it), averages, totals."""
    by_metric = matrix.scores()
    support = by_metric.pop("support")
    by_class = {
        name: {metric: float(values[number]) for metric, values in by_metric.items()}
        for number, name in enumerate(names)
        if support[number]
    }
    return [
        Value(label_fraction, name, metric, seed, value)
        for name, metrics in (by_class | matrix.summary()).items()
        for metric, value in metrics.items()
    ]


def write_maps(path: Path, network: nn.Module, task: Task, chosen: NDArray) -> None:
    """Images, labels and class maps of the samples ``chosen``, as ``segment`` says."""
    with atomic(path) as aside, aside.open("wb") as file:
        np.savez_compressed(
            file,
            sample=chosen,
            image=task.images.scaled(chosen),
            label=task.labels(chosen),
            prediction=class_maps(network, task.images, chosen),
            bands=np.array(task.images.bands),
            classes=np.array(task.names),
        )


def _work(arguments: argparse.Namespace) -> None:
    segment(
        arguments.patches,
        arguments.encoders,
        arguments.experiment,
        arguments.method,
        arguments.modality,
        arguments.settings,
        arguments.out,
        arguments.predictions,
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--patches", required=True, type=Path, help="yearly patch store")
    parser.add_argument(
        "--encoders", type=Path, nargs="*", default=[], help="one a pretraining seed and sensor"
    )
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--method", required=True, choices=sorted(ENCODERS))
    parser.add_argument("--modality", required=True, help="s1, rgb or s1+rgb")
    parser.add_argument("--out", required=True, type=Path, help="score file (JSON)")
    parser.add_argument("--predictions", required=True, type=Path, help="maps of a few test places (npz)")
    return stage.main(_work, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
