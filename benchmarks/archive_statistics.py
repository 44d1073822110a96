"""How hard the tasks of the simulated Earth are, and how long it takes to make.

    python benchmarks/archive_statistics.py FOLDER [--places 1] [--network 900]

Makes one year (3 Sentinel-1 and 5 Sentinel-2 dates) of 5 × 5 km of every biome in FOLDER, keeps what is there
already, and prints

- the CPU seconds that a region takes;
- scenes: micro mAP of the classes of 32 × 32 patches from one date of each sensor: of knowing the region,
  and of a logistic regression on each band's mean, deviation and quantiles;
- land cover: mIoU of the four merged classes from yearly composites: of the truth (the map errs at borders),
  of a pixel model of 32 units on the value and the means and deviations of 3 × 3 and 7 × 7 boxes, and with
  ``--network`` of a U-Net of width 16 from scratch, after so many steps of 8 tiles of 64 × 64.

Every third block of 128 × 128 pixels is test ground. Nothing is co-registered; products are displaced by 0.2
pixels.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from revisit.archive.biomes import BIOMES
from revisit.archive.kinds import BANDS, CLASSES
from revisit.archive.make import Settings, build
from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.metrics import ConfusionMatrix
from revisit.evaluation.tasks.landcover import CLASSES as MERGED
from revisit.evaluation.tasks.landcover import Legend
from revisit.files import read_json
from revisit.nets.segmentation.unet import UNet
from revisit.record import read

SOUTH, WEST = 48.4, 2.6  # of the first region, degrees; the others lie a degree apart
OPTICAL = [name for name, band in BANDS.items() if band[3] < 60]
MARGIN, PATCH, TILE, BLOCK = 16, 32, 64, 128
SCENES_PER_PLACE = 3
INPUTS = {"s1": [0, 1], "rgb": [2, 3, 4], "s1+rgb": [0, 1, 2, 3, 4]}
Image = NDArray[np.float32]


@dataclass
class Ground:
    """A region: ``radar`` (date, 2, y, x) in dB, ``optics`` (date, 10, y, x), codes, test ground (y, x)."""

    radar: Image
    radar_days: NDArray[np.datetime64]
    optics: Image
    clear: NDArray[np.bool_]
    optical_days: NDArray[np.datetime64]
    labels: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    test: NDArray[np.bool_]


def make(folder: Path, biome: str, place: int) -> tuple[Path, float]:
    """Make a region where it is not there yet; returns its folder and the seconds that took."""
    west, south = WEST + list(BIOMES).index(biome), SOUTH + place
    settings = {
        "seed": 1,
        "bbox": [west, south, round(west + 0.0678, 4), round(south + 0.045, 4)],
        "biome": biome,
        "years": {"sentinel-1": [2020], "sentinel-2": [2020], "worldcover": [2020]},
        "dates_per_year": {"sentinel-1": 3, "sentinel-2": 5},
        "displacement_pixels": 0.2,
        "reprocessed": 0,
    }
    out, start = folder / f"{biome}-{place}", time.process_time()
    if not out.exists():
        folder.mkdir(parents=True, exist_ok=True)
        build(out.name, read(Settings, settings, "archive"), out)
    return out, time.process_time() - start


def load(folder: Path, seed: int) -> Ground:
    """Read a region back as its users see it."""

    def pixels(item: dict, asset: str) -> np.ndarray:
        with rasterio.open(folder / item["assets"][asset]["href"]) as file:
            return file.read(1)

    items = read_json(folder / "items.json")["features"]
    of = {
        name: [item for item in items if item["collection"] == name]
        for name in {i["collection"] for i in items}
    }
    days = {
        name: np.array([item["properties"]["datetime"][:10] for item in of[name]], "datetime64[D]")
        for name in ("sentinel-1-rtc", "sentinel-2-l2a")
    }
    optics, clear = [], []
    for item in of["sentinel-2-l2a"]:
        scl = pixels(item, "scl").repeat(2, 0).repeat(2, 1)
        bands = [
            pixels(item, name) * 1e-4 + item["assets"][name]["raster:bands"][0]["offset"] for name in OPTICAL
        ]
        optics.append([band.repeat(n := scl.shape[0] // band.shape[0], 0).repeat(n, 1) for band in bands])
        clear.append(np.isin(scl, (4, 5, 6, 7)))
    radar = np.array([[pixels(item, name) for name in ("vv", "vh")] for item in of["sentinel-1-rtc"]])
    (true,), (mapped,) = of["land-cover-truth"], of["esa-worldcover"]
    with (
        rasterio.open(folder / true["assets"]["map"]["href"]) as file,
        rasterio.open(folder / mapped["assets"]["map"]["href"]) as source,
    ):
        truth, labels = file.read(1), np.zeros(file.shape, np.uint8)
        grid = {"dst_transform": file.transform, "dst_crs": file.crs, "resampling": Resampling.nearest}
        reproject(rasterio.band(source, 1), labels, **grid)
    here = tuple(slice(MARGIN, MARGIN + (side - 2 * MARGIN) // TILE * TILE) for side in truth.shape)
    rows, columns = truth[here].shape
    blocks = -(-rows // BLOCK), -(-columns // BLOCK)
    test = np.random.default_rng(seed).permutation(np.arange(blocks[0] * blocks[1]) % 3 == 0).reshape(blocks)
    decibel = 10 * np.log10(np.maximum(radar, 1e-5))
    return Ground(
        np.where(radar < 0, np.nan, decibel)[..., *here].astype(np.float32),
        days["sentinel-1-rtc"],
        np.array(optics, np.float32)[..., *here],
        np.array(clear)[..., *here],
        days["sentinel-2-l2a"],
        labels[here],
        truth[here],
        test.repeat(BLOCK, 0).repeat(BLOCK, 1)[:rows, :columns],
    )


def scenes(grounds: list[Ground]) -> None:
    """Print what regions and the statistics of bands alone tell of scenes."""
    features, targets, regions, tests = [], [], [], []
    for number, ground in enumerate(grounds):
        apart = np.abs(ground.optical_days[:, None] - ground.radar_days)
        for y in range(0, ground.labels.shape[0], PATCH):
            for x in range(0, ground.labels.shape[1], PATCH):
                here = (..., slice(y, y + PATCH), slice(x, x + PATCH))
                codes = ground.labels[here]
                clear = np.flatnonzero(ground.clear[here].mean((1, 2)) >= 0.95)
                for date in clear[:SCENES_PER_PLACE]:
                    partner = ground.radar[apart[date].argmin()][here]
                    if np.isnan(partner).any():
                        continue
                    bands = np.concatenate([partner, ground.optics[date][here]]).reshape(2 + len(OPTICAL), -1)
                    quantiles = np.quantile(bands, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)
                    features.append(np.stack([bands.mean(1), bands.std(1), *quantiles]))
                    targets.append([np.mean(codes == code) >= 0.1 for code in CLASSES])
                    regions.append(number)
                    tests.append(ground.test[y, x])
    everything, labels = np.array(features), np.array(targets)
    region, test = np.array(regions), np.array(tests)
    shares = np.array([labels[~test & (region == one)].mean(0) for one in range(len(grounds))])
    print(f"scenes, {len(labels)}: region alone {_mean(labels[test], shares[region[test]])}", end="")
    for name, bands in (("s1", slice(0, 2)), ("s2", slice(2, None)), ("s1+s2", slice(None))):
        found = everything[:, :, bands].reshape(len(labels), -1)
        model = make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression(max_iter=300)))
        model.fit(found[~test], labels[~test])
        print(f", {name} {_mean(labels[test], model.predict_proba(found[test]))}", end="")
    print()


def _mean(targets: np.ndarray, scores: np.ndarray) -> str:
    return f"{mean_average_precision(targets, scores).micro:.3f}"


def composites(grounds: list[Ground]) -> list[Image]:
    """Mean power in dB and median of clear red, green and blue, standardised and clipped: (5, y, x) each."""
    images = []
    for ground in grounds:
        power = 10 * np.log10(np.nanmean(10 ** (ground.radar / 10), axis=0))
        median = np.nanmedian(np.where(ground.clear[:, None], ground.optics[:, :3], np.nan), axis=0)
        image = np.concatenate([power, median])
        images.append(np.where(np.isnan(image), np.nanmean(image, axis=(1, 2), keepdims=True), image))
    mean, deviation = (np.mean([f(one, axis=(1, 2)) for one in images], axis=0) for f in (np.mean, np.std))
    return [
        np.clip((one - mean[:, None, None]) / deviation[:, None, None], -3, 3).astype(np.float32)
        for one in images
    ]


def maps(grounds: list[Ground], steps: int) -> None:
    """Print what boxes, and what a network, tell of land cover."""
    legend, images = Legend(MERGED), composites(grounds)
    labels = [legend.merge(ground.labels) for ground in grounds]
    tests = [ground.test for ground in grounds]
    perfect = [legend.merge(ground.truth)[test] for ground, test in zip(grounds, tests, strict=True)]
    print(f"land cover: truth {_score(labels, tests, perfect)}")
    for name, bands in INPUTS.items():
        features = [_boxes(image[bands]) for image in images]
        known = np.concatenate([one[:, ~test].T for one, test in zip(features, tests, strict=True)])
        wanted = np.concatenate([one[~test] for one, test in zip(labels, tests, strict=True)])
        drawn = np.random.default_rng(0).permutation(np.flatnonzero(wanted < len(MERGED)))[:60_000]
        pixel = make_pipeline(
            StandardScaler(), MLPClassifier((32,), early_stopping=True, max_iter=60, random_state=0)
        ).fit(known[drawn], wanted[drawn])
        found = [pixel.predict(one[:, test].T) for one, test in zip(features, tests, strict=True)]
        print(f"  {name}: boxes {_score(labels, tests, found)}", flush=True)
    if steps:
        found = _network([image[INPUTS["s1+rgb"]] for image in images], labels, tests, steps)
        print(f"  s1+rgb: U-Net after {steps} steps {_score(labels, tests, found)}")


def _boxes(image: Image) -> Image:
    parts = [image]
    for side in (3, 7):
        mean, square = (ndimage.uniform_filter(one, (0, side, side)) for one in (image, image**2))
        parts += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    return np.concatenate(parts)


def _score(labels: list, tests: list, found: list) -> str:
    matrix = ConfusionMatrix(len(MERGED))
    for one, test, guess in zip(labels, tests, found, strict=True):
        matrix.update(one[test], guess)
    classes = ", ".join(
        f"{one.name} {iou:.2f}" for one, iou in zip(MERGED, matrix.scores()["iou"], strict=True)
    )
    return f"mIoU {matrix.summary()['all']['miou']:.3f} ({classes})"


def _network(images: list, labels: list, tests: list, steps: int) -> list[np.ndarray]:
    """Predictions on test ground of a U-Net trained on turned and mirrored tiles."""
    torch.manual_seed(0)
    tiles = [
        (image[:, y : y + TILE, x : x + TILE], label[y : y + TILE, x : x + TILE])
        for image, label, test in zip(images, labels, tests, strict=True)
        for y in range(0, test.shape[0], TILE)
        for x in range(0, test.shape[1], TILE)
        if not test[y, x]
    ]
    inputs, wanted = (torch.from_numpy(np.stack(part)) for part in zip(*tiles, strict=True))
    network = UNet(inputs.shape[1], len(MERGED), width=16)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, steps)
    for _ in range(steps):
        drawn = torch.randint(len(tiles), (8,))
        turns, mirrored = int(torch.randint(4, ())), bool(torch.rand(()) < 0.5)
        image, label = (torch.rot90(part[drawn], turns, (-2, -1)) for part in (inputs, wanted))
        if mirrored:
            image, label = image.flip(-1), label.flip(-1)
        loss = F.cross_entropy(network(image), label.long(), ignore_index=255)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    network.eval()
    with torch.inference_mode():
        whole = [network(torch.from_numpy(image)[None])[0].argmax(0).numpy() for image in images]
    return [one[test] for one, test in zip(whole, tests, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the regions are made")
    parser.add_argument("--places", type=int, default=1, help="regions of every biome")
    parser.add_argument("--network", type=int, default=0, help="steps of the U-Net; 0 trains none")
    settings = parser.parse_args()
    torch.set_num_threads(1)
    made = [make(settings.folder, biome, place) for biome in BIOMES for place in range(settings.places)]
    if fresh := [seconds for _, seconds in made if seconds > 0.1]:
        print(f"{np.mean(fresh):.2f} s of CPU time for a region and year")
    grounds = [load(folder, number) for number, (folder, _) in enumerate(made)]
    scenes(grounds)
    maps(grounds, settings.network)


if __name__ == "__main__":
    main()
