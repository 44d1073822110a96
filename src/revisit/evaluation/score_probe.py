"""Learn a downstream task from frozen features and test it: all repeats of a run.

Reads a collection and the features of all its samples, of one encoder for each pretraining seed
(``revisit.evaluation.embed``). Writes a folder with a score file for each repeat and, beside it, predictions
on the test split.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from revisit import parts
from revisit.errors import RevisitError
from revisit.evaluation import outcome
from revisit.evaluation.finite import check_finite
from revisit.evaluation.outcome import learned
from revisit.evaluation.probes.probe import Features, Outputs
from revisit.evaluation.protocol import Indices
from revisit.evaluation.repeats import score_file
from revisit.evaluation.task import JobSettings, RepeatedSettings, Task
from revisit.files import atomic
from revisit.job import Job
from revisit.patches.store import PatchStore
from revisit.record import read
from revisit.stage import progress

Settings = RepeatedSettings


def run(job: Job) -> None:
    """Fit and test the probe of each repeat as the job says; write scores and predictions.

    Raises RevisitError where features and collection do not belong together.
    """
    settings = read(Settings, job.settings, "probe")
    task: Task = parts.find("task", settings.task)
    kind = parts.find("probe", settings.protocol)
    probe = kind(read(kind.Settings, settings.recipe, "probe.recipe"))
    store = PatchStore(job.source("patches"))
    data = task.data(store, job.names["modality"], read(task.Slice, settings.experiment, "probe.experiment"))
    by_encoder: dict[int | None, list[JobSettings]] = defaultdict(list)
    for repeat in settings.each():
        by_encoder[repeat.pretraining_seed].append(repeat)
    encoders = zip(by_encoder.values(), job.sources("features"), job.sources("encoders"), strict=True)
    with atomic(job.target("scores")) as aside:
        for repeats, path, encoder in progress(encoders, "encoders", len(by_encoder)):
            features, columns = _features(path, store)
            for repeat in repeats:
                labelled, validating = kept = outcome.labels_kept(data, repeat)
                fitted, record = probe.fit(
                    features[labelled],
                    data.labels(labelled),
                    features[validating],
                    data.labels(validating),
                    task.agreement,
                    repeat.seed,
                )
                predict = partial(_outputs, fitted, features)
                result = outcome.Result(predict, learned(record), columns, [encoder])
                outcome.write(job, repeat, task, data, kept, result, aside / score_file(repeat.content()))


def _outputs(fitted: Callable[[Features], Outputs], features: Features, indices: Indices) -> Outputs:
    """What a fitted probe says of the samples of these indices."""
    return fitted(features[indices])


def _features(path: Path, store: PatchStore) -> tuple[Features, dict[str, Any]]:
    """The features of every sample, and the columns of the table that say whose they are."""
    with np.load(path, allow_pickle=False) as file:
        features, columns = file["features"], json.loads(str(file["columns"]))
    if features.ndim != 2 or len(features) != store.samples:
        raise RevisitError(
            f"{path}: features of shape {features.shape} are not one of each of the "
            f"{store.samples} samples of {store.path}; rerun the stage embed"
        )
    check_finite(features, np.arange(store.samples), f"{path}: features of {store.path}")
    return features, columns
