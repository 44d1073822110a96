"""How long a frozen evaluation takes once the features are there:

    python benchmarks/frozen.py --dim 768

Nearest neighbours and the linear probe, each at four shares of the labels with three seeds, on made-up
features of 10,000 patches in ten classes (6,000 for training, 2,000 each for validation and test): 24 fits
with their choice on validation, and their predictions. The features have a spectrum that falls as those of
networks do, and overlap so that the choice of the penalty matters.
"""

import argparse
import time

import numpy as np

from revisit import parts
from revisit.evaluation.labelled import labelled_places

PATCHES, CLASSES = 10_000, 10
FRACTIONS, SEEDS = (0.01, 0.1, 0.5, 1.0), (0, 1, 2)
APART = 0.12  # of the means of classes, in standard deviations


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dim", type=int, nargs="+", default=[512, 768])
    arguments = parser.parse_args()
    print(
        "| features | probe |", " | ".join(f"{fraction:.0%}, s" for fraction in FRACTIONS), "| all, s (CPU) |"
    )
    print("| --- " * (len(FRACTIONS) + 3) + "|")
    for dim in arguments.dim:
        features, targets = made_up(dim)
        for name in ("knn", "linear"):
            print(f"| {dim} | {name} |", " | ".join(row(name, features, targets)), "|")


def row(name: str, features: np.ndarray, targets: np.ndarray) -> list[str]:
    """Seconds of all seeds at each share, and of all."""
    probe = parts.find("probe", name)
    train, val, test = np.split(np.arange(PATCHES), [6000, 8000])
    seconds, processor = [], time.process_time()
    for fraction in FRACTIONS:
        start = time.perf_counter()
        for seed in SEEDS:
            own = train[labelled_places(train, targets[train], fraction, seed)]
            predict, _ = probe(probe.Settings()).fit(
                features[own], targets[own], features[val], targets[val], accuracy, seed
            )
            score = accuracy(targets[test], predict(features[test]))
        seconds.append(time.perf_counter() - start)
    whole = f"{sum(seconds):.1f} ({time.process_time() - processor:.1f})"
    return [*(f"{value:.2f}" for value in seconds), f"{whole}, accuracy {score:.3f}"]


def accuracy(targets: np.ndarray, outputs: np.ndarray) -> float:
    return float((outputs.argmax(axis=1) == targets.argmax(axis=1)).mean())


def made_up(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (patch, dim), and the class of each as 0 and 1 (patch, class)."""
    random = np.random.default_rng(0)
    classes = random.integers(0, CLASSES, PATCHES)
    inner = random.normal(size=(PATCHES, dim)) + APART * random.normal(size=(CLASSES, dim))[classes]
    axes, _ = np.linalg.qr(random.normal(size=(dim, dim)))
    features = inner * (1 / np.sqrt(np.arange(1, dim + 1))) @ axes
    return features.astype(np.float32), np.eye(CLASSES, dtype=np.uint8)[classes]


if __name__ == "__main__":
    main()
