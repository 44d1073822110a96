"""Sentinel-1: gamma nought of the land on a day in VV and VH, seen from one side, with speckle and noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from revisit.archive.kinds import KINDS, number, table
from revisit.archive.noise import Field, Shape, fractal, spread, stream
from revisit.archive.optics import POROUS, WATER
from revisit.archive.season import CANOPY, HEIGHT, State

LOOKS = 4.4  # equivalent number of looks of an IW ground range product
PSF_PIXELS = 0.75  # resolution 20 m by 22 m on 10 m pixels
# Blur of the speckle. Neighbours correlate by 0.70 in it, and by 0.64 over the calmest ground of a scene.
# There, ten real dates over Belgium (April 2023) and six patches of BigEarthNet have medians of 0.67 along
# both axes in VV, of 0.67 and 0.63 in VH (both as tests/archive/test_realism.py measures them).
SPECKLE_PIXELS = 0.85
NOISE = 10 ** (-2.5)  # noise equivalent, linear power
BACKSCATTER = {
    name: np.array([getattr(kind, name) for kind in KINDS.values()], dtype=np.float32).T.copy()
    for name in ("vv", "vh")
}
BUILT = table("code") == 50
ROWS = np.array([kind.pattern in ("rows", "vines") for kind in KINDS.values()])
SCATTER = 7.5  # decibel by which patterns of crowns, rows and clods change it
TRACK = {
    True: 1.37,
    False: 1.77,
}  # direction of flight when ascending and descending, radians from east to south
SQUARE = 0.25  # rows and walls this near to the direction of flight, radians, shine


@dataclass(frozen=True)
class Response:
    """How strongly a polarisation follows what both see, decibel."""

    wet: float  # soil moisture
    edge: float  # walls and forest edges
    square: float  # rows and streets square to the beam
    canopy: float  # what a denser place in a patterned canopy adds to the ground's part
    chop: float  # waves


RESPONSE = {
    "vv": Response(wet=6, edge=1, square=3, canopy=1, chop=1.2),
    "vh": Response(wet=4.5, edge=0.8, square=1.5, canopy=-0.6, chop=0.4),
}
OWN = 1.6  # decibel by which parcels and stands of a kind differ
ASPECT = 3.0  # decibel from pixel to pixel of a town


def power(state: State, ascending: bool, displacement: tuple[float, float]) -> dict[str, Field]:
    """Mean gamma nought, linear power, displaced (pixels of 10 m): polarisation -> (y, x)."""
    land, kinds, day = state.land, state.kinds, state.day
    green = np.minimum(state.green * 1.15, 1)
    open_soil = (1 - green) * POROUS[kinds] * (1 - np.minimum(HEIGHT[kinds] / 10, 1))
    water = WATER[kinds] > 0
    look = 1 if ascending else -1  # an ascending pass looks east, so the west sides are bright

    height = HEIGHT[kinds]
    edge = (height - np.roll(height, look, axis=1)) / 18  # > 0: a wall or forest edge that faces the sensor
    edge = np.where(edge > 0, 3.2 * edge, 4.5 * edge)
    waves = fractal(land.shape, stream(*land.key, "waves", day.toordinal()), 40, 3) + state.wind - 4
    built = BUILT[kinds] & (kinds != number("street"))
    # rows and streets along the flight are square to the beam: fields and quarters light up from one orbit
    square = np.exp(-((np.sin(land.heading - TRACK[ascending]) / SQUARE) ** 2)) * (ROWS[kinds] + 1.5 * built)
    common = np.clip(land.slope_east * look * 14, -3, 3)  # what terrain correction leaves
    common -= 3.5 * state.snow * state.moisture  # wet snow absorbs
    # the angle of incidence is an orbit's own, rain on leaves a day's
    level_of_all = stream(*land.key, "orbit", int(ascending)).normal(0, 0.7)
    level_of_all += stream(*land.key, "level", day.toordinal()).normal(0, 0.3)

    result = {}
    for name, (without, under) in BACKSCATTER.items():
        respond = RESPONSE[name]
        clods = fractal(land.shape, stream(*land.key, "clods", name, day.year, day.month // 2), 10, 2)
        level = without.take(kinds) + green * (under - without).take(kinds) + common
        level += open_soil * (respond.wet * (state.moisture - 0.4) + 1.1 * clods)
        level += respond.edge * edge + respond.square * square
        level += OWN * (land.rough if name == "vv" else land.depth)
        level += SCATTER * state.pattern * np.where(CANOPY[kinds], np.float32(respond.canopy), 1)
        aspect = stream(*land.key, "aspect", name, int(ascending))
        level += built * (ASPECT * aspect.standard_normal(land.shape, dtype=np.float32))
        level = np.where(water, without.take(kinds) + respond.chop * waves, level)
        linear = np.exp((level + level_of_all) * np.float32(np.log(10) / 10)).astype(np.float32)
        result[name] = spread(linear, PSF_PIXELS, *displacement)
    return result


def speckle(shape: Shape, rng: np.random.Generator) -> Field:
    """Fully developed speckle (y, x): gamma with mean 1 and variance 1 / ``LOOKS``, alike between neighbours.

    A smooth normal field is mapped by the cube of Wilson and Hilferty (1931), whose moments are those of the
    gamma distribution within a few per cent, and which keeps the correlation.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    smooth = ndimage.gaussian_filter(white, SPECKLE_PIXELS, mode="wrap")
    one_pixel = np.zeros(33)
    one_pixel[16] = 1
    smooth /= np.sum(ndimage.gaussian_filter1d(one_pixel, SPECKLE_PIXELS) ** 2)  # deviation 1 again
    narrow = np.float32(1 / (9 * LOOKS))
    cubed: Field = np.maximum(1 - narrow + np.sqrt(narrow) * smooth, 0) ** 3
    return cubed


def speckled(
    mean: Field, nodata: float, rng: np.random.Generator, inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """A measurement of the mean power: fully developed speckle on the signal and the thermal noise."""
    measured = (mean + np.float32(NOISE)) * speckle(mean.shape, rng)
    # digits far below the speckle go: a third less to compress, store and read, for 0.002 dB
    measured = (measured.view(np.uint32) & 0xFFFFF000).view(np.float32)
    return np.where(inside, measured, np.float32(nodata))
