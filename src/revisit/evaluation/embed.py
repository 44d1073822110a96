"""Features of every patch of a collection by one encoder, with where each is: for probes, maps, own models.

Writes an .npz: ``features`` float32 (sample, feature), or (sample, time, feature) where samples have
several times; ``x`` and ``y`` (patch centre, metres) in ``epsg``, ``longitude`` and ``latitude`` (degrees),
``region``, ``split``, ``position``; ``years`` (time,), none where times are no years; ``columns`` (JSON),
what tables say of the encoder. The bands are those of the job's modality, which the encoder must know.
Its STAC Item is written beside it.
"""

import json
from pathlib import Path

import numpy as np

from revisit import stage
from revisit.evaluation.features import Reader, features_over_time, pooled_features
from revisit.evaluation.features_item import write_features_item
from revisit.evaluation.networks import encoder_columns
from revisit.files import atomic
from revisit.job import Job
from revisit.nets.load_save import load_encoder
from revisit.patches.modality import bands_of
from revisit.patches.store import PatchStore
from revisit.training.device import choose_device, prepare


def run(job: Job) -> None:
    """The stage: ``patches`` and ``encoder`` to ``features`` of the images of a modality."""
    embed(job.source("patches"), job.source("encoder"), job.names["modality"], job.target("features"))


def embed(patches: Path, encoder: Path, modality: str, out: Path) -> None:
    """Write the features of all samples; raises RevisitError where encoder and store do not fit."""
    device = choose_device()
    prepare(device)
    store = PatchStore(patches)
    bands = bands_of(modality, store.bands)
    network = load_encoder(encoder, bands=bands, scaling=store.scaling, device=device)
    samples = np.arange(store.samples)
    if store.times(bands):
        features = features_over_time(network, store, samples, bands)
    else:
        features = pooled_features(network, Reader(store, bands, device), bands, samples)
    about = {
        "years": np.asarray(store.years(bands), dtype=np.int64),
        "columns": np.array(json.dumps(encoder_columns([network.card or {}]))),
    }
    write_features_item(out, store, modality, bands, network.card or {})
    with atomic(out) as aside:
        np.savez(aside, allow_pickle=False, features=features, **about, **store.where())
    stage.log.info("%d patches, %d features each", len(samples), features.shape[-1])
