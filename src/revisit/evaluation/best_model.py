"""Choose the best of several trained models: the one that agreed best with the labels of validation.

The test split has no say, so its scores stay those of a model that was not chosen by them.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from revisit import stage
from revisit.errors import RevisitError
from revisit.files import atomic, read_json, write_json
from revisit.job import Job

OF_RIVAL = ("method", "modality", "protocol", "label_fraction", "seed", "validation")


def run(job: Job) -> None:
    """Copy the best of the models ``weights`` and ``cards``, which are in the same order."""
    choose(job.sources("weights"), job.sources("cards"), job.target("weights"), job.target("card"))


def choose(weights: Sequence[Path], cards: Sequence[Path], weights_out: Path, card_out: Path) -> None:
    """Copy the model with the best validation score, of equal ones the first.

    Its card says what it was ``chosen_from``: of every rival ``OF_RIVAL``, in order. Raises RevisitError
    where the models were validated on different metrics or tell different classes apart.
    """
    about = [read_json(path) for path in cards]
    rivals: list[dict[str, Any]] = []
    for path, card in zip(cards, about, strict=True):
        for key in ("metric", "classes"):
            if card[key] != about[0][key]:
                raise RevisitError(f"{path}: its {key} are not those of {cards[0]}; evaluate both again")
        # Those that were chosen already count with all that they were chosen from.
        rivals += card.get("chosen_from") or [{key: card[key] for key in OF_RIVAL}]
    best = max(range(len(about)), key=lambda number: about[number]["validation"])
    with atomic(weights_out) as aside:
        shutil.copyfile(weights[best], aside)
    write_json(card_out, {**about[best], "chosen_from": rivals})
    chosen = about[best]
    stage.log.info(
        "%s on %s, seed %d: validation %s %.4f, the best of %d",
        chosen["method"], chosen["modality"], chosen["seed"],
        chosen["metric"], chosen["validation"], len(rivals),
    )  # fmt: skip
