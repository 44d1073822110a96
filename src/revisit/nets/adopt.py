"""Stage: makes an encoder of weights from elsewhere, with a card like any other.

Input ``weights``: the file. Output ``encoder``: the ``encoder.safetensors`` to write, its card beside it.
"""

from pathlib import Path
from typing import Any

from revisit.job import Job
from revisit.nets.encoder import build_encoder, save_encoder
from revisit.nets.foreign import Widen, adopt_imagenet
from revisit.provenance import code_version, config_hash
from revisit.record import Record, read


class Settings(Record):
    """What the weights are for."""

    encoder: dict[str, Any]
    """The architecture, with the bands and the side in pixels of the images it will see."""
    scaling: dict[str, dict[str, Any]]
    """How those bands are scaled to 8 bits, by sensor, as a patch store has it."""
    widen: Widen = "rgb-first"
    """How filters for red, green and blue become filters for the bands."""


def run(job: Job) -> None:
    settings = read(Settings, job.settings, "adopt")
    adopt(job.source("weights"), settings, job.target("encoder").parent)


def adopt(weights: Path, settings: Settings, out: Path) -> None:
    """Write the encoder's folder ``out``. Raises RevisitError where weights and architecture do not fit."""
    encoder = build_encoder(settings.encoder)
    adopt_imagenet(encoder, weights, settings.widen)
    made = {"code_version": code_version(), "config_hash": config_hash([settings.content(), encoder.origin])}
    save_encoder(encoder, out, {**made, "scaling": settings.scaling})
