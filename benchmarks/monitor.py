"""What the collapse monitor says of healthy runs and of collapsed ones, of each family of methods.

    python benchmarks/monitor.py [--only stmim] [--epochs 20]

Trains small networks on a landscape of 512 places made up here (mixed land covers with spectra, years that
differ, speckle), in ways that are known to work and in ways that are known to collapse: features of a place
drawn together at all costs (STMIM, alpha 10), no stop-gradient (Chen & He 2021, section 4.1), a key encoder
without momentum (He et al. 2020, section 4.1), no negatives, no centring or no sharpening (Caron et al. 2021,
section 5.3), and a learning rate that ruins the network (3DMAE). The thresholds of
``revisit.training.monitor`` lie between the two.

Columns: cosine between places and within them, ``place_share`` (their difference), how much of it training
kept, effective rank, standard deviation, probability that a place is found again, verdict; seconds of
training and of one look.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, cast
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from revisit.methods.method import DataDescription, build_method
from revisit.patches.batch import Batch
from revisit.patches.store import PatchStore
from revisit.training.batches import batches
from revisit.training.checkpoint import Checkpoint
from revisit.training.loop import Trainer
from revisit.training.monitor import Monitor, Spread
from revisit.training.optimiser import Course
from revisit.training.settings import Training

BANDS = ("vv", "vh", "blue", "green", "red", "nir")
PLACES, YEARS, SIDE, COVERS = 512, 4, 16, 6
BATCH = 64

VIT = {"name": "channel-vit", "dim": 32, "depth": 2, "heads": 4, "patch_pixels": 4}
SWIN = {"name": "swin", "dim": 16, "depths": [2, 2, 2], "heads": [2, 4, 8], "window": 4, "patch_pixels": 2}
LARGE, SMALL = {"scale": [0.4, 1.0], "blur": 0.0}, {"scale": [0.05, 0.4], "blur": 0.0}
SIMSIAM = {"name": "simsiam", "encoder": VIT, "width": 128, "hidden": 32, "augmentation": {"blur": 0.0}}
MOCO = {"name": "moco-v2", "encoder": VIT, "dim": 64, "queue": 512, "augmentation": {"blur": 0.0}}
DEEP = {**VIT, "dim": 64, "depth": 4}
MAE3D = {"name": "mae3d", "encoder": DEEP, "mask": "3dm", "decoder": {"dim": 32, "depth": 1, "heads": 4}}
STMIM = {"name": "stmim", "encoder": SWIN, "beta": 0.1, "years_per_step": 2}
DINO = {
    "name": "dino-mm",
    "encoder": VIT,
    "hidden": 64,
    "bottleneck": 32,
    "prototypes": 256,
    "local_crops": 2,
    "local_pixels": 8,
    "momentum": 0.98,
    "global_augmentations": [LARGE, LARGE],
    "local_augmentation": SMALL,
}


def with_gradient(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """SimSiam's loss without stop-gradient."""
    return -F.cosine_similarity(prediction, target, dim=1).mean()


def without_negatives(
    query: torch.Tensor, positive: torch.Tensor, negatives: torch.Tensor, temperature: float
) -> torch.Tensor:
    """MoCo's loss without its denominator."""
    return -(query * positive).sum(1).mean() / temperature


class Case(NamedTuple):
    family: str
    what: str
    collapses: bool | None
    """Whether it is known to; None where nobody said, and the table shows what comes of it."""
    entry: dict[str, Any]
    learning_rate: float  # its peak
    longer: int = 1
    replaced: tuple[str, Callable[..., torch.Tensor]] | None = None


CASES = (
    Case("3dmae", "normalised targets", None, MAE3D, 3e-3),
    Case("3dmae", "plain targets", False, {**MAE3D, "normalise_targets": False}, 3e-3),
    Case("3dmae", "plain targets, rate 0.2", True, {**MAE3D, "normalise_targets": False}, 0.2),
    Case("stmim", "alpha 0.1", False, {**STMIM, "alpha": 0.1}, 4e-3),
    Case("stmim", "alpha 1", None, {**STMIM, "alpha": 1.0}, 4e-3),
    Case("stmim", "alpha 10", True, {**STMIM, "alpha": 10.0}, 4e-3),
    Case("simsiam", "as it is", False, SIMSIAM, 0.025),
    Case("simsiam", "three times as long", None, SIMSIAM, 0.025, 3),
    Case(
        "simsiam",
        "no stop-gradient, as long",
        True,
        SIMSIAM,
        0.025,
        3,
        ("revisit.methods.simsiam.negative_cosine", with_gradient),
    ),
    Case("moco-v2", "as it is", False, {**MOCO, "momentum": 0.99}, 0.1),
    Case("moco-v2", "momentum 0", True, {**MOCO, "momentum": 0.0}, 0.1),
    Case(
        "moco-v2",
        "no negatives, momentum 0",
        True,
        {**MOCO, "momentum": 0.0},
        0.1,
        1,
        ("revisit.methods.moco_v2.info_nce", without_negatives),
    ),
    Case("dino-mm", "as it is", False, DINO, 2e-3),
    Case("dino-mm", "no centring", True, {**DINO, "centre_momentum": 1.0}, 2e-3),
    Case("dino-mm", "no sharpening", True, {**DINO, "teacher_temperature": 1.0}, 2e-3),
)


class Landscape:
    """Stands in for a ``PatchStore``: 512 places of two regions; yearly, or a pair of dates of each."""

    def __init__(self, yearly: bool) -> None:
        random = np.random.default_rng(0)
        spectra = random.normal(0, 1, (COVERS, len(BANDS)))
        fields = torch.from_numpy(random.normal(0, 1, (PLACES, COVERS, 4, 4)))
        smooth = F.interpolate(fields, size=(SIDE, SIDE), mode="bicubic").numpy()
        common = random.normal(0, 1, (PLACES, COVERS, 1, 1))  # a place has one or two covers, not all
        cover = (smooth + 2 * common).argmax(1)
        times = YEARS if yearly else 2
        level = spectra[cover] + random.normal(0, 0.3, (PLACES, 1, 1, len(BANDS)))
        season = random.normal(0, 0.3, (times, COVERS, len(BANDS)))[:, cover].swapaxes(0, 1)
        values = np.moveaxis(level[:, None] + season, -1, 2)
        noise = np.where(np.arange(len(BANDS)) < 2, 0.7, 0.3)[:, None, None]
        values = values / values.std((0, 1, 3, 4), keepdims=True)
        values = values + noise * random.normal(0, 1, values.shape)
        self.values = np.clip((values / 3 + 1) * 127.5, 0, 255).astype(np.uint8)
        self.yearly = yearly
        if not yearly:
            self.values = self.values.reshape(-1, 1, *self.values.shape[2:])
        self.positions = np.arange(len(self.values)) // (1 if yearly else 2)

    def indices(self, split: str) -> NDArray[np.int64]:
        return np.arange(len(self.values))

    def times(self, bands: Sequence[str]) -> int:
        return YEARS if self.yearly else 0

    def where(self) -> dict[str, NDArray[Any]]:
        return {"region": np.where(self.positions < PLACES // 4, "east", "west")}

    def batch(
        self, indices: NDArray[Any], bands: Sequence[str], time: int | None = None
    ) -> Batch[NDArray[Any]]:
        chosen = [BANDS.index(band) for band in bands]
        images = self.values[np.asarray(indices)][:, :, chosen]
        images = images if time is None and self.yearly else images[:, time or 0]
        present = np.ones((*images.shape[:-3], 1), bool)
        rows = np.asarray(indices)
        return Batch(
            images=images,
            samples=rows,
            places=self.positions[rows],
            dates=present.astype(np.int64),
            present=present,
            coordinates=np.zeros((len(rows), 4)),
            epsg=rows,
            bands=tuple(bands),
            sensors=("sentinel-1",),
        )


def train(case: Case, epochs: int) -> tuple[Spread, Spread, float, float, float]:
    """Statistics before and after training; the last loss, seconds of training and of a look."""
    series = case.family == "stmim"
    store = cast(PatchStore, Landscape(series))
    bands = BANDS[2:5] if series else BANDS
    torch.manual_seed(0)
    kind, years = ("yearly", tuple(range(2018, 2018 + YEARS))) if series else ("pairs", ())
    method = build_method(case.entry, DataDescription(bands, SIDE, 3.0, kind, years))
    training = Training(epochs=epochs, batch_size=BATCH, learning_rate=case.learning_rate * 256 / BATCH)
    indices = store.indices("train")
    steps, epoch_steps = training.steps_for(len(indices))
    look = Monitor(method, store, training)
    before = look()  # as the monitor has seen it when it was made
    course = Course(steps, epoch_steps, torch.device("cpu"))
    trainer = Trainer(method, training, 0, course, look, rows_a_look=epochs)
    draw = batches(store, bands, indices, BATCH, 0, steps, series=series, pin=False)
    with tempfile.TemporaryDirectory() as folder, Checkpoint(Path(folder), {}, 60) as checkpoint:
        begin = time.perf_counter()
        progress = trainer.run(draw, checkpoint)
        trained = time.perf_counter()
        after = look()
    return before, after, progress.rows[-1]["loss"], trained - begin, time.perf_counter() - trained


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="one family: 3dmae, stmim, simsiam, moco-v2 or dino-mm")
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    heads = "method trained loss between within share kept rank std found collapsed s look"
    print("| " + " | ".join(heads.split()) + " |")
    print("| --- " * 13 + "|")
    shown: set[str] = set()
    for case in CASES:
        if arguments.only not in (None, case.family):
            continue
        replaced = patch(*case.replaced) if case.replaced else nullcontext()
        with replaced:
            before, after, loss, seconds, look = train(case, case.longer * arguments.epochs)
        if case.family not in shown:
            shown.add(case.family)
            print(f"| {case.family} | not at all | | {numbers(before)} | | |")
        mark = "" if case.collapses in (None, after.collapsed) else " **wrong**"
        print(
            f"| {case.family} | {case.what} | {loss:.3g} | {numbers(after)}{mark} "
            f"| {seconds:.0f} | {look:.2f} |",
            flush=True,
        )


def numbers(found: Spread) -> str:
    verdict = "yes" if found.collapsed else "no"
    return (
        f"{found.cosine_between:.4f} | {found.cosine_within:.4f} | {found.place_share:.4f} | "
        f"{found.share_kept:.4f} | "
        f"{found.effective_rank:.2f} | {found.feature_std:.3f} | {found.found_again:.3f} | {verdict}"
    )


if __name__ == "__main__":
    main()
