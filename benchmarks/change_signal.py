"""What of two eras tells that a place has changed: an encoder's features, their noise, or the pixels alone?

    python benchmarks/change_signal.py results/contrast-small --method caco caco-aligned

Reads a finished study: its encoders, its places with the truth of what changed (`changes/`), its collection
of series. An estimate of CACo is of one pair of dates, each cropped by chance, by the features of a head;
here the same distances are taken with less noise, step by step:

    one crop     a random crop of one image of each era, features of the encoder
    one image    the whole of one image of each era
    like season  the same, the two images nearest in season
    mean         of all pairs of images of two eras
    centres      between the mean features of the eras
    ratio        of `mean` to the mean of all pairs within the eras

and beside them, without a network, the distance between the mean images of the eras, of bands (their means)
and of pixels. Prints areas under ROC curves in per cent, over seeds: of places that changed in 10 % of their
pixels or more, and of those of them that changed in 30 % or more, against all that changed in less than 10 %.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from revisit.cube.labels.change import CHANGED_SHARE
from revisit.evaluation.features import Reader, features_over_time
from revisit.evaluation.intervals import interval
from revisit.methods.parts.augmentation import Augmentation, resized_crop
from revisit.methods.parts.times import YEAR, Eras
from revisit.nets.encoder import Encoder
from revisit.nets.load_save import load_encoder
from revisit.patches.batch import NO_DATE
from revisit.patches.modality import bands_of
from revisit.patches.store import PatchStore

MUCH = 0.3  # of the pixels

Array = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the folder of the study")
    parser.add_argument("--collection", default="series")
    parser.add_argument("--method", nargs="+", default=["caco"])
    parser.add_argument("--modality", default="rgb")
    parser.add_argument("--gap-years", type=float, default=2.0, help="as of the study's entries")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    store = PatchStore(arguments.results / "patches" / arguments.collection)
    bands = bands_of(arguments.modality, store.bands)
    print(f"| features | estimate | {CHANGED_SHARE:.0%} or more | {MUCH:.0%} or more |")
    print("| --- | --- | --- | --- |")
    for method in arguments.method:
        tables = arguments.results / "changes" / arguments.collection / method / arguments.modality
        paths = sorted(tables.glob("seed*.csv"))
        if not paths:
            sys.exit(
                f"{tables}: no seed*.csv, in which the truth of what changed stands; run the study first"
            )
        found: dict[str, dict[int, list[float]]] = {}
        for path in paths:
            places = Places(store, path, bands, arguments.gap_years)
            seed = int(path.stem.removeprefix("seed"))
            folder = arguments.results / "encoders" / arguments.collection / method / arguments.modality
            encoder = load_encoder(
                folder / path.stem / "encoder.safetensors",
                bands=bands,
                scaling=store.scaling,
                device=torch.device("cpu"),
            )
            for name, values in estimates(encoder, places, bands, seed):
                found.setdefault(name, {})[seed] = places.areas(values)
        for name, areas in found.items():
            print(f"| {method} | {name} | " + " | ".join(told(areas, column) for column in (0, 1)) + " |")
    places = Places(store, paths[0], bands, arguments.gap_years)
    changed = [int((places.share >= least).sum()) for least in (CHANGED_SHARE, MUCH)]
    print(f"{len(places.share)} places, of which {changed[0]} and {changed[1]} changed")
    for name, values in of_pixels(places, bands):
        print(f"| none | {name} | " + " | ".join(f"{100 * area:.1f}" for area in places.areas(values)) + " |")


def told(areas: dict[int, list[float]], column: int) -> str:
    """Mean over seeds with its interval, in per cent."""
    values = {seed: 100 * own[column] for seed, own in areas.items()}
    if len(values) < 2:
        return f"{next(iter(values.values())):.1f}"
    mean, low, high = interval(values, {seed: seed for seed in values}, 0, 100)
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


class Places:
    """Places with two eras of two dates or more, whose change is known: sample, dates, share that changed."""

    def __init__(self, store: PatchStore, path: Path, bands: tuple[str, ...], gap_years: float) -> None:
        with path.open(newline="", encoding="utf-8") as file:
            share = {int(row["place"]): row["changed_share"] for row in csv.DictReader(file)}
        train = store.indices("train")
        known = np.array([bool(share.get(int(place))) for place in store.positions[train]])
        dates = torch.from_numpy(store.dates(bands)[0][train])
        members = Eras(gap_years=gap_years).members(dates, dates != NO_DATE)[0].numpy()
        known &= members.sum(2).min(1) > 1  # two dates of each era, to see how these differ
        self.store, self.samples = store, train[known]
        self.dates, self.members = dates.numpy()[known], members[known]  # [N, T], bool [N, 2, T]
        self.share = np.array([float(share[int(place)]) for place in store.positions[self.samples]])

    def areas(self, values: Array) -> list[float]:
        """The area under the ROC curve of an estimate, for all changed places and for the much changed."""
        changed = self.share >= CHANGED_SHARE
        areas = []
        for least in (CHANGED_SHARE, MUCH):
            chosen = ~changed | (self.share >= least)
            areas.append(float(roc_auc_score(changed[chosen], values[chosen])))
        return areas


def estimates(
    encoder: Encoder, places: Places, bands: tuple[str, ...], seed: int
) -> Iterator[tuple[str, Array]]:
    """Each estimate's name and values (place,), by an encoder."""
    random = np.random.default_rng(seed)
    features = unit(features_over_time(encoder, places.store, places.samples, bands))
    rows = np.arange(len(features))
    earlier = np.where(places.members[:, 0], random.random(places.dates.shape), -1).argmax(1)
    later = np.where(places.members[:, 1], random.random(places.dates.shape), -1).argmax(1)
    crops = [cropped(encoder, places, bands, slots, seed) for slots in (earlier, later)]
    yield "one crop", np.linalg.norm(crops[0] - crops[1], axis=1)
    yield "one image", np.linalg.norm(features[rows, earlier] - features[rows, later], axis=1)
    apart = np.linalg.norm(features[:, :, None] - features[:, None], axis=-1)  # [N, T, T]
    between = places.members[:, 0, :, None] & places.members[:, 1, None]
    within = (places.members[:, :, :, None] & places.members[:, :, None]).any(1)
    within &= ~np.eye(places.dates.shape[1], dtype=bool)
    phase = (places.dates % YEAR) / YEAR
    seasons = np.abs(phase[:, :, None] - phase[:, None])
    seasons = np.where(between, np.minimum(seasons, 1 - seasons), np.inf)
    yield "like season", apart.reshape(len(apart), -1)[rows, seasons.reshape(len(apart), -1).argmin(1)]
    yield "mean", mean(apart, between)
    centres = [
        mean(features, places.members[:, era, :, None].repeat(features.shape[2], 2), 1) for era in (0, 1)
    ]
    yield "centres", np.linalg.norm(centres[0] - centres[1], axis=1)
    yield "ratio", mean(apart, between) / mean(apart, within)


def of_pixels(places: Places, bands: tuple[str, ...]) -> Iterator[tuple[str, Array]]:
    """The same without a network, of the mean images of the eras."""
    images = Reader(places.store, bands, torch.device("cpu"))(places.samples).numpy()
    eras = [
        mean(images, np.broadcast_to(places.members[:, era, :, None, None, None], images.shape), 1)
        for era in (0, 1)
    ]
    apart = eras[0] - eras[1]
    yield "bands", np.linalg.norm(apart.mean((2, 3)), axis=1)
    yield "pixels", np.sqrt((apart**2).mean((1, 2, 3)))


def cropped(
    encoder: Encoder, places: Places, bands: tuple[str, ...], slots: NDArray[np.int64], seed: int
) -> Array:
    """Features of a random crop of one image of each place, as in training."""
    images = Reader(places.store, bands, torch.device("cpu"))(places.samples)[np.arange(len(slots)), slots]
    generator = torch.Generator().manual_seed(seed)
    crops = resized_crop(images, images.shape[-1], Augmentation().scale, generator, flips=False)
    encoder.eval()
    with torch.inference_mode():
        return unit(torch.cat([encoder.pooled(part, bands) for part in crops.split(256)]).numpy())


def unit(features: NDArray[np.float32]) -> Array:
    """Features (..., dim) of length one."""
    wide = features.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=-1, keepdims=True)


def mean(values: Array, chosen: NDArray[np.bool_], axis: int | tuple[int, ...] = (1, 2)) -> Array:
    """The mean of what is chosen along ``axis``."""
    result: Array = np.where(chosen, values, 0).sum(axis) / np.maximum(chosen.sum(axis), 1)
    return result


if __name__ == "__main__":
    main()
