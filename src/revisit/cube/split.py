"""Where a region trains, validates and tests: whole blocks of ground, so that neighbours stay together."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from revisit.cube.grid import Grid, Region, region_grid
from revisit.errors import RevisitError
from revisit.record import Record

TRAIN, VAL, TEST = 0, 1, 2
PARTS = ("train", "val", "test")
UNUSED = 255


class Split(Record):
    """The geographic split of every region into training, validation and test blocks."""

    block_pixels: int = Field(default=128, ge=1)
    """Side of a block; a multiple of every collection's patch_pixels."""

    gap_pixels: int = Field(default=0, ge=0)
    """Training and validation pixels nearer than this to a test block are left out."""

    train: float = Field(default=0.6, ge=0, le=1)
    """Share of the blocks that train."""

    val: float = Field(default=0.15, ge=0, le=1)
    """Share of the blocks that choose the moment to stop."""

    test: float = Field(default=0.25, ge=0, le=1)
    """Share of the blocks that test."""

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares in the order of PARTS."""
        return self.train, self.val, self.test

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"train, val and test are {list(self.shares)}; make them add up to 1")
        return self


def split_map(grid: Grid, split: Split, seed: int) -> np.ndarray:
    """The part of each pixel of a region: uint8 (y, x), 0 train, 1 val, 2 test, 255 unused.

    Blocks of ``block_pixels`` are counted from the grid's upper left corner (what is left over at the far
    edges goes with the block beside it where it is less than half of one) and shared out by a shuffle
    that depends on the seed and where the grid lies; the shares ``train``, ``val``, ``test`` hold in every
    region as nearly as whole blocks allow. Train and val pixels with fewer than ``gap_pixels`` pixels between
    them and test are unused.
    """
    rows, columns = _blocks(grid, split)
    parts = np.repeat(np.arange(len(PARTS), dtype=np.uint8), _counts(rows * columns, split))
    place = (int(edge) % 2**32 for edge in grid.bounds)  # a box seen from the next zone may lie below 0
    np.random.default_rng([seed, grid.epsg, *place]).shuffle(parts)
    down, right = (
        np.minimum(np.arange(length) // split.block_pixels, count - 1)
        for length, count in zip(grid.shape, (rows, columns), strict=True)
    )
    pixels: np.ndarray = parts.reshape(rows, columns)[np.ix_(down, right)]
    if split.gap_pixels > 0:
        from scipy import ndimage  # training asks this module for no more than the names of the parts

        # A square of this side reaches `gap_pixels` beyond the test blocks.
        side = 2 * split.gap_pixels + 1
        near = ndimage.maximum_filter((pixels == TEST).astype(np.uint8), side, mode="constant")
        pixels[(near == 1) & (pixels != TEST)] = UNUSED
    return pixels


def check_blocks(regions: Mapping[str, Region], resolution_m: int, split: Split) -> dict[str, list[int]]:
    """Blocks of each part in each region, in the order of PARTS, before anything is fetched.

    Raises RevisitError where a region is smaller than one block, or where blocks are so few that a part
    with a share gets none in any region.
    """
    side = split.block_pixels * resolution_m
    found = {}
    for name, region in regions.items():
        grid = region_grid(region, resolution_m)
        if min(grid.shape) < split.block_pixels:
            height, width = (length * resolution_m for length in grid.shape)
            raise RevisitError(
                f"regions.{name}.bbox: {width} x {height} m is smaller than one block of {side} m "
                "(split.block_pixels times cube.resolution_m); widen the box or take smaller blocks"
            )
        rows, columns = _blocks(grid, split)
        found[name] = [int(count) for count in _counts(rows * columns, split)]
    for part, share, counts in zip(PARTS, split.shares, zip(*found.values(), strict=True), strict=True):
        if share > 0 and not any(counts):
            blocks = sum(map(sum, found.values()))
            raise RevisitError(
                f"split.{part}: no block of any region falls to its share of {share:g}, the regions have "
                f"{blocks} blocks of {side} m in all; take smaller split.block_pixels or larger regions"
            )
    return found


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


def _blocks(grid: Grid, split: Split) -> tuple[int, int]:
    """Rows and columns of blocks."""
    rows, columns = (max(1, round(length / split.block_pixels)) for length in grid.shape)
    return rows, columns


def _counts(blocks: int, split: Split) -> np.ndarray:
    """Whole blocks for each share: rounded down, and what is left over to the largest remainders."""
    exact = np.array(split.shares) * blocks
    counts: np.ndarray = np.floor(exact + 1e-9).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: blocks - counts.sum()]] += 1
    return counts
