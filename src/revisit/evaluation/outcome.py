"""What all evaluation jobs share: which labels a repeat keeps, and what it leaves behind."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from revisit import stage
from revisit.evaluation.labelled import labelled_places, labelled_samples
from revisit.evaluation.protocol import Indices, Learned, Predict
from revisit.evaluation.resampling import described, resampled
from revisit.evaluation.task import Data, JobSettings, Repeat, Task
from revisit.files import atomic, write_json
from revisit.job import Job
from revisit.provenance import code_version, config_hash


class Kept(NamedTuple):
    """The training and the validation samples that keep their labels in a repeat."""

    labelled: Indices
    validating: Indices


class Result(NamedTuple):
    """What a repeat came to: how it predicts and learned, what tables say of it, files of its encoders."""

    predict: Predict
    learned: Learned
    columns: Mapping[str, Any]
    encoders: Sequence[Path]


def labels_kept(data: Data, settings: JobSettings) -> Kept:
    """The training and the validation samples that keep their labels in a repeat.

    Of few validation places those of rare classes are not chosen first: they would be the same with every
    seed, and like no test split.
    """
    whole = settings.experiment.get("validation_labels") == "all"
    replaced = settings.experiment.get("labels_drawn") == "with-replacement"
    if (share := settings.label_fraction) is not None:
        draw = _with_replacement if replaced and share < 1 else _kept
        labelled = draw(data, data.train, share, settings.seed)
    else:
        labelled, share = _counted(data, settings.label_count or 1, settings.seed)
    return Kept(labelled, _kept(data, data.val, 1.0 if whole else share, settings.seed, every_class=False))


def _counted(data: Data, count: int, seed: int) -> tuple[Indices, float]:
    """As many training samples, and the share of the training places that they are of."""
    positions = data.positions[data.train]
    chosen = labelled_samples(positions, data.shows(data.train), count, seed)
    share = len(np.unique(positions[chosen])) / len(np.unique(positions))
    return data.train[chosen], share


def _with_replacement(data: Data, indices: Indices, fraction: float, seed: int) -> Indices:
    """So many samples by chance, one that is drawn again counting again (``random_subset`` of SeCo)."""
    count = max(round(fraction * len(indices)), 1)
    return np.sort(np.random.default_rng(seed).choice(indices, count))


def _kept(data: Data, indices: Indices, fraction: float, seed: int, every_class: bool = True) -> Indices:
    if fraction == 1:
        return indices
    positions, shown = data.positions[indices], data.shows(indices)
    chosen: Indices = indices[labelled_places(positions, shown, fraction, seed, every_class)]
    return chosen


def learned(record: Mapping[str, Any]) -> Learned:
    """What a probe or floor says of its training."""
    return Learned(record.get("converged"), {key: record[key] for key in record if key != "converged"})


def write(
    job: Job,
    settings: JobSettings,
    task: Task,
    data: Data,
    kept: Kept,
    result: Result,
    score: Path,
) -> None:
    """Score what was learned on the test split; write the score file and, beside it, the predictions.

    Beside the arrays of the task, these are ``resampled`` (resample,): the headline on resampled test places.
    """
    scored, learned = task.score(data, result.predict), result.learned
    if scored.absent:
        stage.log.info("the test split does not show %s: left out of the averages", ", ".join(scored.absent))
    of_row = {key: value for key, value in settings.content().items() if key not in Repeat._fields}
    positions, where = data.positions[data.test], data.store.where()
    centres = np.stack([where["longitude"], where["latitude"]], axis=1)[data.test]
    arrays = {**scored.predictions, "resampled": resampled(positions, scored.reweighted)}
    with atomic(score.with_suffix(".npz")) as aside, aside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    collection = data.store.attrs["collection"]
    content = {
        "columns": {
            "experiment": job.names["experiment"],
            "task": settings.task,
            "dataset": collection,
            "method": job.names["method"],
            "modality": job.names["modality"],
            "protocol": job.names["protocol"],
            **result.columns,
            "converged": learned.converged,
            "config_hash": config_hash(of_row),
            "code_version": code_version(),
        },
        **{key: getattr(settings, key) for key in Repeat._fields},
        "values": [
            {"class": name, "metric": metric, "value": value}
            for name, metrics in scored.numbers.items()
            for metric, value in metrics.items()
        ],
        "samples": {
            "train": len(kept.labelled), "val": len(kept.validating), "test": len(data.test),
        },
        "test_places": described(positions, centres, collection),
        "absent_classes": scored.absent,
        "training": learned.record,
        "test": scored.record,
        "metrics": {name: metric._asdict() for name, metric in task.metrics.items()},
        "headline": task.headline,
        "pretrained": settings.pretrained,
        "settings": settings.content(),
        "sources": sources(job.source("patches"), data.store.attrs, result.encoders),
    }  # fmt: skip
    write_json(score, content)
    said = ", ".join(
        f"{task.metrics[metric].title} {value:.4f}" for metric, value in scored.numbers["all"].items()
    )
    stage.log.info("labels of %d samples, seed %d: %s", len(kept.labelled), settings.seed, said)
    if learned.converged is False:
        stage.log.warning("the training had not converged when its budget ended; tables mark it")


def sources(patches: Path, attrs: Mapping[str, Any], encoders: Sequence[Path]) -> dict[str, Any]:
    """Where a cell of the table comes from: the files to follow back, from the score to the cubes."""
    return {
        "patches": patches.as_posix(),
        "cubes": attrs.get("source_cubes", []),
        "encoders": [path.as_posix() for path in encoders],
        "cards": [path.with_name("card.json").as_posix() for path in encoders],
    }
