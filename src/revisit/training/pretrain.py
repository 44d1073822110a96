"""Pretrain one method on one modality of a collection with one seed, and write the encoder with its card.

A run that was interrupted goes on from its checkpoint if settings, code and data are still the same.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from revisit import code_digests, parts, provenance, stage
from revisit.errors import RevisitError
from revisit.files import write_rows
from revisit.job import Job
from revisit.methods.method import DataDescription, Method, build_method
from revisit.methods.parts import ranks
from revisit.methods.trial import check_parents
from revisit.nets.encoder import Encoder
from revisit.nets.load_save import architecture_modules, load_encoder, save_encoder
from revisit.patches.modality import bands_of
from revisit.patches.store import PatchStore
from revisit.record import read
from revisit.training import distributed
from revisit.training.batches import batches
from revisit.training.checkpoint import Checkpoint
from revisit.training.device import choose_device, prepare
from revisit.training.loop import Progress, Row, Trainer
from revisit.training.monitor import Monitor, Spread
from revisit.training.optimiser import Course
from revisit.training.outputs import Settings, card, scaling_of, write_log, write_reconstruction
from revisit.training.settings import derived_seed

SHOWN = 8  # samples reconstructed for the report


def run(job: Job) -> None:
    """The stage: ``patches`` (an index) and encoders of ``parents`` to ``encoder``, ``card``, ``history``.

    And to ``reconstruction`` where the method reconstructs. ``generated``: the images that a parent made of
    the samples, for a method that learns from them. TensorBoard finds the log in ``tensorboard/`` beside the
    encoder, which holds the other encoders of a method that leaves several in folders of theirs, and the
    tables of one that leaves any (`changes.csv`).
    """
    settings = read(Settings, job.settings, "pretrain")
    if settings.training.gpus > 1 and not distributed.launched():
        distributed.launch(job, settings.training.gpus)
        return
    with distributed.group() as number:
        pretrain(job, settings, choose_device(number))


def pretrain(job: Job, settings: Settings, device: torch.device) -> None:
    """Pretrain on ``device``, together with the other processes where there are some.

    Raises RevisitError where settings and data do not fit, on a loss not finite, and when interrupted.
    """
    training, lead = settings.training, ranks.rank() == 0
    prepare(device, training.threads)
    store = PatchStore(job.source("patches"), generated=next(iter(job.sources("generated")), None))
    if store.attrs["study"] != settings.study:
        raise RevisitError(
            f"{store.path}: was made for the study {store.attrs['study']!r}, this is {settings.study!r}; "
            "give each study a name and folder of its own"
        )
    data = describe(store, bands_of(settings.modality, store.bands))
    torch.manual_seed(derived_seed("weights", settings.seed))
    method = build_method(settings.method, data).to(device)
    check_parents(method.needs_parents, len(settings.parents), settings.name)
    parents = [load_encoder(path, device=device) for path in job.sources("parents")]
    _check_generator(store, parents)
    method.start_from(parents)
    if training.channels_last:
        method = method.to(memory_format=torch.channels_last)
    if training.gpus > 1:
        distributed.synchronise(method, device)
    modules = [parts.module_of("method", method.name), *architecture_modules(settings.method["encoder"])]
    identity = {
        "settings": provenance.config_hash(settings.made_of()),
        "code": provenance.config_hash(code_digests.code("revisit.training.pretrain", *modules)),
        "data": provenance.config_hash([store.attrs, [parent.card for parent in parents]]),
    }
    folder = Path(settings.checkpoint)
    with Checkpoint(folder, identity, training.checkpoint_minutes, lead=lead) as saved:
        board = job.target("encoder").parent / "tensorboard"
        progress, spread = train(method, store, settings, saved, board)
        if lead:
            write(job, settings, store, method, parents, progress, spread)
        saved.remove()
    if lead and spread.collapsed:
        stage.log.info(
            f"the features collapsed: cosine {spread.cosine_between:.4f} between places and "
            f"{spread.cosine_within:.4f} within, effective rank {spread.effective_rank:.3g}"
        )


def write(
    job: Job,
    settings: Settings,
    store: PatchStore,
    method: Method,
    parents: Sequence[Encoder],
    progress: Progress,
    spread: Spread,
) -> None:
    """Write all outputs of the job, the encoder last."""
    if "reconstruction" in job.output and method.reconstructs:
        shown = held_out(store, method, SHOWN, None if method.needs_series else 0)
        write_reconstruction(job.target("reconstruction"), method, shown, settings.seed)
    write_log(job.target("history"), progress.rows)
    folder = job.target("encoder").parent
    for name, rows in method.tables(store).items():
        write_rows(folder / f"{name}.csv", rows)
    for name, encoder in method.encoders().items():
        save_encoder(
            encoder, folder / name, card(settings, store, method, encoder, parents, progress, spread)
        )


def train(
    method: Method, store: PatchStore, settings: Settings, checkpoint: Checkpoint, board: Path
) -> tuple[Progress, Spread]:
    """Train ``method`` where it lies; returns how it went and the final spread of the features.

    ``board``: folder for TensorBoard, written anew.
    """
    device, training = next(method.parameters()).device, settings.training
    look = Monitor(method, store, training)
    if method.baseline:
        return Progress(), look()
    indices = seen(store, "train", method.data.bands)
    steps, epoch_steps = training.steps_for(len(indices))
    stage.log.info(
        f"{sum(p.numel() for p in method.parameters()):,} parameters, {len(indices):,} samples, "
        f"{steps:,} steps of {training.batch_size}, on {training.gpus} × {device.type}"
    )
    draw = batches(
        store,
        method.drawn,
        indices,
        training.batch_size,
        settings.seed,
        steps,
        series=method.needs_series,
        pin=device.type == "cuda",
    )
    course = Course(steps, epoch_steps, device)
    # Only training needs it, and it takes its time to load.
    from revisit.training.events import Board

    with Board(board) if ranks.rank() == 0 else nullcontext() as events:

        def to_board(row: Row) -> None:
            if events is not None:
                events.add(row)

        apart = look.rows_apart((training.monitor_every or epoch_steps) * training.batch_size)
        trainer = Trainer(method, training, settings.seed, course, look, store, to_board, apart)
        return trainer.run(draw, checkpoint), trainer.spread or look()


def describe(store: PatchStore, bands: Sequence[str]) -> DataDescription:
    """What the method must know of the images; raises RevisitError when they cannot be one modality."""
    held = [band for names in store.bands.values() for band in names]
    if missing := [band for band in bands if band not in held]:
        raise RevisitError(f"{store.path}: has no bands {missing}; it has {held}")
    clips = {scaling["clip_sigma"] for scaling in scaling_of(store, bands).values()}
    if len(clips) > 1:
        raise RevisitError(
            f"{store.path}: the sensors' clip_sigma differ ({sorted(clips)}); scale them alike"
        )
    times = store.years(bands)
    if store.attrs["years"] and not times:
        raise RevisitError(
            f"{store.path}: the sensors of {list(bands)} have no year in common; search alike years"
        )
    return DataDescription(
        tuple(bands),
        store.patch_pixels,
        float(clips.pop()),
        store.kind,
        times,
        len(seen(store, "train", bands)),
        int(np.max(store.positions, initial=-1)) + 1,
        scaling_of(store, bands),
    )


def seen(store: PatchStore, part: str, bands: Sequence[str]) -> NDArray[np.int64]:
    """The samples of a part that have an image of these bands at all: of others there is nothing to learn."""
    indices, present = store.indices(part), store.present(bands)
    return indices[present.reshape(len(present), -1).any(1)[indices]]


def held_out(store: PatchStore, method: Method, count: int, time: int | None) -> Tensor:
    """Up to ``count`` validation images, evenly from all (training ones where there are none), on its device.

    ``time``: one of several, or None for all. Images are cut to the size the encoder was made for.
    """
    indices = seen(store, "val", method.data.bands)
    if not len(indices):
        indices = seen(store, "train", method.data.bands)
    chosen = indices[np.unique(np.linspace(0, len(indices) - 1, count).round().astype(int))]
    side, device = method.crop_pixels, next(method.parameters()).device
    return torch.from_numpy(store.images(chosen, method.data.bands, time)[..., :side, :side]).to(device)


def _check_generator(store: PatchStore, parents: Sequence[Encoder]) -> None:
    """Raise RevisitError where generated images are not those of a parent."""
    made_by = [(parent.card or {}).get("config_hash") for parent in parents]
    if store.generator is not None and store.generator["config_hash"] not in made_by:
        raise RevisitError(
            f"{store.generated}: made by another generator than the parents of this run; run the stage "
            "generate again"
        )
