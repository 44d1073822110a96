"""What a pretraining run leaves beside the encoder's weights: card, log and reconstructed samples."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from revisit import provenance
from revisit.files import atomic, write_text
from revisit.methods.base import Method
from revisit.patches.store import PatchStore
from revisit.training.loop import Progress, Row
from revisit.training.monitor import Spread
from revisit.training.settings import Settings, derived_seed

FIRST, LAST = ("step", "epoch", "loss"), ("learning_rate", "feature_std", "effective_rank")


class Run(NamedTuple):
    """What distinguishes one encoder of a study from another."""

    collection: str
    method: str
    modality: str
    seed: int


def card(
    run: Run, settings: Settings, store: PatchStore, method: Method, progress: Progress, spread: Spread
) -> dict[str, Any]:
    """What the card says beside what the encoder knows itself; costs are a GPU's, 0 and None elsewhere."""
    device = next(method.parameters()).device.type
    on_gpu = device == "cuda" and progress.step > 0
    samples_seen = progress.step * settings.batch_size
    return {
        **run._asdict(),
        "method_settings": settings.content(),
        "scaling": scaling_of(store, method.encoder.bands),
        "clip_sigma": method.data.clip_sigma,
        "pooling": "mean",
        "steps": progress.step,
        "samples_seen": samples_seen,
        "collapsed": spread.collapsed,
        "feature_std": spread.feature_std,
        "effective_rank": spread.effective_rank,
        "code_version": provenance.code_version(),
        "config_hash": provenance.config_hash([*run, settings.content(), store.attrs["config_hash"]]),
        "parent_items": list(store.attrs["source_cubes"]),
        "device": device,
        "gpu_hours": progress.seconds / 3600 if on_gpu else 0.0,
        "samples_per_second": samples_seen / progress.seconds if on_gpu else None,
        "peak_memory_gb": progress.peak_memory_gb if on_gpu else None,
    }


def scaling_of(store: PatchStore, bands: Sequence[str]) -> dict[str, Any]:
    """The store's scaling of these bands, by sensor."""
    result = {}
    for sensor, scaling in store.scaling.items():
        if own := {band: scaling["bands"][band] for band in bands if band in scaling["bands"]}:
            result[sensor] = {**scaling, "bands": own}
    return result


def write_log(path: Path, rows: Sequence[Row]) -> None:
    """The log as CSV: step, epoch, loss, its parts, learning rate, spread of the features."""
    parts = [name for name in (rows[0] if rows else {}) if name not in FIRST + LAST]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIRST, *parts, *LAST], lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: value if isinstance(value, int) else f"{value:.8g}" for name, value in row.items()}
        for row in rows
    )
    write_text(path, text.getvalue())


def write_reconstruction(path: Path, method: Method, images: Tensor, seed: int) -> None:
    """``input``, ``masked`` and ``reconstruction`` of uint8 ``images``, standardised, like them in shape.

    Beside them ``bands`` and, of a series, ``times``; only these where the method reconstructs nothing.
    """
    generator = torch.Generator(images.device).manual_seed(derived_seed("reconstruction", seed))
    method.eval()
    with torch.no_grad():
        parts = method.reconstruct(images, generator) if method.trains else None
    arrays = {name: values.float().cpu().numpy() for name, values in (parts or {}).items()}
    if images.ndim == 5:
        arrays["times"] = np.array(method.data.times)
    arrays["bands"] = np.array(method.data.bands)
    with atomic(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
