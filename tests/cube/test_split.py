"""The split is geographic: compact ground of fixed shares in every region, a gap between any two parts."""

from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from scipy import ndimage

from revisit.cube.grid import Grid, Region, region_grid
from revisit.cube.split import (
    PARTS,
    TEST,
    UNUSED,
    Area,
    Split,
    areas,
    check_apart,
    check_blocks,
    count_patches,
    distance,
    split_map,
)
from revisit.cube.zones import across_zones, bounds_in_degrees, degrees_apart
from revisit.errors import RevisitError
from revisit.record import read

STRIPS = Split(block_pixels=32, gap_pixels=8, train=0.6, val=0.15, test=0.25)
BLOCKS = STRIPS.model_copy(update={"arrangement": "blocks"})


def grid(height: int = 256, width: int = 320, left: int = 600_000) -> Grid:
    return Grid(32631, Affine(10, 0, left, 0, -10, 5_400_000), width, height)


def between(parts: np.ndarray, one: int, other: int) -> float:
    """Unused pixels between the nearest pixels of two parts, diagonals too; infinite without either."""
    if not (parts == one).any() or not (parts == other).any():
        return np.inf
    away = ndimage.distance_transform_cdt(parts != other, metric="chessboard")
    return float(away[parts == one].min() - 1)


SHARES = [(0.6, 0.15, 0.25), (0.34, 0.33, 0.33), (0.5, 0.5, 0.0), (0.0, 0.1, 0.9), (1.0, 0.0, 0.0)]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["strips", "blocks"]), st.integers(8, 200), st.integers(8, 200), st.integers(1, 40),
    st.integers(0, 40), st.sampled_from(SHARES), st.integers(0, 99), st.integers(0, 9),
)  # fmt: skip
def test_parts_never_touch(
    arrangement: Any, height: int, width: int, block: int, gap: int, shares: Any, seed: int, place: int
) -> None:
    """Whatever the region, block, gap and seed: at least the gap between parts, and disjoint areas."""
    train, val, test = shares
    split = Split(
        arrangement=arrangement, block_pixels=block, gap_pixels=gap, train=train, val=val, test=test
    )
    where = grid(height, width, 600_000 + 60 * place)
    ground = areas(where, split, seed, "here")
    parts = split_map(ground, where.whole)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert between(parts, one, other) >= gap
    sizes = [(rows.stop - rows.start) * (columns.stop - columns.start) for _, rows, columns in ground]
    assert sum(sizes) == (parts != UNUSED).sum() > 0
    assert all(rows.stop <= height and columns.stop <= width for _, rows, columns in ground)
    assert {part for part, *_ in ground} <= {part for part in range(3) if shares[part] > 0}


@pytest.mark.parametrize("split", [STRIPS, BLOCKS])
def test_a_block_is_its_part_of_the_whole(split: Split) -> None:
    """Also one that holds parts of several areas, or that none touches."""
    ground = areas(grid(), split, 1, "here")
    whole = split_map(ground, grid().whole)
    for block in grid().blocks(70):
        np.testing.assert_array_equal(split_map(ground, block), whole[block])


def test_the_gap_is_no_wider_than_asked_for() -> None:
    """Ground that no part needs apart is not given away."""
    for seed in range(20):
        strips = split_map(areas(grid(), STRIPS, seed, "here"), grid().whole)
        used = strips[0] if (strips == strips[:1]).all() else strips[:, 0]
        assert (used == UNUSED).sum() == 2 * 8
        blocks = split_map(areas(grid(), BLOCKS, seed, "here"), grid().whole)
        assert ((blocks == UNUSED).all(axis=1).sum(), (blocks == UNUSED).all(axis=0).sum()) == (5 * 8, 7 * 8)


@pytest.mark.parametrize("split", [STRIPS, BLOCKS])
def test_shares(split: Split) -> None:
    """The shares of the ground used hold to a block or strip's unit."""
    for seed in range(10):
        parts = split_map(areas(grid(1032, 1056), split, seed, "here"), grid(1032, 1056).whole)
        found = np.bincount(parts[parts != UNUSED]) / (parts != UNUSED).sum()
        assert np.abs(found - split.shares).max() < 32 / (1032 - 16)


def test_strips() -> None:
    """One area per part, across the longer side; on a square across either, and in any order."""
    for seed in range(10):
        ground = areas(grid(256, 400), STRIPS, seed, "here")
        assert sorted(part for part, *_ in ground) == [0, 1, 2]
        assert {rows for _, rows, _ in ground} == {slice(0, 256)}
        assert ground[-1].columns.stop == 400
    square = [areas(grid(256, 256), STRIPS, seed, "here") for seed in range(60)]
    orders = {tuple(part for part, *_ in ground) for ground in square}
    across = [len({rows for _, rows, _ in ground}) == 1 for ground in square]
    assert len(orders) == 6
    assert 10 < sum(across) < 50


def test_strips_are_whole_blocks_wide() -> None:
    """Patches that a block holds fill a strip; what is left over goes to one part only."""
    for seed in range(10):
        widths = {
            part: columns.stop - columns.start for part, _, columns in areas(grid(256, 400), STRIPS, seed, "")
        }
        assert [widths[part] // 32 for part in range(3)] == [7, 2, 3]
        assert [widths[part] % 32 > 0 for part in range(3)].count(True) <= 1
        assert sum(widths.values()) == 400 - 16


def test_blocks() -> None:
    """Scattered: parts are shuffled over the region, and the last block of a row ends with it."""
    maps = []
    for seed in range(40):
        ground = areas(grid(262, 250), BLOCKS, seed, "here")
        assert len(ground) == 6 * 6
        assert np.bincount([part for part, *_ in ground]).tolist() == [22, 5, 9]
        assert {area.rows.stop - area.rows.start for area in ground} == {32, 262 - 5 * 40}
        maps.append([part for part, *_ in ground])
    assert all(len({parts[number] for parts in maps}) > 1 for number in range(36))


@pytest.mark.parametrize("split", [STRIPS, BLOCKS])
def test_seed_and_place(split: Split) -> None:
    """Seed and place make the map, whatever the region is called; another of either makes another."""
    first = split_map(areas(grid(), split, 1, "here"), grid().whole)
    np.testing.assert_array_equal(first, split_map(areas(grid(), split, 1, "renamed"), grid().whole))
    assert any(
        (first != split_map(areas(grid(), split, seed, "here"), grid().whole)).any() for seed in range(2, 5)
    )
    places = [
        split_map(
            areas(grid(left=600_000 + 60 * step), split, 1, "here"), grid(left=600_000 + 60 * step).whole
        )
        for step in range(1, 4)
    ]
    assert any((first != other).any() for other in places)
    split_map(areas(grid(left=-60_000), split, 1, "here"), grid(left=-60_000).whole)  # a box of the next zone


@pytest.mark.parametrize(
    ("side", "pixels", "changes", "kept"),
    [
        (512, 64, {}, 0.875),
        (512, 32, {}, 0.875),
        (2000, 64, {}, 0.967),
        (2000, 64, {"arrangement": "blocks", "block_pixels": 256}, 0.815),
    ],
)
def test_most_patches_are_kept(side: int, pixels: int, changes: dict[str, Any], kept: float) -> None:
    """The default gap costs a small region an eighth of its patches; blocks must be large for that."""
    split = Split(**changes)
    assert split.gap_pixels == 32
    for seed in range(10):
        ground = areas(grid(side, side), split, seed, "here")
        assert sum(count_patches(ground, pixels)) / (side // pixels) ** 2 == pytest.approx(kept, abs=1e-3)


def test_a_region_held_out() -> None:
    """A region named is of one part to its edges; the others are split as if it were not there."""
    split = STRIPS.model_copy(update={"regions": {"away": "test"}})
    assert areas(grid(), split, 1, "away") == [Area(TEST, slice(0, 256), slice(0, 320))]
    np.testing.assert_array_equal(
        split_map(areas(grid(), split, 1, "here"), grid().whole),
        split_map(areas(grid(), STRIPS, 1, "here"), grid().whole),
    )
    assert split.described(1) == STRIPS.described(1)
    assert split.described(1) != split.described(2)
    with pytest.raises(RevisitError, match=r"split\.regions\.away: must be 'train', 'val' or 'test'"):
        read(Split, {"regions": {"away": "tests"}}, "split")


def test_count_patches() -> None:
    """Whole patches from the corner of each area on."""
    ground = [
        Area(0, slice(8, 40), slice(0, 50)),
        Area(0, slice(60, 75), slice(0, 50)),
        Area(2, slice(48, 64), slice(0, 16)),
    ]
    assert count_patches(ground, 16) == [6, 0, 1]


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
WIDE = Region(bbox=[5.0, 50.0, 5.3, 50.03])


@pytest.mark.parametrize("arrangement", ["strips", "blocks"])
@pytest.mark.parametrize("region", [REGION, WIDE])
def test_counts_of_the_plan_are_those_of_the_map(arrangement: Any, region: Region) -> None:
    """What planning counts is what the jobs will find, for every seed."""
    split = Split(arrangement=arrangement, block_pixels=50)
    counts = check_blocks({"here": region}, 10, split)["here"]
    place = region_grid(region, 10)
    for seed in range(6):
        ground = areas(place, split, seed, "here")
        blocks = [0, 0, 0]
        for part, rows, columns in ground:
            down, right = rows.stop - rows.start, columns.stop - columns.start
            blocks[part] += 1 if arrangement == "blocks" else (down // 50) * (right // 50)
        assert blocks == counts


def test_a_region_smaller_than_a_block_is_refused() -> None:
    """Ten metres of ground would give a cube, and no patch at the end of the line."""
    tiny = Region(bbox=[5.0, 50.0, 5.0001, 50.0001])
    with pytest.raises(RevisitError, match=r"regions\.tiny\.bbox: 60 x 60 m .*one block of 640 m"):
        check_blocks({"here": REGION, "tiny": tiny}, 10, Split())


def test_a_part_that_must_end_empty_is_refused() -> None:
    """One block goes to training; smaller blocks, or a region held out, give the others theirs."""
    with pytest.raises(RevisitError, match=r"split\.val: no block of any region.*1 blocks of 6000 m"):
        check_blocks({"here": REGION}, 10, Split(block_pixels=600))
    with pytest.raises(RevisitError, match=r"split\.test: no block"):
        check_blocks({"here": REGION}, 10, Split(block_pixels=600, train=0.8, val=0, test=0.2))
    check_blocks({"here": REGION}, 10, Split(block_pixels=600, train=1, val=0, test=0))
    check_blocks({"here": REGION}, 10, Split(block_pixels=150))
    held = {"here": REGION, "val": WIDE, "test": WIDE}
    split = Split(block_pixels=200, train=1, val=0, test=0, regions={"val": "val", "test": "test"})
    counts = check_blocks(held, 10, split)
    assert [[count > 0 for count in counts[name]].index(True) for name in held] == [0, 1, 2]
    # Where every region is of one part, shares are of nothing.
    only = Split(regions={"here": "test"})
    assert check_blocks({"here": REGION}, 10, only)["here"][:2] == [0, 0]
    assert only.wanted(["here"]) == ["test"]
    assert only.wanted(["here", "there"]) == list(PARTS)


def test_regions_too_near_each_other_are_refused() -> None:
    """Parts of regions that border on each other would touch as well."""
    beside = Region(bbox=[5.1, 50.0, 5.2, 50.07])
    away = Region(bbox=[5.11, 50.0, 5.2, 50.07])  # 700 m off

    def refused(other: Region, **changes: Any) -> bool:
        try:
            for seed in range(8):
                check_apart({"here": REGION, "other": other}, 10, Split(**changes), seed)
        except RevisitError as error:
            assert str(error).startswith("regions.other.bbox: lies over region here, or nearer than")
            return True
        return False

    assert refused(beside)
    over = Region(bbox=[5.05, 50.0, 5.15, 50.07])
    assert refused(over)
    assert refused(over, gap_pixels=0)
    assert not refused(REGION)  # the same ground is split alike
    assert not refused(away)
    assert refused(away, gap_pixels=100)
    assert refused(beside, regions={"here": "train", "other": "test"})
    assert not refused(beside, regions={"here": "test", "other": "test"})
    next_zone = Region(bbox=[5.1, 50.0, 5.2, 50.07], epsg=32632)
    assert refused(next_zone)
    assert not refused(next_zone, regions={"here": "test", "other": "test"})
    assert not refused(Region(bbox=[5.13, 50.0, 5.2, 50.07], epsg=32632))
    assert refused(Region(bbox=[5.0, 50.0, 5.1, 50.07], epsg=32632))  # split anew in the other zone


@pytest.mark.parametrize(
    ("west", "east"),
    [
        ([4.9, 50, 5.0, 50.07], [5.0, 50, 5.1, 50.07]),
        ([5.9, 50, 6, 50.07], [6, 50, 6.1, 50.07]),
        ([179.9, -17, 180, -16.9], [-180, -17, -179.9, -16.9]),
    ],
)
def test_regions_of_two_zones(west: list[float], east: list[float]) -> None:
    """Training ground that touches test ground is refused: in a zone, between two, at the 180th."""
    split = Split(regions={"a": "train", "b": "test"}, gap_pixels=0)
    for gap in (0, 32):
        with pytest.raises(RevisitError, match=r"regions\.b\.bbox: lies over region a, or nearer than"):
            check_apart(
                {"a": Region(bbox=west), "b": Region(bbox=east)},
                10,
                split.model_copy(update={"gap_pixels": gap}),
                0,
            )
    off = [east[0] + 0.02, *east[1:]]
    split = split.model_copy(update={"gap_pixels": 16})
    check_apart({"a": Region(bbox=west), "b": Region(bbox=off)}, 10, split, 0)


def test_distance_across_zones() -> None:
    """The metres between boxes of two zones are those on the ellipsoid; a lower bound tells far from near."""
    west, east = Region(bbox=[5.9, 50, 5.99, 50.05]), Region(bbox=[6.01, 50, 6.1, 50.05])
    one, other = (region_grid(region, 10) for region in (west, east))
    boxes = np.array([one.bounds, other.bounds])
    metres = across_zones(boxes[:1], one.epsg, boxes[1:], other.epsg)
    edge_x, edge_y = one.bounds[2], np.arange(one.bounds[1], one.bounds[3], 60)
    facing = Transformer.from_crs(one.epsg, 4326, always_xy=True).transform(
        np.full(len(edge_y), edge_x), edge_y
    )
    other_x, other_y = other.bounds[0], np.arange(other.bounds[1], other.bounds[3], 60)
    across = Transformer.from_crs(other.epsg, 4326, always_xy=True).transform(
        np.full(len(other_y), other_x), other_y
    )
    pairs = np.broadcast_arrays(*(part[:, None] for part in facing), *(part[None] for part in across))
    assert metres == pytest.approx(Geod(ellps="WGS84").inv(*pairs)[2].min(), abs=5)
    degrees = bounds_in_degrees(boxes, np.array([one.epsg, other.epsg]))
    bound = degrees_apart(degrees[0], degrees[1:])[0]
    assert 0.6 * metres < bound <= metres
    assert across_zones(boxes[:1], one.epsg, boxes[1:] - [5000, 0, 5000, 0], other.epsg) == -1
