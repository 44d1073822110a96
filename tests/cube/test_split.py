"""The split is geographic: whole blocks, fixed shares in every region, and a distance one can state."""

import numpy as np
import pytest
from affine import Affine

from revisit.cube.grid import Grid, Region, region_grid
from revisit.cube.split import TEST, TRAIN, UNUSED, VAL, Split, check_blocks, distance, split_map
from revisit.errors import RevisitError
from revisit.record import read

SPLIT = Split(block_pixels=32, train=0.6, val=0.15, test=0.25)


def grid(height: int = 256, width: int = 320, left: int = 600_000) -> Grid:
    return Grid(32631, Affine(10, 0, left, 0, -10, 5_400_000), width, height)


def test_blocks_and_shares() -> None:
    """Blocks are whole, and the shares hold to a block."""
    parts = split_map(grid(), SPLIT, seed=1)
    blocks = parts.reshape(8, 32, 10, 32)
    assert (blocks == blocks[:, :1, :, :1]).all()
    counts = np.bincount(blocks[:, 0, :, 0].ravel())
    assert counts.tolist() == [48, 12, 20]


def test_left_over_at_the_edges() -> None:
    """A sliver beside the last whole block belongs to it, or it would count as a block of its own."""
    parts = split_map(grid(262, 250), SPLIT, seed=1)
    assert (parts[256:] == parts[255]).all()
    assert np.bincount(parts[:256:32, ::32].ravel()).tolist() == [38, 10, 16]


def test_seed_and_region() -> None:
    """The same seed and region give the same map; another seed or region another."""
    first = split_map(grid(), SPLIT, seed=1)
    np.testing.assert_array_equal(first, split_map(grid(), SPLIT, seed=1))
    assert (first != split_map(grid(), SPLIT, seed=2)).any()
    assert (first != split_map(grid(left=700_000), SPLIT, seed=1)).any()


def test_gap() -> None:
    """No train or val pixel keeps fewer than the gap's pixels between itself and test; test loses none."""
    free = split_map(grid(), SPLIT, seed=1)
    gapped = split_map(grid(), SPLIT.model_copy(update={"gap_pixels": 5}), seed=1)
    np.testing.assert_array_equal(gapped == TEST, free == TEST)
    test = np.argwhere(gapped == TEST)
    others = np.argwhere((gapped == TRAIN) | (gapped == VAL))
    between = min(np.abs(test - pixel).max(axis=1).min() - 1 for pixel in others[::7])
    assert between == 5
    assert (gapped == UNUSED).any()


def test_shares_must_add_up() -> None:
    """Shares that are not all of the ground are a fault of the config."""
    with pytest.raises(RevisitError, match=r"^split: .*add up to 1"):
        read(Split, {"train": 0.6, "val": 0.15, "test": 0.3}, "split")


def test_distance() -> None:
    """Edge to edge: 0 for neighbours, aslant by the corners; patches over each other are an error."""
    here = np.array([[0.0, 0.0]])
    assert distance(here, np.array([[320.0, 0.0]]), 320) == 0
    assert distance(here, np.array([[320 + 30.0, 320 + 40.0], [2000.0, 0.0]]), 320) == pytest.approx(50)
    assert distance(here, np.empty((0, 2)), 320) == np.inf
    with pytest.raises(RevisitError, match="overlap"):
        distance(here, np.array([[310.0, 0.0]]), 320)


REGION = Region(bbox=[5.0, 50.0, 5.1, 50.07])  # about 7 x 8 km


def test_counts_of_the_plan_are_those_of_the_map() -> None:
    """What planning counts is what the jobs will find."""
    split = Split(block_pixels=100)
    counts = check_blocks({"here": REGION}, 10, split)["here"]
    parts = split_map(region_grid(REGION, 10), split, seed=4)
    assert counts == np.bincount(parts[50::100, 50::100].ravel()).tolist()


def test_a_region_smaller_than_a_block_is_refused() -> None:
    """Ten metres of ground would give a cube, and no patch at the end of the line."""
    tiny = Region(bbox=[5.0, 50.0, 5.0001, 50.0001])
    with pytest.raises(RevisitError, match=r"regions\.tiny\.bbox: 60 x 60 m .*one block of 1280 m"):
        check_blocks({"here": REGION, "tiny": tiny}, 10, Split())


def test_a_part_that_must_end_empty_is_refused() -> None:
    """One block goes to training; a second region, or smaller blocks, give the others theirs."""
    with pytest.raises(RevisitError, match=r"split\.val: no block of any region.*1 blocks of 6000 m"):
        check_blocks({"here": REGION}, 10, Split(block_pixels=600))
    with pytest.raises(RevisitError, match=r"split\.test: no block"):
        check_blocks({"here": REGION}, 10, Split(block_pixels=600, train=0.8, val=0, test=0.2))
    check_blocks({"here": REGION}, 10, Split(block_pixels=600, train=1, val=0, test=0))
    check_blocks({"here": REGION}, 10, Split(block_pixels=200))
