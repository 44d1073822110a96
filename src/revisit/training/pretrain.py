"""Pretrain one method on one modality of a patch store with one seed, and write the encoder with its card.

A run that was interrupted goes on from its checkpoint if settings, code and data are still the same.
Settings: those of ``revisit.training.settings``.
"""

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from revisit import provenance, stage
from revisit.errors import RevisitError
from revisit.files import remove
from revisit.methods.base import DataDescription, Method, check_keys
from revisit.nets.encoder import save_encoder
from revisit.patches.modality import bands_of
from revisit.patches.store import PatchStore
from revisit.training.batches import batches
from revisit.training.checkpoint import Checkpoint
from revisit.training.device import choose_device, prepare
from revisit.training.loop import Progress, Row, Trainer
from revisit.training.monitor import Spread, encoder_spread
from revisit.training.outputs import Run, card, scaling_of, write_log, write_reconstruction
from revisit.training.settings import Settings, derived_seed

LOOKED_AT = 64  # images whose features are watched
SHOWN = 8  # samples reconstructed for the report


def pretrain(run: Run, patches: Path, given: Mapping[str, Any], checkpoint: Path, out: Path) -> None:
    """Pretrain; write ``out`` (encoder.safetensors), beside it card, log, reconstruction and tensorboard/.

    Raises RevisitError where settings and data do not fit, on a loss not finite, and when interrupted.
    """
    settings = Settings.read(given)
    device = choose_device()
    prepare(device, settings.threads)
    store = PatchStore(patches)
    # Through importlib, so that a new line in the registry does not rerun every method.
    registry = import_module("revisit.methods.registry")
    torch.manual_seed(derived_seed("weights", run.seed))
    description = describe(store, bands_of(run.modality, store.bands))
    method: Method = registry.build(run.method, settings.method, description).to(device)
    check_keys(settings.method, method.keys, f"pretraining {run.method}: method")
    modules = registry.modules(run.method, settings.method)
    identity = {
        "settings": provenance.config_hash([*run, settings.content()]),
        "code": provenance.config_hash(provenance.code("revisit.training.pretrain", *modules)),
        "data": provenance.config_hash(dict(store.attrs)),
    }
    with Checkpoint(checkpoint, identity, settings.checkpoint_minutes) as saved:
        progress, spread = train(method, store, settings, run.seed, saved, out.parent / "tensorboard")
        shown = held_out(store, method, SHOWN, None if method.needs_series else 0)
        write_reconstruction(out.parent / "reconstruction.npz", method, shown, run.seed)
        write_log(out.parent / "log.csv", progress.rows)
        save_encoder(method.encoder, out.parent, card(run, settings, store, method, progress, spread))
        saved.remove()
    if spread.collapsed:
        stage.log.info("the features collapsed: standard deviation %.3g, effective rank %.3g", *spread)


def train(
    method: Method, store: PatchStore, settings: Settings, seed: int, checkpoint: Checkpoint, board: Path
) -> tuple[Progress, Spread]:
    """Train ``method`` where it lies; returns how it went and the final spread of the features.

    ``board``: folder for TensorBoard, written anew.
    """
    device = next(method.parameters()).device
    watched = held_out(store, method, LOOKED_AT, time=0)

    def look() -> Spread:
        return encoder_spread(method.encoder, method.standardised(watched), method.data.bands)

    remove(board)
    if not method.trains:
        return Progress(), look()
    if method.needs_series and store.kind != "yearly":
        raise RevisitError("pretraining: this method learns from series of years; use a yearly collection")
    indices = store.indices("train")
    steps, epoch_steps = settings.steps_for(len(indices))
    stage.log.info(
        f"{sum(p.numel() for p in method.parameters()):,} parameters, {len(indices):,} samples, "
        f"{steps:,} steps of {settings.batch_size}, on {device.type}"
    )
    draw = batches(
        store,
        method.data.bands,
        indices,
        settings.batch_size,
        seed,
        steps,
        series=method.needs_series,
        pin=device.type == "cuda",
    )
    with SummaryWriter(str(board)) as writer:

        def to_board(row: Row) -> None:
            for name, value in row.items():
                writer.add_scalar(name, value, int(row["step"]))

        trainer = Trainer(method, settings, seed, steps, epoch_steps, device, look, to_board)
        return trainer.run(draw, checkpoint), look()


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
    if store.kind == "yearly" and not times:
        raise RevisitError(f"{store.path}: the sensors of {list(bands)} have no year in common")
    kind: Literal["pairs", "yearly"] = "yearly" if store.kind == "yearly" else "pairs"
    return DataDescription(tuple(bands), store.patch_pixels, float(clips.pop()), kind, times)


def held_out(store: PatchStore, method: Method, count: int, time: int | None) -> Tensor:
    """Up to ``count`` validation images, evenly from all (training ones where there are none), on its device.

    ``time``: one year, or None for all. Images are cut to the size the encoder was made for.
    """
    indices = store.indices("val")
    if not len(indices):
        indices = store.indices("train")
    chosen = indices[np.unique(np.linspace(0, len(indices) - 1, count).round().astype(int))]
    side, device = method.encoder.image_pixels, next(method.parameters()).device
    return torch.from_numpy(store.images(chosen, method.data.bands, time)[..., :side, :side]).to(device)


def build_from_arguments(arguments: argparse.Namespace) -> None:
    run = Run(arguments.collection, arguments.method, arguments.modality, arguments.seed)
    pretrain(run, arguments.patches, arguments.settings, arguments.checkpoint, arguments.out)


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--patches", type=Path, required=True, help="the patch store")
    parser.add_argument("--collection", required=True, help="its name, for the card")
    parser.add_argument("--method", required=True, help="as `revisit methods` lists them")
    parser.add_argument("--modality", required=True, help="such as s1, rgb or s1+s2")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder for the training's state")
    parser.add_argument("--out", type=Path, required=True, help="the encoder.safetensors to write")
    return stage.main(build_from_arguments, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
