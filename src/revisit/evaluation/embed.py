"""Features of every patch of a collection by one encoder, with where each patch is: for maps and own models.

Writes an .npz: ``features`` float32 (sample, feature), or (sample, time, feature) where samples have
several times; ``x`` and ``y`` (patch centre, metres) in ``epsg``, ``longitude`` and ``latitude`` (degrees),
``region``, ``split``, ``position``; ``years`` (time,), none where times are no years.
"""

from pathlib import Path

import numpy as np

from revisit import stage
from revisit.evaluation.features import Reader, features_over_time, pooled_features
from revisit.files import atomic
from revisit.job import Job
from revisit.nets.load_save import load_encoder
from revisit.patches.store import PatchStore
from revisit.training.device import choose_device, prepare


def run(job: Job) -> None:
    """The stage: ``patches`` and ``encoder`` to ``features``."""
    embed(job.source("patches"), job.source("encoder"), job.target("features"))


def embed(patches: Path, encoder: Path, out: Path) -> None:
    """Write the features of all samples; raises RevisitError where encoder and store do not fit."""
    device = choose_device()
    prepare(device)
    store = PatchStore(patches)
    network = load_encoder(encoder, scaling=store.scaling, device=device)
    samples = np.arange(store.samples)
    years = np.asarray(store.years(network.bands), dtype=np.int64)
    if store.times(network.bands):
        features = features_over_time(network, store, samples)
    else:
        features = pooled_features(network, Reader(store, network.bands, device), network.bands, samples)
    with atomic(out) as aside:
        np.savez(aside, allow_pickle=False, features=features, years=years, **store.where())
    stage.log.info("%d patches, %d features each", len(samples), features.shape[-1])
