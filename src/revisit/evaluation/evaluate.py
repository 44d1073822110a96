"""Evaluate networks on a downstream task: all label fractions and seeds of one row, modality and protocol.

Reads a collection and the pretrained encoders of the row (for each pretraining seed, each encoder of a
network; evaluation seed number i takes those of pretraining seed number i mod n). Writes a score file and,
beside it, predictions on the test split (npz; what they hold the task's scorer says).
"""

from pathlib import Path
from typing import Any

import numpy as np

from revisit import parts, stage
from revisit.evaluation import scores
from revisit.evaluation.protocol import Protocol, word
from revisit.evaluation.scores import Value
from revisit.evaluation.subsets import labelled_subset
from revisit.evaluation.task import JobSettings, Repeats, RunNumber, Task
from revisit.files import atomic
from revisit.job import Job
from revisit.patches.store import PARTS, PatchStore
from revisit.record import read
from revisit.training.device import choose_device, prepare

Settings = JobSettings


def run(job: Job) -> None:
    """Train and test for every label fraction and seed; write scores and predictions.

    Raises RevisitError where settings, encoders and collection do not fit together.
    """
    settings = read(Settings, job.settings, "evaluate")
    task: Task = parts.find("task", settings.task)
    protocol: type[Protocol] = parts.find("protocol", settings.protocol)
    given = read(task.Slice, settings.experiment, "evaluate.experiment")
    recipe = read(task.recipe(protocol), settings.recipe, "evaluate.recipe")
    patches, encoders, modality = job.source("patches"), job.sources("encoders"), job.names["modality"]
    device = choose_device()
    prepare(device)
    store = PatchStore(patches)
    data = task.data(store, modality, given, device)
    networks = task.networks(store, modality, len(data.classes), encoders, settings.entry, device)
    scorer = task.scorer(data, given)
    if absent := scorer.absent():
        stage.log.info("the test split does not show %s: left out of the averages", ", ".join(absent))
    learning = protocol(task, data, networks, recipe)

    values: list[Value] = []
    history: list[dict[str, Any]] = []
    for number in stage.progress(numbers := run_numbers(given), "runs", total=len(numbers)):
        if learning.repeats_itself(number.label_fraction, number.order):
            continue
        labelled = data.train[labelled_subset(data.positions[data.train], number.label_fraction, number.seed)]
        predict, training = learning.train(labelled, number.order, number.seed)
        found, record = scorer.add(number, predict)
        values += [
            Value(number.label_fraction, name, metric, number.seed, value)
            for name, metrics in found.items()
            for metric, value in metrics.items()
        ]
        of_run = {"label_fraction": number.label_fraction, "seed": number.seed}
        history.append({**of_run, "labelled_samples": len(labelled), **training, **record})
        said = ", ".join(
            f"{task.metrics[metric].title} {value:.4f}" for metric, value in found["all"].items()
        )
        stage.log.info("labels %g %%, seed %d: %s", 100 * number.label_fraction, number.seed, said)

    write_predictions(job.target("predictions"), scorer.predictions())
    scores.write(
        job.target("score"),
        values,
        {
            "experiment": job.names["experiment"],
            "task": settings.task,
            "dataset": store.attrs["collection"],
            "method": job.names["method"],
            "modality": modality,
            "protocol": word(settings.protocol, bool(networks.groups)),
            **networks.columns(),
        },
        settings.content(),
        history=history,
        absent_classes=absent,
        samples={split: len(getattr(data, split)) for split in PARTS},
        sources=scores.sources(patches, store.attrs, encoders),
        task=settings.task,
        headline=task.headline,
        metrics={name: metric._asdict() for name, metric in task.metrics.items()},
        pretrained=settings.pretrained,
    )


def run_numbers(given: Repeats) -> list[RunNumber]:
    """All repeats of a job, the label fractions one after the other."""
    return [
        RunNumber(fraction, seed, order)
        for fraction in given.label_fractions
        for order, seed in enumerate(given.seeds)
    ]


def write_predictions(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays as a compressed npz, at once or not at all."""
    with atomic(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, **arrays)
