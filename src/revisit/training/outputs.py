"""What a pretraining run leaves beside the encoder's weights: card, log and reconstructed samples."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from revisit import provenance
from revisit.files import atomic, write_text
from revisit.methods.method import Method
from revisit.methods.parts.validity import holds_data
from revisit.nets.encoder import Encoder
from revisit.patches.store import PatchStore
from revisit.record import Record
from revisit.training.loop import Progress, Row
from revisit.training.monitor import Spread
from revisit.training.settings import Training, derived_seed

# What the card says of an encoder that this one started from, and in its turn of those before.
OF_PARENT = (
    "config_hash", "collection", "modality", "weights_of", "steps", "samples", "gpu_hours",
    "cpu_hours", "parents",
)  # fmt: skip
FIRST, LAST = ("step", "epoch", "loss"), ("learning_rate", *Spread._fields)


class Settings(Record):
    """One encoder of a study: what it is made of, and what distinguishes it from the others."""

    study: str
    """Name of the study."""
    collection: str
    """Name of the collection it learns from."""
    name: str
    """Name of the entry of `pretraining.methods`."""
    title: str
    """What tables and figures call it."""
    modality: str
    """Bands it learns from, such as s1, rgb or s1+s2."""
    seed: int
    """Of first weights, order, views and everything else random."""
    parents: list[str] = []
    """Entries whose encoders it starts from, in the order of the job's inputs."""
    training: Training
    """Settings of the loop."""
    method: dict[str, Any]
    """The entry's `method`, whose name says what else it holds."""
    checkpoint: str
    """Folder for the state of training."""

    def made_of(self) -> dict[str, Any]:
        """All that decides the result."""
        own = self.content()
        return {key: value for key, value in own.items() if key not in ("checkpoint", "title")}


def card(
    settings: Settings,
    store: PatchStore,
    method: Method,
    encoder: Encoder,
    parents: Sequence[Encoder],
    progress: Progress,
    spread: Spread,
) -> dict[str, Any]:
    """What the card says beside what the encoder knows itself.

    Costs are as measured: hours of GPUs, or of CPU cores where there is none; None where no step was made.
    """
    device = next(method.parameters()).device.type
    trained, on_gpu = progress.step > 0, device == "cuda"
    hours = settings.training.gpus * progress.seconds / 3600  # of all processes
    samples_seen = progress.step * settings.training.batch_size
    return {
        "study": settings.study,
        "collection": settings.collection,
        "method": settings.name,
        "weights_of": method.weights_of,
        "title": settings.title,
        "modality": settings.modality,
        "seed": settings.seed,
        "training_settings": settings.training.content(),
        "method_settings": settings.method,
        "parents": [
            {"method": name, **{key: (parent.card or {}).get(key) for key in OF_PARENT}}
            for name, parent in zip(settings.parents, parents, strict=True)
        ],
        "regions": list(store.attrs["regions"]),
        "scaling": scaling_of(store, encoder.bands),
        "clip_sigma": method.data.clip_sigma,
        "samples": method.data.samples if trained else 0,
        "steps": progress.step,
        "samples_seen": samples_seen,
        "collapsed": spread.collapsed,
        **spread._asdict(),
        "code_version": provenance.code_version(),
        "config_hash": provenance.config_hash([settings.made_of(), store.attrs["config_hash"]]),
        "parent_items": list(store.attrs["source_cubes"]),
        "device": device,
        "gpu_hours": hours if on_gpu else 0.0,
        "cpu_hours": 0.0 if on_gpu else torch.get_num_threads() * hours,
        "samples_per_second": samples_seen / progress.seconds if trained else None,
        "peak_memory_gb": progress.peak_memory_gb if trained else None,
    }


def scaling_of(store: PatchStore, bands: Sequence[str]) -> dict[str, Any]:
    """The store's scaling of these bands, by sensor."""
    result = {}
    for sensor, scaling in store.scaling.items():
        if own := {band: scaling["bands"][band] for band in bands if band in scaling["bands"]}:
            result[sensor] = {**scaling, "bands": own}
    return result


def write_log(path: Path, rows: Sequence[Row]) -> None:
    """The log as CSV: step, epoch, loss, its parts, learning rate, spread of the features.

    Left empty are parts that the steps of a row did not have, and the spread where nobody looked.
    """
    parts = [name for name in dict.fromkeys(n for row in rows for n in row) if name not in FIRST + LAST]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIRST, *parts, *LAST], lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: value if isinstance(value, int) else f"{value:.8g}" for name, value in row.items()}
        for row in rows
    )
    write_text(path, text.getvalue())


def write_reconstruction(path: Path, method: Method, images: Tensor, seed: int) -> None:
    """``input``, ``masked`` and ``reconstruction`` of stored ``images``, standardised, like them in shape.

    Beside them ``data`` (which pixels hold any), ``bands`` and, of a series, ``times``. For a method that
    reconstructs.
    """
    generator = torch.Generator(images.device).manual_seed(derived_seed("reconstruction", seed))
    method.eval()
    with torch.no_grad():
        parts = method.reconstruct(images, generator)
    arrays = {name: values.float().cpu().numpy() for name, values in parts.items()}
    arrays["data"] = holds_data(images, method.data.bands).cpu().numpy()
    if images.ndim == 5:
        arrays["times"] = np.array(method.data.times)
    arrays["bands"] = np.array(method.data.bands)
    with atomic(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
