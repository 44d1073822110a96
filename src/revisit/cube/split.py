"""Where a region trains, validates and tests: compact areas of ground with a gap between those of two parts.

The split is one of pixels and knows nothing of patches, so all collections and the scaling limits share it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from revisit.cube.grid import Block, Grid, Region, region_grid
from revisit.errors import RevisitError
from revisit.record import Record

TRAIN, VAL, TEST = 0, 1, 2
PARTS = ("train", "val", "test")
UNUSED = 255


class Split(Record):
    """The geographic split of every region into training, validation and test ground."""

    arrangement: Literal["strips", "blocks"] = "strips"
    """How the parts of a region lie: in `strips`, one per part, side by side, which keep most patches of a
    small region; or in `blocks` scattered over it, with a gap around each, for large regions."""

    block_pixels: int = Field(default=64, ge=1)
    """Side of a block, and the unit of a strip's width; a multiple of every collection's patch_pixels. Strips
    meet their shares best in small units; of scattered blocks the gaps leave more, the larger they are."""

    gap_pixels: int = Field(default=32, ge=0)
    """Pixels between the ground of any two parts that belong to none; 0 lets parts touch."""

    train: float = Field(default=0.6, ge=0, le=1)
    """Share of the ground that trains."""

    val: float = Field(default=0.15, ge=0, le=1)
    """Share of the ground that chooses the moment to stop."""

    test: float = Field(default=0.25, ge=0, le=1)
    """Share of the ground that tests."""

    regions: dict[str, Literal["train", "val", "test"]] = {}
    """Regions that belong to one part as a whole, by name; the others are split."""

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares in the order of PARTS."""
        return self.train, self.val, self.test

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"train, val and test are {list(self.shares)}; make them add up to 1")
        return self

    def described(self, seed: int) -> dict[str, Any]:
        """What products of one split share: its settings, less the regions held out whole, and the seed."""
        return {key: value for key, value in self.content().items() if key != "regions"} | {"seed": seed}

    def wanted(self, regions: Iterable[str]) -> list[str]:
        """The parts that these regions together are to give ground to."""
        held = {self.regions.get(name) for name in regions}
        return [
            part
            for part, share in zip(PARTS, self.shares, strict=True)
            if part in held or (share > 0 and None in held)
        ]


class Area(NamedTuple):
    """A rectangle of a region's pixels that belongs to one part (a number, as in PARTS)."""

    part: int
    rows: slice
    columns: slice


class Boxes(NamedTuple):
    """Rectangles of a UTM zone, (n, 4: left, bottom, right, top) in metres, and the part (n,) of each."""

    epsg: int
    parts: np.ndarray
    bounds: np.ndarray


def areas(grid: Grid, split: Split, seed: int, region: str) -> list[Area]:
    """The ground of each part of a region: rectangles, between any two of other parts ``gap_pixels`` or more.

    Strips lie across the side that leaves more whole blocks, in an order that the seed and the grid's place
    decide; blocks are shared out by a shuffle of the same kind. The shares hold in every region as nearly as
    whole blocks allow; what is left over along a side goes to the part most below its share, or to the last
    block. ``region`` is looked up in ``split.regions`` and nothing else: a region renamed is split alike.
    """
    if held := split.regions.get(region):
        return [Area(PARTS.index(held), *grid.whole)]
    place = (int(edge) % 2**32 for edge in grid.bounds)  # a box seen from the next zone may lie below 0
    random = np.random.default_rng([seed, grid.epsg, *place])
    return (_strips if split.arrangement == "strips" else _blocks)(grid.shape, split, random)


def split_map(ground: Iterable[Area], block: Block) -> np.ndarray:
    """The part of each pixel of a block of the region: uint8 (y, x), 0 train, 1 val, 2 test, 255 unused.

    ``ground`` are its ``areas``. A block at a time, or memory would grow with the region.
    """
    pixels = np.full([line.stop - line.start for line in block], UNUSED, np.uint8)
    for part, *sides in ground:
        inside = (
            slice(max(side.start - line.start, 0), max(side.stop - line.start, 0))
            for side, line in zip(sides, block, strict=True)
        )
        pixels[tuple(inside)] = part
    return pixels


def count_patches(ground: Iterable[Area], pixels: int) -> list[int]:
    """How many patches of ``pixels`` a side each part holds, in the order of PARTS."""
    counts = [0] * len(PARTS)
    for part, rows, columns in ground:
        counts[part] += (rows.stop - rows.start) // pixels * ((columns.stop - columns.start) // pixels)
    return counts


def check_blocks(regions: Mapping[str, Region], resolution_m: int, split: Split) -> dict[str, list[int]]:
    """Blocks of each part in each region, in the order of PARTS, before anything is fetched.

    Of a strip, the whole blocks that it holds. Raises RevisitError where a region is smaller than one block,
    or where blocks are so few that a part gets none in any of the regions.
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
        found[name] = _count_blocks(grid.shape, split, name)
    wanted = split.wanted(regions)
    for part, share, counts in zip(PARTS, split.shares, zip(*found.values(), strict=True), strict=True):
        if part in wanted and not any(counts):
            blocks = sum(map(sum, found.values()))
            raise RevisitError(
                f"split.{part}: no block of any region falls to its share of {share:g}, the regions have "
                f"{blocks} blocks of {side} m in all; take smaller split.block_pixels or split.gap_pixels, "
                "larger regions, or give it a whole one by split.regions"
            )
    return found


def check_apart(regions: Mapping[str, Region], resolution_m: int, split: Split, seed: int) -> None:
    """Raise RevisitError where two regions have ground of two parts nearer than the gap."""
    from revisit.cube.zones import bounds_in_degrees, degrees_apart  # whoever only reads does not project

    grids = {name: region_grid(region, resolution_m) for name, region in regions.items()}
    names = list(grids)
    boxes = np.array([grids[name].bounds for name in names])
    zones = np.array([grids[name].epsg for name in names])
    degrees = bounds_in_degrees(boxes, zones) if len(np.unique(zones)) > 1 else None
    gap = split.gap_pixels * resolution_m
    for number, name in enumerate(names[:-1]):
        after = slice(number + 1, None)
        apart = boxes_apart(boxes[number], boxes[after])
        if degrees is not None:
            elsewhere = zones[after] != zones[number]
            apart[elsewhere] = degrees_apart(degrees[number], degrees[after][elsewhere])
        for other in np.array(names[after])[apart < gap].tolist():
            if _parts_apart(*(_boxes(grids[each], split, seed, each) for each in (name, other))) < gap:
                raise RevisitError(
                    f"regions.{other}.bbox: lies over region {name}, or nearer than split.gap_pixels "
                    f"({gap:g} m), where their parts differ; move it, or give both to one part by "
                    "split.regions"
                )


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


def boxes_apart(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Least metres between a box (left, bottom, right, top) and others (n, 4); -1 where they overlap."""
    between = np.maximum(one[:2] - others[:, 2:], others[:, :2] - one[2:])
    apart = np.hypot(*np.maximum(between, 0).T)
    return np.where((between < 0).all(axis=1), -1, apart)


def _strips(shape: tuple[int, int], split: Split, random: np.random.Generator) -> list[Area]:
    """One strip per part, with gaps between them."""
    axes = _axes(shape, split)
    axis = axes[random.integers(len(axes))]
    counts = _counts(_units(shape[axis], split), split)
    order = [int(part) for part in random.permutation(len(PARTS)) if counts[part]]
    widths = counts * split.block_pixels
    left_over = shape[axis] - widths.sum() - (len(order) - 1) * split.gap_pixels
    lacking = np.array(split.shares) * widths.sum() - widths
    widths[max(order, key=lambda part: (lacking[part], split.shares[part]))] += left_over
    found, first = [], 0
    for part in order:
        sides = [slice(0, shape[0]), slice(0, shape[1])]
        sides[axis] = slice(first, first + int(widths[part]))
        found.append(Area(part, *sides))
        first = sides[axis].stop + split.gap_pixels
    return found


def _axes(shape: tuple[int, int], split: Split) -> list[int]:
    """The sides that strips may lie across: those that leave most whole blocks, and cut the shares finest.

    Sides that are equal in both have as many blocks of each part, so chance may choose between them.
    """
    units = [_units(length, split) for length in shape]
    blocks = [units[axis] * (shape[1 - axis] // split.block_pixels) for axis in (0, 1)]
    ranks = list(zip(blocks, units, strict=True))
    return [axis for axis in (0, 1) if ranks[axis] == max(ranks)]


def _units(length: int, split: Split) -> int:
    """Whole blocks along a side that has a gap between any two strips; at least one."""
    gaps = sum(share > 0 for share in split.shares) - 1
    return max(1, (length - gaps * split.gap_pixels) // split.block_pixels)


def _blocks(shape: tuple[int, int], split: Split, random: np.random.Generator) -> list[Area]:
    """Blocks with gaps around, row by row."""
    rows, columns = (_cut(length, split) for length in shape)
    parts = np.repeat(np.arange(len(PARTS)), _counts(len(rows) * len(columns), split))
    random.shuffle(parts)
    places = [(down, right) for down in rows for right in columns]
    return [Area(int(part), *place) for part, place in zip(parts, places, strict=True)]


def _cut(length: int, split: Split) -> list[slice]:
    """Blocks along a side; the last one reaches its end."""
    pitch = split.block_pixels + split.gap_pixels
    firsts = range(0, max(1, (length + split.gap_pixels) // pitch) * pitch, pitch)
    return [slice(first, length if first == firsts[-1] else first + split.block_pixels) for first in firsts]


def _count_blocks(shape: tuple[int, int], split: Split, region: str) -> list[int]:
    """Blocks of each part of a region."""
    down, right = (length // split.block_pixels for length in shape)
    if held := split.regions.get(region):
        return [down * right if part == held else 0 for part in PARTS]
    if split.arrangement == "blocks":
        rows, columns = (len(_cut(length, split)) for length in shape)
        return [int(count) for count in _counts(rows * columns, split)]
    axis = _axes(shape, split)[0]
    return [int(count) * (down, right)[1 - axis] for count in _counts(_units(shape[axis], split), split)]


def _counts(blocks: int, split: Split) -> np.ndarray:
    """Whole blocks for each share: rounded down, and what is left over to the largest remainders."""
    exact = np.array(split.shares) * blocks
    counts: np.ndarray = np.floor(exact + 1e-9).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: blocks - counts.sum()]] += 1
    return counts


def _parts_apart(one: Boxes, other: Boxes) -> float:
    """Least metres between the ground of one region and that of other parts in another; -1 if over it."""
    from revisit.cube.zones import across_zones

    least = np.inf
    for part in np.unique(one.parts):
        here, beside = one.bounds[one.parts == part], other.bounds[other.parts != part]
        if not len(beside):
            continue
        if one.epsg == other.epsg:
            metres = min(float(boxes_apart(box, beside).min()) for box in here)
        else:
            metres = across_zones(here, one.epsg, beside, other.epsg)
        least = min(least, metres)
    return least


def _boxes(grid: Grid, split: Split, seed: int, region: str) -> Boxes:
    """The areas of a region."""
    ground = areas(grid, split, seed, region)
    bounds = [grid.part((rows, columns)).bounds for _, rows, columns in ground]
    return Boxes(grid.epsg, np.array([area.part for area in ground]), np.array(bounds))
