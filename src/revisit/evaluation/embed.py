"""Features of every patch of a store by one encoder, with where each patch is: for maps and own models.

Writes an .npz: ``features`` float32 (sample, feature) for pairs or (sample, year, feature) for a yearly
store, ``x`` and ``y`` (patch centre, metres) in ``epsg``, ``region``, ``split``, ``position``; ``years``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from revisit import stage
from revisit.evaluation.features import Reader, pooled_features, yearly_features
from revisit.files import atomic
from revisit.nets.encoder import load_encoder
from revisit.patches.store import PatchStore
from revisit.training.device import choose_device, prepare


def embed(patches: Path, encoder: Path, out: Path) -> None:
    """Write the features of all samples; raises RevisitError where encoder and store do not fit."""
    device = choose_device()
    prepare(device)
    store = PatchStore(patches)
    network = load_encoder(encoder, scaling=store.scaling, device=device)
    samples = np.arange(store.samples)
    years = np.asarray(store.years(network.bands), dtype=np.int64)
    if len(years):
        features = yearly_features(network, store, samples)
    else:
        features = pooled_features(network, Reader(store, network.bands, device), network.bands, samples)
    with atomic(out) as aside:
        np.savez(aside, allow_pickle=False, features=features, years=years, **store.where())
    stage.log.info("%d patches, %d features each", len(samples), features.shape[-1])


def build_from_arguments(arguments: argparse.Namespace) -> None:
    embed(arguments.patches, arguments.encoder, arguments.out)


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--patches", type=Path, required=True, help="patch store")
    parser.add_argument("--encoder", type=Path, required=True, help="encoder.safetensors")
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    return stage.main(build_from_arguments, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
