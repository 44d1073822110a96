"""Train a network on a downstream task and test it: one repeat of a run.

Reads a collection and the pretrained encoders of the row, those of one pretraining seed (one each of the
sensors of a dual network; none where the network has none). Writes a score file and, beside it, predictions
on the test split (npz; what they hold the task says); and the network itself, with its card.
"""

from typing import Any

from numpy.typing import NDArray

from revisit import parts
from revisit.evaluation import outcome
from revisit.evaluation.features import Reader, predict
from revisit.evaluation.protocol import Indices, Protocol
from revisit.evaluation.task import JobSettings, Task
from revisit.evaluation.trained_model import card_of, save_model
from revisit.job import Job
from revisit.patches.store import PatchStore
from revisit.record import read
from revisit.training.device import choose_device, prepare

Settings = JobSettings


def run(job: Job) -> None:
    """Train and test as the job says; write score, predictions and network.

    Raises RevisitError where settings, encoders and collection do not fit together.
    """
    settings = read(Settings, job.settings, "evaluate")
    task: Task = parts.find("task", settings.task)
    protocol: type[Protocol] = parts.find("protocol", settings.protocol)
    recipe = read(protocol.Settings, settings.recipe, "evaluate.recipe")
    encoders, modality = job.sources("encoders"), job.names["modality"]
    device = choose_device()
    prepare(device)
    store = PatchStore(job.source("patches"))
    data = task.data(store, modality, read(task.Slice, settings.experiment, "evaluate.experiment"))
    networks = task.networks(store, modality, len(data.classes), encoders, settings.entry, device)
    images = Reader(store, data.bands, device, data.time)
    learning = protocol(task, data, images, networks, recipe)
    kept = outcome.labels_kept(data, settings)
    network, learned = learning.train(*kept, settings.seed)

    def outputs(indices: Indices) -> NDArray[Any]:
        return task.predicted(predict(network, images, indices))

    result = outcome.Result(outputs, learned, networks.columns(), encoders)
    outcome.write(job, settings, task, data, kept, result, job.target("score"))
    validation = task.validation(data, kept.validating, outputs)
    card = card_of(job, settings, task, data, networks, validation)
    save_model(network, job.target("weights").parent, card)
