"""Learn a downstream task from frozen features and test it: one repeat of a run.

Reads a collection and the features of all its samples by one encoder (``revisit.evaluation.embed``).
Writes a score file and, beside it, predictions on the test split.
"""

import json

import numpy as np

from revisit import parts
from revisit.errors import RevisitError
from revisit.evaluation import outcome
from revisit.evaluation.finite import check_finite
from revisit.evaluation.outcome import learned
from revisit.evaluation.task import JobSettings, Task
from revisit.job import Job
from revisit.patches.store import PatchStore
from revisit.record import read

Settings = JobSettings


def run(job: Job) -> None:
    """Fit the probe and test it as the job says; write score and predictions.

    Raises RevisitError where features and collection do not belong together.
    """
    settings = read(Settings, job.settings, "probe")
    task: Task = parts.find("task", settings.task)
    kind = parts.find("probe", settings.protocol)
    probe = kind(read(kind.Settings, settings.recipe, "probe.recipe"))
    store = PatchStore(job.source("patches"))
    data = task.data(store, job.names["modality"], read(task.Slice, settings.experiment, "probe.experiment"))
    with np.load(job.source("features"), allow_pickle=False) as file:
        features, columns = file["features"], json.loads(str(file["columns"]))
    if features.ndim != 2 or len(features) != store.samples:
        raise RevisitError(
            f"{job.source('features')}: features of shape {features.shape} are not one of each of the "
            f"{store.samples} samples of {store.path}; rerun the stage embed"
        )
    check_finite(features, np.arange(store.samples), f"{job.source('features')}: features of {store.path}")
    labelled, validating = outcome.labels_kept(data, settings)
    fitted, record = probe.fit(
        features[labelled],
        data.labels(labelled),
        features[validating],
        data.labels(validating),
        task.agreement,
        settings.seed,
    )

    outcome.write(
        *(job, settings, task, data, lambda indices: fitted(features[indices]), learned(record), columns),
        *(len(labelled), len(validating)),
    )
