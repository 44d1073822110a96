"""What an earlier experiment of the study has trained just so is taken from there, under its own name."""

import shutil
from pathlib import Path

from revisit import stage
from revisit.files import atomic, read_json, write_json
from revisit.job import Job

NAMES = ("experiment", "method", "modality", "protocol")


def take(job: Job, score: Path, predictions: Path, weights: Path, card: Path) -> None:
    """Write the outputs of an evaluation job as copies of these files, with the names of the job.

    The score file says in ``same_as`` whose they are.
    """
    names = {name: job.names[name] for name in NAMES}
    for source, target in ((predictions, "predictions"), (weights, "weights")):
        with atomic(job.target(target)) as aside:
            shutil.copyfile(source, aside)
    write_json(job.target("card"), read_json(card) | names)
    scored = read_json(score)
    columns = scored["columns"] | names
    write_json(job.target("score"), scored | {"columns": columns, "same_as": score.as_posix()})
    stage.log.info("the same training as %s: taken from there", score)
