"""Where a region trains, validates and tests: whole blocks of ground, so that neighbours stay together."""

from typing import Any

import numpy as np
from scipy import ndimage

from revisit.cube.grid import Grid
from revisit.errors import RevisitError
from revisit.stage import setting

TRAIN, VAL, TEST = 0, 1, 2
PARTS = ("train", "val", "test")
UNUSED = 255


def split_map(grid: Grid, region: str, settings: dict[str, Any], seed: int) -> np.ndarray:
    """The part of each pixel of a region: uint8 (y, x), 0 train, 1 val, 2 test, 255 unused.

    Blocks of ``block_pixels`` are counted from the grid's upper left corner (what is left over at the far
    edges goes with the block beside it where it is less than half of one) and shared out by a shuffle
    that depends on the seed and the region's name; the shares ``train``, ``val``, ``test`` hold in every
    region as nearly as whole blocks allow. Train and val pixels with fewer than ``gap_pixels`` pixels between
    them and test are unused. Raises RevisitError where the shares do not add up to 1.
    """
    size = int(setting(settings, "block_pixels"))
    shares = np.array([float(setting(settings, part)) for part in PARTS])
    if (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise RevisitError(f"split: train, val and test are {shares.tolist()}; they must add up to 1")
    rows, columns = (max(1, round(length / size)) for length in grid.shape)
    parts = np.repeat(np.arange(len(PARTS), dtype=np.uint8), _counts(rows * columns, shares))
    np.random.default_rng([seed, *region.encode()]).shuffle(parts)
    down, right = (
        np.minimum(np.arange(length) // size, count - 1)
        for length, count in zip(grid.shape, (rows, columns), strict=True)
    )
    pixels = parts.reshape(rows, columns)[np.ix_(down, right)]
    gap = int(settings.get("gap_pixels", 0))
    if gap > 0:
        # A square of this side reaches `gap` pixels beyond the test blocks.
        near = ndimage.maximum_filter((pixels == TEST).astype(np.uint8), 2 * gap + 1, mode="constant")
        pixels[(near == 1) & (pixels != TEST)] = UNUSED
    return pixels


def _counts(blocks: int, shares: np.ndarray) -> np.ndarray:
    """Whole blocks for each share: rounded down, and what is left over to the largest remainders."""
    exact = shares * blocks
    counts = np.floor(exact + 1e-9).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: blocks - counts.sum()]] += 1
    return counts


def distance(centres: np.ndarray, others: np.ndarray, side: float) -> float:
    """Least distance between the edges of squares of one size, metres; infinite where there are none.

    ``centres`` and ``others`` are (n, 2), metres in one reference system, ``side`` metres. Raises
    RevisitError where two squares lie over each other.
    """
    least = np.inf
    for centre in np.unique(centres, axis=0):
        away = np.abs(others - centre)
        if (away.max(axis=1) < side - 1e-6).any():
            x, y = centre.tolist()
            raise RevisitError(f"patches of two parts overlap at {x:.0f}, {y:.0f}: keep regions apart")
        apart = np.maximum(away - side, 0)
        least = min(least, np.hypot(apart[:, 0], apart[:, 1]).min(initial=np.inf))
    return float(least)
