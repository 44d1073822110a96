"""Sentinel-1: gamma nought of the land on a day in VV and VH, seen from one side, with speckle and noise."""

import numpy as np
from numpy.typing import NDArray

from revisit.archive.kinds import KINDS, number, table
from revisit.archive.noise import Field, fractal, spread, stream
from revisit.archive.optics import POROUS, WATER
from revisit.archive.season import HEIGHT, State

LOOKS = 4.4  # equivalent number of looks of an IW ground range product
PSF_PIXELS = 0.75  # resolution 20 m by 22 m on 10 m pixels
NOISE = 10 ** (-2.5)  # noise equivalent, linear power
BACKSCATTER = {
    name: np.array([getattr(kind, name) for kind in KINDS.values()], dtype=np.float32).T.copy()
    for name in ("vv", "vh")
}
BUILT = table("code") == 50
SCATTER = (table("grain") * 9).astype(np.float32)  # decibel from pixel to pixel: crowns, rows, clods


def power(state: State, ascending: bool, displacement: tuple[float, float]) -> dict[str, Field]:
    """Mean gamma nought, linear power, displaced (pixels of 10 m): polarisation -> (y, x)."""
    land, kinds = state.land, state.kinds
    green = np.minimum(state.green * 1.15, 1)
    open_soil = (1 - green) * POROUS[kinds] * (1 - np.minimum(HEIGHT[kinds] / 10, 1))
    water = WATER[kinds] > 0
    look = 1 if ascending else -1  # an ascending pass looks east, so the west sides are bright

    rng = stream(*land.key, "roughness", state.day.year, state.day.month // 2)
    rough = 1.1 * land.tint + 0.8 * fractal(land.shape, rng, 10, 2)  # ploughing, rows, lodging
    common = open_soil * (6 * (state.moisture - 0.4) + rough) + 0.5 * land.moist
    common -= 3.5 * state.snow * state.moisture  # wet snow absorbs
    slope = np.clip(land.slope_east * look * 14, -3, 3)  # what terrain correction leaves
    height = HEIGHT[kinds]
    edge = (height - np.roll(height, look, axis=1)) / 18  # > 0: a wall or forest edge that faces the sensor
    edge = np.where(edge > 0, 3.2 * edge, 4.5 * edge)
    chop = fractal(land.shape, rng, 40, 3) + 0.9 * (state.wind - 4)

    # streets square to the beam make corner reflectors: whole quarters light up from one side, not the other
    aspect = stream(*land.key, "aspect", int(ascending)).standard_normal(land.shape, dtype=np.float32)
    quarter = 2.2 * np.sin(land.timing.astype(np.float32) * (4 if ascending else 2))
    built = BUILT[kinds] & (kinds != number("street"))

    result = {}
    for name, (without, under) in BACKSCATTER.items():
        level = without.take(kinds) + green * (under - without).take(kinds)
        level += common + slope + edge + SCATTER.take(kinds) * land.grain
        level = np.where(built, level + quarter + 3.2 * aspect, level)
        level = np.where(water, without.take(kinds) + (chop if name == "vv" else 0.4 * chop), level)
        linear = np.exp(level * np.float32(np.log(10) / 10)).astype(np.float32)
        result[name] = spread(linear, PSF_PIXELS, *displacement)
    return result


def speckled(
    mean: Field, nodata: float, rng: np.random.Generator, inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """A measurement of the mean power: fully developed speckle on the signal and the thermal noise."""
    speckle = rng.standard_gamma(LOOKS, mean.shape, dtype=np.float32) / np.float32(LOOKS)
    measured = (mean + np.float32(NOISE)) * speckle
    # digits far below the speckle go: a third less to compress, store and read, for 0.002 dB
    measured = (measured.view(np.uint32) & 0xFFFFF000).view(np.float32)
    return np.where(inside, measured, np.float32(nodata))
