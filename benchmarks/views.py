"""How much of a training step the views take: augmentation, drawn for a whole batch on the device.

    pip install kornia && python benchmarks/views.py

MoCo v2 on ResNet-18 in batches of 64 that lie ready: of RGB with colour jitter and grayscale, and of twelve
bands with gains and offsets. `views`: standardise and augment twice; `step`: that, loss, gradient and update.
Then one view of RGB against the same steps of kornia's, where that is installed (it takes no generator, so a
resumed run could not go on with it). On a processor it is the time of one core, whatever else runs.
"""

import argparse
import importlib.util
import math
import time
from collections.abc import Callable

import torch
from gpu_training import BANDS, RGB, Subject, finish, make_trainer, random_batch, run

from revisit.methods.method import DataDescription
from revisit.methods.parts.augmentation import Augmentation
from revisit.methods.parts.colour import SHARE, TURN
from revisit.training.batches import to_device
from revisit.training.device import choose_device, prepare
from revisit.training.settings import Training

BATCH = 64
COLOUR = {"colour": 0.5, "grayscale": 0.2}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=10, help="to measure, after one that does not count")
    arguments = parser.parse_args()
    device = choose_device()
    prepare(device, 1)
    print("| bands | pixels | stem | views, ms | step, ms | share |\n| --- | --- | --- | --- | --- | --- |")
    for bands, augmentation in ((RGB, COLOUR), (BANDS, {})):
        for side, stem in ((32, "small"), (64, "small"), (64, "imagenet")):
            encoder = {"name": "resnet", "depth": 18, "stem": stem}
            entry = {"name": "moco-v2", "encoder": encoder, "queue": 4096, "augmentation": augmentation}
            subject = Subject(entry, DataDescription(bands, side, 3.0, "pairs"), BATCH)
            views, step = (1e3 * each for each in measured(subject, device, arguments.steps))
            line = f"| {len(bands)} | {side} | {stem} | {views:.1f} | {step:.1f} | {views / step:.1%} |"
            print(line, flush=True)
    if importlib.util.find_spec("kornia"):
        print("\n| pixels | a view, ms | kornia, ms | ratio |\n| --- | --- | --- | --- |")
        for side in (32, 64, 224):
            ours, kornia = (1e3 * each for each in against_kornia(side, device, arguments.steps))
            print(f"| {side} | {ours:.1f} | {kornia:.1f} | {kornia / ours:.2f} |", flush=True)


def measured(subject: Subject, device: torch.device, steps: int) -> tuple[float, float]:
    """Seconds of the views of a batch, and of a step with them."""
    trainer = make_trainer(subject, Training(steps=10**6, batch_size=subject.batch), device)
    batch = random_batch(subject.data, subject.batch, pin=device.type == "cuda")
    generator = torch.Generator(device).manual_seed(0)

    def views(count: int) -> None:
        with torch.no_grad():
            for _ in range(count):
                trainer.method.views(to_device(batch, device), generator)

    def train(count: int) -> None:
        run(trainer, (batch for _ in range(count)))

    return seconds_each(views, steps, device), seconds_each(train, steps, device)


def against_kornia(side: int, device: torch.device, steps: int) -> tuple[float, float]:
    """Seconds of one view of a batch of RGB images, ours and kornia's of the same steps and strengths."""
    import kornia.augmentation as k

    ours = Augmentation.model_validate(COLOUR)
    share, turn = SHARE * ours.colour, TURN * ours.colour
    kernel = 2 * math.ceil(3 * ours.blur_sigma[1]) + 1
    theirs = torch.nn.Sequential(
        k.RandomResizedCrop((side, side), scale=ours.scale),
        k.RandomHorizontalFlip(),
        k.RandomVerticalFlip(),
        k.ColorJitter(share, share, share, turn, p=ours.jitter),
        k.RandomGrayscale(p=ours.grayscale),
        k.RandomGaussianBlur((kernel, kernel), ours.blur_sigma, p=ours.blur),
    )
    generator = torch.Generator(device).manual_seed(0)
    pictures = torch.rand(BATCH, len(RGB), side, side, generator=generator, device=device)
    standardised = 6 * pictures - 3

    def view(count: int) -> None:
        for _ in range(count):
            ours.view(standardised, RGB, side, generator)

    def peer(count: int) -> None:
        for _ in range(count):
            theirs(pictures)

    with torch.no_grad():
        return seconds_each(view, steps, device), seconds_each(peer, steps, device)


def seconds_each(work: Callable[[int], None], count: int, device: torch.device) -> float:
    """Mean seconds of doing it once."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    work(1)
    finish(device)
    begin = clock()
    work(count)
    finish(device)
    return (clock() - begin) / count


if __name__ == "__main__":
    main()
