"""What a downstream task gives without any network, and what a network must beat: all repeats of a run.

Reads a collection; writes a folder with a score file for each repeat and, beside it, predictions on the test
split.
"""

from revisit import parts
from revisit.evaluation import outcome
from revisit.evaluation.columns import NOT_PRETRAINED
from revisit.evaluation.outcome import learned
from revisit.evaluation.repeats import score_file
from revisit.evaluation.task import RepeatedSettings, Task
from revisit.files import atomic
from revisit.job import Job
from revisit.patches.store import PatchStore
from revisit.record import read
from revisit.stage import progress

Settings = RepeatedSettings
COLUMNS = {"encoder": "none", **NOT_PRETRAINED}


def run(job: Job) -> None:
    """Fit and test the floor for each repeat as the job says; write scores and predictions."""
    settings = read(Settings, job.settings, "floor")
    task: Task = parts.find("task", settings.task)
    floor = parts.find("floor", settings.protocol)
    store = PatchStore(job.source("patches"))
    data = task.data(store, job.names["modality"], read(task.Slice, settings.experiment, "floor.experiment"))
    with atomic(job.target("scores")) as aside:
        for repeat in progress(settings.each(), "repeats"):
            kept = outcome.labels_kept(data, repeat)
            predict, record = floor.fit(data, *kept, task.agreement, repeat.seed)
            result = outcome.Result(predict, learned(record), COLUMNS, [])
            outcome.write(job, repeat, task, data, kept, result, aside / score_file(repeat.content()))
