"""The ground truth: what covers every pixel in every year, and what sets pixels of one kind apart.

Water, coast, river and natural vegetation come from noise; the rest is parcels: fields with crop rotations,
straight, in blocks of one direction, and pastures with winding borders. Towns grow parcel by parcel, forest
stands are felled and grow again, some parcels change between crop and grass.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtr

from revisit.archive.biomes import BUILT_YEARS, FIRST_YEAR, LAST_YEAR, Biome
from revisit.archive.kinds import CODES, KINDS, number
from revisit.archive.noise import Field, Shape, cells, fractal, spread, stream
from revisit.archive.patterns import PATTERNS, draw

Mask = NDArray[np.bool_]
Kinds = NDArray[np.uint8]
NEVER = 9999.0
PATTERN = np.array([PATTERNS.index(kind.pattern) for kind in KINDS.values()], dtype=np.intp)
STAND_PIXELS = 22  # width of pastures and of stands of trees
WINDING = 0.8  # area of parcels with winding borders, as a share of that of grass
GRASS_ON_WINDING = 0.85  # share of those parcels that are grass


@dataclass(frozen=True)
class Parcels:
    """Fields of one owner and crop: numbers (y, x), and their places along and across the block's rows.

    ``heading``: direction of the rows, radians from east to south. ``border``: pixels with a neighbour of
    another parcel. ``winding``, by number: the parcels with winding borders.
    """

    numbers: NDArray[np.int32]
    along: Field
    across: Field
    heading: Field
    border: Mask
    winding: Mask

    @property
    def count(self) -> int:
        return int(np.max(self.numbers)) + 1

    def means(self, field: Field) -> NDArray[np.float64]:
        """Mean of a field over every parcel, by number."""
        flat = self.numbers.ravel()
        total = np.bincount(flat, weights=field.ravel(), minlength=self.count)
        means: NDArray[np.float64] = total / np.bincount(flat, minlength=self.count)
        return means

    def mean(self, field: Field) -> Field:
        """Mean of a field over every parcel, on the pixels."""
        return self.means(field).astype(np.float32)[self.numbers]


class Land:
    """A piece of land, (rows, columns) pixels of 10 m.

    Fixed fields, all (y, x): ``timing`` (days a calendar comes later), ``vigour`` (factor on green
    canopy), ``soil`` and ``canopy`` (factors on the reflectance of the ground and of leaves), ``tint`` and
    ``moist`` (deviation of colour and of water content, about standard normal), ``rough`` and ``depth``
    (deviations of VV and of VH, standard normal), ``strength`` (factor on patterns), ``low`` (0 to 1, wetter
    ground), ``slope_east``, ``slope_south`` (rise per metre), ``heading`` (direction of rows and streets,
    radians from east to south).
    """

    def __init__(self, shape: Shape, biome: Biome, *key: object) -> None:
        self.shape, self.biome, self.key = shape, biome, key
        rng = stream(*key, "land")
        relief = fractal(shape, rng, 150, 3.4)
        height = relief * 60 * biome.relief  # metres
        self.slope_south, self.slope_east = (
            g.astype(np.float32) / 10 for g in np.gradient(spread(height, 2))
        )
        self.low = ndtr(-relief).astype(np.float32)

        water = self._water(rng, relief)
        stands, centres = cells(shape, rng, STAND_PIXELS, warp=3)
        parcels = self._parcels(rng, stands)
        score, towns = self._towns(rng, water, parcels)
        self._built_in = self._growth(rng, score, water, parcels)
        self._town_kinds = towns
        self._nature, self._felled_in = self._natural(rng, water, score, relief, parcels)
        self._parcels_map = parcels
        self._farming(rng, parcels)
        self._road = self._roads(rng) & (water != number("sea")) & (water != number("lake"))

        stand = rng.standard_normal((8, len(centres)), dtype=np.float32)
        parcel = rng.standard_normal((8, parcels.count), dtype=np.float32)
        wild = self._nature != 255
        timing, vigour, soil, tint, canopy, rough, depth, strength = (  # parcels differ, and stands too
            np.where(wild, of_stand[stands], of_parcel[parcels.numbers])
            for of_stand, of_parcel in zip(stand, parcel, strict=True)
        )
        wide = [fractal(shape, rng, 60) for _ in range(4)]
        self.timing = np.round(11 * timing + 4 * wide[0]).astype(np.int16)
        self.vigour = np.exp(0.2 * vigour + 0.1 * wide[1] + 0.05 * fractal(shape, rng, 8, 2))
        self.soil = np.float32(biome.soil_brightness) * np.exp(0.2 * soil + 0.16 * wide[2])
        self.canopy = np.exp(0.15 * canopy)
        self.tint = 0.8 * tint + 0.6 * wide[3]
        self.moist = 0.7 * timing + 0.7 * fractal(shape, rng, 25)
        self.rough, self.depth = rough, 0.75 * rough + 0.66 * depth
        self.strength = np.exp(0.2 * strength - 0.04)
        turned = (rng.random(parcels.count) < 0.3)[parcels.numbers]  # rows across the parcel
        self.heading = np.where(turned, parcels.heading + np.float32(np.pi / 2), parcels.heading)
        along = np.where(turned, parcels.across, parcels.along)
        across = np.where(turned, parcels.along, parcels.across)
        self._patterns = draw(parcels.numbers, along, across, rng)

    def cover(self, year: int) -> NDArray[np.uint8]:
        """WorldCover codes of a year, (y, x)."""
        return CODES[self.kinds(year)]

    @lru_cache(maxsize=2)  # noqa: B019 - a land lives as long as the program
    def kinds(self, year: int) -> Kinds:
        """Kinds of surface in the summer of a year, (y, x): indices into ``kinds.NAMES``."""
        kinds = np.where(self._nature == 255, self._crops(year)[self._parcels_map.numbers], self._nature)
        hedge = self._hedges & (self._nature == 255)
        kinds[hedge] = self._hedge_kind
        age = year - self._felled_in
        kinds[(age >= 0) & (age < 2)] = number("clear-cut")
        kinds[(age >= 2) & (age < 12)] = number("young trees")
        built = self._built_in <= year
        kinds[built] = self._town_kinds[built]
        kinds[self._road] = number("street")
        return kinds.astype(np.uint8)

    @lru_cache(maxsize=2)  # noqa: B019
    def pattern(self, year: int) -> Field:
        """What varies within parcels in a year, (y, x): mean 0, deviation ``strength``."""
        which = PATTERN[self.kinds(year)]
        found = np.take_along_axis(self._patterns, which[None], axis=0)[0]
        pattern: Field = np.where(which == 0, found, found * self.strength)
        return pattern

    def _water(self, rng: np.random.Generator, relief: Field) -> Kinds:
        """Sea, river and lakes; 255 elsewhere."""
        water = np.full(self.shape, 255, dtype=np.uint8)
        rows, columns = self.shape
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        angle = rng.uniform(0, 2 * np.pi)
        ramp = ((x - columns / 2) * np.cos(angle) + (y - rows / 2) * np.sin(angle)) / max(rows, columns)
        if self.biome.coast:
            sea = ramp + 0.07 * fractal(self.shape, rng, 110, 3)
            water[_longest(_top(sea, self.biome.coast))] = number("sea")
        if self.biome.river:
            across = (x - columns / 2) * np.sin(angle) - (y - rows / 2) * np.cos(angle)
            course = across - rng.uniform(-0.22, 0.22) * rows + 28 * fractal(self.shape, rng, 70, 4)
            width = rng.uniform(3.5, 6) * (1 + 0.25 * fractal(self.shape, rng, 50, 4))
            steep = np.hypot(*np.gradient(course))
            river = _longest(np.abs(course) < width / 2 * np.maximum(steep, 0.3))
            water[river & (water == 255)] = number("river")
        lakes = _top(-relief + 0.35 * fractal(self.shape, rng, 40, 3), self.biome.lakes + 0.006)
        water[lakes & (water == 255)] = number("lake")
        return water

    def _parcels(self, rng: np.random.Generator, stands: NDArray[np.int32]) -> Parcels:
        """Blocks of one direction cut into rows of parcels of unequal width and length; or pastures."""
        blocks, centres = cells(self.shape, rng, 100, warp=2.5)
        count = len(centres)
        main = rng.uniform(0, np.pi)
        turn = main + rng.choice([0, 0.12, -0.15, 0.5, np.pi / 2], count) + rng.normal(0, 0.05, count)
        narrow = rng.uniform(*self.biome.parcel_pixels, count)
        long = narrow * rng.uniform(1.4, 3.2, count)
        y, x = np.mgrid[: self.shape[0], : self.shape[1]]
        dy, dx = y - centres[blocks, 0], x - centres[blocks, 1]
        along = dx * np.cos(turn)[blocks] + dy * np.sin(turn)[blocks]
        across = dy * np.cos(turn)[blocks] - dx * np.sin(turn)[blocks]
        row = np.floor((across + 1.8 * np.sin(across / 14 + blocks)) / narrow[blocks])
        stagger = 11.3 * np.sin(12.9 * row + blocks)
        piece = np.floor((along + stagger + 3 * np.sin(along / 17 + 2.1 * row)) / long[blocks])
        key = (
            (blocks.astype(np.int64) + 1 << 32)  # above all stands
            + (row.astype(np.int64) + 5000 << 16)
            + piece.astype(np.int64)
            + 5000
        )
        pasture = (rng.random(count) < WINDING * self.biome.grass_parcels)[blocks]
        key = np.where(pasture, stands, key)
        keys, places = np.unique(key, return_inverse=True)
        numbers: NDArray[np.int32] = places.reshape(self.shape).astype(np.int32)
        winding = keys <= np.max(stands)
        border = np.zeros(self.shape, dtype=bool)
        border[:, 1:] |= numbers[:, 1:] != numbers[:, :-1]
        border[1:] |= numbers[1:] != numbers[:-1]
        heading = turn.astype(np.float32)[blocks]
        return Parcels(numbers, along.astype(np.float32), across.astype(np.float32), heading, border, winding)

    def _towns(self, rng: np.random.Generator, water: Kinds, parcels: Parcels) -> tuple[Field, Kinds]:
        """How urban a place is, and what stands there once it is built up."""
        rows, columns = self.shape
        dry = water == 255
        count = max(2, round(rows * columns / 65_000))
        score = np.full(self.shape, -np.inf, dtype=np.float32)
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        places = np.argwhere(ndimage.binary_erosion(dry, iterations=6))
        for centre in places[rng.choice(len(places), min(count, len(places)), replace=False)]:
            size = rng.uniform(0.35, 1) ** 1.5 * 60
            score = np.maximum(score, 1 - np.hypot(y - centre[0], x - centre[1]) / size)
        score += 0.25 * fractal(self.shape, rng, 30, 2.5)

        lane, house = parcels.along, parcels.across
        centre_town = parcels.mean(score) > 0.35
        works = (rng.random(parcels.count) < 0.14)[parcels.numbers] & ~centre_town
        street = (np.mod(lane, 17) < 1) | (np.mod(house, 9) < 1) | parcels.border
        front = (np.mod(house, 9) < 3) | (np.mod(house, 9) > 7)
        chance = rng.random(self.shape, dtype=np.float32)
        roofed = chance < np.where(centre_town, 0.7, np.where(front, 0.46, 0.1))
        red = rng.random(parcels.count)[parcels.numbers] < self.biome.red_roofs
        kinds = np.where(roofed, np.where(red, number("red roofs"), number("grey roofs")), number("yard"))
        kinds[~roofed & (chance > 0.93)] = number(next(iter(self.biome.forest_kinds)))
        hall = (np.mod(lane, 13) > 2) & (np.mod(house, 8) > 2)
        kinds = np.where(works, np.where(hall, number("bright roofs"), number("street")), kinds)
        dull = works & hall & (rng.random(parcels.count) < 0.5)[parcels.numbers]
        kinds[dull] = number("grey roofs")
        kinds[street & ~(works & hall)] = number("street")
        park = (rng.random(parcels.count) < 0.07)[parcels.numbers] & ~works
        kinds[park] = number(next(iter(self.biome.grass_kinds)))
        wood = park & (fractal(self.shape, rng, 5, 2) > 0.5)
        kinds[wood] = number(next(iter(self.biome.forest_kinds)))
        return score, kinds.astype(np.uint8)

    def _growth(self, rng: np.random.Generator, score: Field, water: Kinds, parcels: Parcels) -> Field:
        """Year from which a pixel is part of a town: whole parcels, the most urban ones first."""
        luck = 0.25 * rng.standard_normal(parcels.count) + 2.0 * (
            rng.random(parcels.count) < 0.012
        )  # hamlets
        dry = water == 255
        areas = np.bincount(parcels.numbers[dry], minlength=parcels.count)
        order = np.argsort(-(parcels.means(score) + luck), kind="stable")
        before = np.empty(parcels.count)  # share of the land that is built before a parcel
        before[order] = (np.cumsum(areas[order]) - 0.5 * areas[order]) / areas.sum()
        (start, end), (first, second) = self.biome.built, BUILT_YEARS
        years = first + (before - start) / (end - start) * (second - first)
        years = np.where(years < FIRST_YEAR, 0, np.where(years > LAST_YEAR, NEVER, years))
        return np.where(dry, years.astype(np.float32)[parcels.numbers], np.float32(NEVER))

    def _natural(
        self, rng: np.random.Generator, water: Kinds, score: Field, relief: Field, parcels: Parcels
    ) -> tuple[Kinds, Field]:
        """Water, forest, shrub, wetland and bare ground; 255 where parcels are. And the year of felling."""
        biome, nature = self.biome, water.copy()
        wet = ndimage.distance_transform_edt(water == 255)
        shore = ndimage.distance_transform_edt(water != number("sea")) if biome.coast else wet
        urban = np.clip(score, -2, 1)
        rough = fractal(self.shape, rng, 45, 3)
        wild = {
            "bare": fractal(self.shape, rng, 22, 3) - 0.4 * urban,
            "wetland": 0.9 * fractal(self.shape, rng, 25, 3) - relief - 0.5 * np.log1p(wet),
            "forest": parcels.mean(rough) + 0.6 * rough + 0.5 * relief - 0.3 * urban,
            "shrub": fractal(self.shape, rng, 18, 3) + 0.6 * rough + 0.3 * relief,
        }
        if biome.coast:  # beaches and dunes follow the shore
            wild["bare"] = 0.8 * wild["bare"] - shore / 5
        for name, field in wild.items():
            free = nature == 255
            taken = _top(np.where(free, field, -np.inf), getattr(biome, name) * np.mean(water == 255))
            shares = getattr(biome, f"{name}_kinds")
            kind = _choose(shares, ndtr(fractal(self.shape, rng, 30, 3)))
            nature[taken & free] = kind[taken & free]

        stands, centres = cells(self.shape, rng, 16, warp=3)
        first, last = 2004, 2026  # years of felling
        cut = rng.random(len(centres)) < biome.clear_cuts * (last - first)
        felled = np.where(cut, rng.integers(first, last, len(centres)), NEVER)[stands]
        felled[CODES[np.where(nature == 255, 0, nature)] != 10] = NEVER
        felled[nature == 255] = NEVER
        return nature, felled.astype(np.float32)

    def _farming(self, rng: np.random.Generator, parcels: Parcels) -> None:
        """What every parcel is used for, until which year, and its borders."""
        count, biome = parcels.count, self.biome
        use = rng.random(count)
        winding = WINDING * biome.grass_parcels
        straight = (biome.grass_parcels - winding * GRASS_ON_WINDING) / (1 - winding)
        grass = np.where(parcels.winding, GRASS_ON_WINDING, straight)
        planted = np.where(parcels.winding, 0, biome.planted_parcels / (1 - winding))
        self._grass = _choose(biome.grass_kinds, rng.random(count))
        self._planted = _choose(biome.planted_kinds or biome.grass_kinds, rng.random(count))
        self._use = np.where(use < grass, 0, np.where(use < grass + planted, 1, 2))
        then = BUILT_YEARS[1] + 1
        self._turns_in = np.where(rng.random(count) < 0.16, rng.integers(FIRST_YEAR + 1, then, count), NEVER)
        later = stream(*self.key, "later turns")  # of as many parcels a year, among those that are left
        turns = (self._turns_in == NEVER) & (later.random(count) < 0.08)
        self._turns_in[turns] = later.integers(then, LAST_YEAR + 1, count)[turns]
        self._phase = rng.integers(0, 1000, count)
        hedged = rng.random(count) < 0.3
        self._hedges = parcels.border & hedged[parcels.numbers]
        self._hedge_kind = number("broadleaf forest" if biome.planted_kinds else "young trees")

    def _crops(self, year: int) -> Kinds:
        """Kind on every parcel in a year."""
        rotation = np.array([number(name) for name in self.biome.rotation], dtype=np.uint8)
        crop = rotation[(year + self._phase) % len(rotation)]
        turned = year >= self._turns_in
        use = np.where(turned & (self._use != 1), 2 - self._use, self._use)
        return np.choose(use, [self._grass, self._planted, crop]).astype(np.uint8)

    def _roads(self, rng: np.random.Generator) -> Mask:
        """Two roads that wind across the land."""
        rows, columns = self.shape
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        road = np.zeros(self.shape, dtype=bool)
        for turn in (0.3, 1.9):
            angle = rng.uniform(0, 0.8) + turn
            course = (x - columns / 2) * np.cos(angle) + (y - rows / 2) * np.sin(angle)
            course += rng.uniform(-0.3, 0.3) * rows + 22 * fractal(self.shape, rng, 120, 4)
            road |= _longest(np.abs(course) < 0.7 * np.maximum(np.hypot(*np.gradient(course)), 0.3))
        return road


def _longest(mask: Mask) -> Mask:
    """The largest connected part of a mask."""
    parts, count = ndimage.label(mask, structure=np.ones((3, 3)))
    return parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]) if count else mask


def _top(field: Field, share: float) -> Mask:
    """Where a field is among the highest ``share`` of all pixels."""
    if share <= 0:
        return np.zeros(field.shape, dtype=bool)
    rank = int((1 - share) * field.size)
    among: Mask = field > np.partition(field, rank, axis=None)[rank]
    return among


def _choose(shares: dict[str, float], ranks: NDArray[np.floating]) -> Kinds:
    """Kinds by shares from uniform ranks."""
    edges = np.cumsum(list(shares.values()))[:-1]
    return np.array([number(name) for name in shares], dtype=np.uint8)[np.searchsorted(edges, ranks)]
