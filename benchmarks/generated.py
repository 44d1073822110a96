"""Whether generated images are better kept in a store or made at every step that learns from them.

    python benchmarks/generated.py

Of one sample: a step of optical-aided contrast, generating the radar image of an optical one at that step,
and reading either of them from a store: two bands of the generated image, ten of the optical.
On a processor it is the time of one core, whatever else the machine does.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from views import seconds_each

from revisit.methods.method import DataDescription, build_method
from revisit.nets.generator import Generator
from revisit.nets.load_save import build_encoder
from revisit.patches.arrays import Files, Joined, RegionArray
from revisit.patches.generated import GENERATED, write_generated
from revisit.training.device import choose_device, prepare

OPTICAL = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")
RADAR = ("vv", "vh")
SMALL = {"name": "resnet", "depth": 18, "stem": "small", "width": 16}
CASES: tuple[tuple[int, int, int, dict[str, Any], int, int], ...] = (
    # pixels, levels and width of the generator, encoder, its crop, samples a batch
    (16, 4, 16, SMALL, 16, 32),
    (32, 5, 32, SMALL, 32, 16),
    (256, 8, 64, {"name": "resnet", "depth": 18}, 224, 4),
    (256, 8, 64, {"name": "resnet", "depth": 50}, 224, 4),
)
STORED = 64  # samples


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    device = choose_device()
    prepare(device, 1)
    print("| pixels | generator | encoder | step, ms | generate, ms | read 2 bands, ms | read 10, ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for side, levels, width, encoder, crop, batch in CASES:
        step = seconds_of_step(encoder, side, crop, batch, device)
        made = seconds_of_generating(side, levels, width, batch, device)
        read = [seconds_of_reading(side, len(bands)) for bands in (RADAR, OPTICAL)]
        times = " | ".join(f"{1e3 * seconds:.3g}" for seconds in (step, made, *read))
        name = f"ResNet-{encoder['depth']}, width {encoder.get('width', 64)}"
        print(f"| {side} | levels {levels}, width {width} | {name} | {times} |", flush=True)


def seconds_of_step(encoder: dict[str, Any], side: int, crop: int, batch: int, device: torch.device) -> float:
    """Of the loss of a sample and its gradient, views aside."""
    entry = {"name": "optical-aided", "encoder": encoder, "crop_pixels": crop}
    method = build_method(entry, DataDescription(RADAR, side, 3.0, "pairs")).to(device).train()
    shape = (batch, len(RADAR), crop, crop)
    views = {name: torch.randn(shape, device=device) for name in ("first", "second", "generated")}

    def work(count: int) -> None:
        for _ in range(count):
            method.zero_grad()
            method.loss(views)["loss"].backward()

    return seconds_each(work, 2, device) / batch


def seconds_of_generating(side: int, levels: int, width: int, batch: int, device: torch.device) -> float:
    entry = {"name": "unet-generator", "levels": levels, "width": width}
    generator = build_encoder({**entry, "bands": OPTICAL, "image_pixels": side}).to(device).eval()
    assert isinstance(generator, Generator)
    images = torch.randn(batch, len(OPTICAL), side, side, device=device)

    def work(count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                generator.generate(images)

    return seconds_each(work, 2, device) / batch


def seconds_of_reading(side: int, bands: int) -> float:
    """Of a sample of that many bands, from mapped files."""
    random = np.random.default_rng(0)

    def images(rows: np.ndarray) -> np.ndarray:
        return random.integers(0, 256, (len(rows), bands, side, side), np.uint8)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.zarr"
        names = [str(band) for band in range(bands)]
        write_generated(path, {"patch_pixels": side}, names, np.zeros(STORED, np.int64), images, {})
        stored = Joined([RegionArray(path / GENERATED, Files())], [0, STORED])
        out = np.empty((STORED, 1, bands, side, side), np.uint8)

        def work(count: int) -> None:
            for _ in range(count):
                stored.read(random.permutation(STORED), out)

        return seconds_each(work, 5, torch.device("cpu")) / STORED


if __name__ == "__main__":
    main()
