"""Images that a trained generator makes of every sample of a collection, for methods that learn from them.

A sample is translated once, whole, and not at every step that draws it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from revisit import stage
from revisit.errors import RevisitError
from revisit.job import Job
from revisit.methods.parts.validity import holds_data
from revisit.nets.generator import Generator
from revisit.nets.load_save import load_encoder
from revisit.patches.batch import MISSING
from revisit.patches.generated import write_generated
from revisit.patches.standardise import standardise
from revisit.patches.store import PatchStore
from revisit.provenance import code_version, config_hash
from revisit.training.device import choose_device, mixed_precision, prepare

BATCH = 64
SCALE = 255  # of stored images, whose ends are a generator's -1 and 1


def run(job: Job) -> None:
    """The stage: ``patches`` (an index) and ``generator`` (an encoder that generates) to ``images``."""
    device = choose_device()
    prepare(device)
    generate(job.source("patches"), job.source("generator"), job.target("images"), device)


def generate(patches: Path, generator: Path, out: Path, device: torch.device) -> None:
    """Write what the generator makes of all samples; raises RevisitError where it does not fit them."""
    store = PatchStore(patches)
    network = load_encoder(generator, scaling=store.scaling, device=device)
    if not isinstance(network, Generator):
        raise RevisitError(f"{generator}: makes no images; name a generator, such as one of pix2pix")
    if store.attrs["time_axis"]:
        raise RevisitError(
            f"{store.path}: samples have several times; a generator makes images of pairs alone"
        )
    card = network.card or {}
    bands, clip_sigma = network.bands, float(card["clip_sigma"])

    @torch.inference_mode()
    def make(samples: NDArray[np.int64]) -> NDArray[Any]:
        parts = []
        for chosen in np.array_split(samples, -(-len(samples) // BATCH)):
            images = torch.from_numpy(store.images(chosen, bands)).to(device)
            with mixed_precision(device):
                made = network.generate(standardise(images, clip_sigma))
            scaled = (made + 1) * (SCALE / 2)
            scaled = (scaled if images.is_floating_point() else scaled.round()).to(images.dtype)
            # Nothing is made up where there was nothing to see.
            seen = holds_data(images, bands).all(1, keepdim=True)
            parts.append(scaled.where(seen, torch.full_like(scaled, MISSING)).cpu().numpy())
        return np.concatenate(parts)

    about = {
        "generator": {key: card[key] for key in ("method", "modality", "seed", "config_hash")},
        "config_hash": config_hash([store.attrs["config_hash"], card["config_hash"]]),
        "code_version": code_version(),
    }
    write_generated(out, store.attrs, network.makes, store.dates(bands)[0, :, 0], make, about)
    stage.log.info("%d images of %s", store.samples, " and ".join(network.makes))
