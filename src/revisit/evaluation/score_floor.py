"""What a downstream task gives without any network, and what a network must beat: one repeat of a run.

Reads a collection; writes a score file and, beside it, predictions on the test split.
"""

from revisit import parts
from revisit.evaluation import outcome
from revisit.evaluation.columns import NOT_PRETRAINED
from revisit.evaluation.outcome import learned
from revisit.evaluation.task import JobSettings, Task
from revisit.job import Job
from revisit.patches.store import PatchStore
from revisit.record import read

Settings = JobSettings
COLUMNS = {"encoder": "none", **NOT_PRETRAINED}


def run(job: Job) -> None:
    """Fit the floor and test it as the job says; write score and predictions."""
    settings = read(Settings, job.settings, "floor")
    task: Task = parts.find("task", settings.task)
    floor = parts.find("floor", settings.protocol)
    store = PatchStore(job.source("patches"))
    data = task.data(store, job.names["modality"], read(task.Slice, settings.experiment, "floor.experiment"))
    labelled, validating = outcome.labels_kept(data, settings)
    predict, record = floor.fit(data, labelled, validating, task.agreement, settings.seed)
    outcome.write(
        job, settings, task, data, predict, learned(record), COLUMNS, len(labelled), len(validating)
    )
