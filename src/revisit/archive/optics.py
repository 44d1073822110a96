"""Sentinel-2: reflectance of the land on a day, light and slopes, haze, clouds and shadows, scene classes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from revisit.archive.kinds import BANDS, KINDS, SPECTRA, WAVELENGTHS, mixture, table
from revisit.archive.noise import Field, coarser, finer, fractal, spread
from revisit.archive.season import HEIGHT, State

LEAF = np.array([SPECTRA[kind.leaf] * (1 - kind.shade) for kind in KINDS.values()]).T.copy()
STRAW = np.array([SPECTRA[kind.straw] * (1 - kind.shade) for kind in KINDS.values()]).T.copy()
GROUND = np.array([mixture(kind.ground) * (1 - 0.6 * kind.shade) for kind in KINDS.values()]).T.copy()
SOIL = ("soil", "dark soil", "peat", "sand")
POROUS = np.array([sum(kind.ground.get(s, 0) for s in SOIL) for kind in KINDS.values()], dtype=np.float32)
WATER = (table("code") == 80).astype(np.float32)
MUDDY = SPECTRA["turbid water"] - SPECTRA["clear water"]
# cloud tops are white but for water and ice absorption; haze is blue
CLOUD = np.array([0.74, 0.75, 0.74, 0.74, 0.75, 0.75, 0.75, 0.75, 0.74, 0.55, 0.48, 0.36], dtype=np.float32)
HAZE = (WAVELENGTHS / 0.49) ** -2.6
TINT = np.clip((WAVELENGTHS - 0.7) / 0.5, -0.6, 0.6)  # colour: from bluish to reddish
MOIST = np.clip((WAVELENGTHS - 0.9) / 1.3, 0, 1)  # water in leaves and soil darkens the short-wave infrared
GAIN, TILT = 0.1, 0.1  # of a whole date, all classes alike: what correction of air and view angle leaves
PSF_PIXELS = 0.55  # of the band's own pixels: a modulation of 0.2 at the Nyquist frequency


@dataclass(frozen=True)
class Light:
    """Angles in degrees: the sun's elevation and azimuth, and the view's incidence and azimuth."""

    elevation: float
    azimuth: float
    incidence: float
    view_azimuth: float


@dataclass(frozen=True)
class Sky:
    """Fields (y, x), 0 to 1: opaque ``cloud``, thin ``veil``, ``shadow``; ``haze`` is a reflectance."""

    cloud: Field
    veil: Field
    shadow: Field
    haze: Field


def sky(shape: tuple[int, int], cover: float, light: Light, rng: np.random.Generator) -> Sky:
    """Clouds at 20 m that cover a share of a scene of ``shape`` (10 m); size and height are drawn."""
    half = (shape[0] // 2, shape[1] // 2)
    field = fractal(half, rng, scale=float(rng.choice([12, 25, 70])), slope=float(rng.uniform(2.6, 3.1)))
    rank = min(int((1 - cover) * field.size), field.size - 1)
    depth = np.maximum(field - np.partition(field, rank, axis=None)[rank] + 0.15, 0)
    cloud: Field = 1 - np.exp(-2.4 * depth**1.5) if cover > 0.01 else np.zeros(half, dtype=np.float32)
    veil = np.zeros(half, dtype=np.float32)
    if rng.random() < 0.3:
        veil = np.clip(0.12 * fractal(half, rng, 90, 3.2) + rng.uniform(-0.05, 0.12), 0, 0.35)
    height = rng.uniform(
        500, 1800
    )  # metres above the ground; noise is periodic, so clouds outside cast shadows too
    length = height / np.tan(np.radians(light.elevation)) / 20
    away = np.radians(light.azimuth + 180)
    shift = (-round(length * np.cos(away)), round(length * np.sin(away)))
    shadow = np.roll(spread(cloud, 1.2), shift, axis=(0, 1)) * (1 - cloud)
    haze = np.maximum(0.012 * abs(rng.normal()) * (1 + 0.5 * fractal(half, rng, 120, 3.2)), 0)
    return Sky(*(np.asarray(part, dtype=np.float32) for part in (cloud, veil, shadow, haze)))


def ground(state: State, light: Light, rng: np.random.Generator) -> dict[str, Field]:
    """Reflectance under a clear sky, undisplaced and without noise: band name -> (y, x) at 10 m."""
    land, kinds = state.land, state.kinds
    bare = 1 - state.green - state.dry
    wet = 1 - 0.45 * state.moisture * POROUS[kinds]
    below = bare * np.where(POROUS[kinds] > 0, land.soil, 1) * wet
    water = WATER[kinds]
    mud = water * np.clip(rng.normal(0.1, 0.15) + 0.15 * fractal(land.shape, rng, 60, 3.4), -0.15, 0.8)
    glint = np.float32(max(rng.normal(0.002, 0.004), 0))

    south, west = -math.cos(math.radians(light.azimuth)), -math.sin(math.radians(light.azimuth))
    steep = math.tan(math.radians(max(light.elevation, 15)))
    facing = land.slope_east * west - land.slope_south * south  # > 0: tilted to the sun
    step = (round(south), -round(west))
    height = HEIGHT[kinds]
    wall = np.roll(height, (-step[0], -step[1]), axis=(0, 1)) - height  # what stands between here and the sun
    shade = np.clip(wall / 18, 0, 1) * min(0.8, 0.5 / steep)
    east = np.linspace(-1, 1, land.shape[1], dtype=np.float32)
    side = math.copysign(1, math.sin(math.radians(light.view_azimuth)))
    bright = 1 + 0.004 * light.incidence * side * (0.7 + 0.5 * east)
    pattern = 1 + state.shade
    factor = pattern * np.clip(1 + 0.8 * facing / steep, 0.4, 1.6) * (1 - shade) * bright
    factor = np.where(water > 0, pattern, factor)
    gain, tilt = 1 + GAIN * rng.normal(), TILT * rng.normal()

    snowy = bool(state.snow.any())
    bands = {}
    for i, name in enumerate(BANDS):
        band = state.green * LEAF[i].take(kinds) + state.dry * STRAW[i].take(kinds)
        band = band * land.canopy + below * GROUND[i].take(kinds)
        band += mud * MUDDY[i] + water * glint
        band *= factor * (1 + (0.07 * TINT[i]) * land.tint) * (1 - (0.08 * MOIST[i]) * land.moist)
        if snowy:
            band += state.snow * (SPECTRA["snow"][i] * np.minimum(factor, 1.1) - band)
        bands[name] = band * np.float32(gain * (1 + tilt * TINT[i]))
    return bands


def seen(bands: dict[str, Field], above: Sky, displacement: tuple[float, float]) -> dict[str, Field]:
    """What the sensor receives, at each band's own resolution: the displaced ground under the sky.

    ``displacement`` is in pixels of 10 m.
    """
    skies = {
        10: Sky(*(finer(part) for part in (above.cloud, above.veil, above.shadow, above.haze))),
        20: above,
        60: Sky(*(coarser(part, 3) for part in (above.cloud, above.veil, above.shadow, above.haze))),
    }
    result = {}
    for i, (name, (_, wavelength, _, resolution)) in enumerate(BANDS.items()):
        over, times = skies[resolution], resolution // 10
        half = max(times // 2, 1)  # coarse bands are displaced on half their pixel, where nothing aliases
        right, down = displacement[0] / half, displacement[1] / half
        band = spread(coarser(bands[name], half), PSF_PIXELS * times / half, right, down)
        band = coarser(band, times // half)
        band *= 1 - (0.78 - 0.2 * (0.49 / wavelength)) * over.shadow  # shadows are lit by the blue sky
        band += HAZE[i] * over.haze
        band += over.veil * (0.55 * CLOUD[i] - band)
        band += over.cloud * (CLOUD[i] * (0.72 + 0.4 * over.cloud) - band)  # thick clouds are brighter
        result[name] = band
    return result


def scene_classes(
    bands: dict[str, Field], above: Sky, snow: Field, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Sentinel-2's scene classification at 20 m, with its usual faults, which come in patches.

    Thin edges of clouds and parts of shadows are missed, bright roofs called cloud.
    Codes: 2 dark, 3 shadow, 4 vegetation, 5 not vegetated, 6 water, 7 unclassified, 8 and 9 cloud of
    medium and high probability, 10 thin cirrus, 11 snow.
    """
    blue, green, red, nir = (spread(coarser(bands[name], 2), 0.9) for name in ("blue", "green", "red", "nir"))
    index = (nir - red) / np.maximum(nir + red, 1e-3)
    doubt = fractal(blue.shape, rng, 12, 3)
    cloud = above.cloud + 0.07 * doubt * (above.cloud > 0.02)
    scl = np.full(blue.shape, 5, dtype=np.uint8)
    scl[index > 0.35] = 4
    scl[(nir < 0.11) & (red < 0.08) & (index < 0.2)] = 2
    scl[(nir < 0.1) & (green > nir * 0.95) & (index < 0.1)] = 6
    scl[coarser(snow, 2) > 0.4] = 11
    scl[(above.shadow + 0.12 * doubt > 0.4) & (np.abs(doubt) > 0.06)] = 3
    scl[(cloud > 0.14) & (cloud <= 0.26)] = 7
    scl[(cloud > 0.26) | ((blue > 0.15) & (red < 0.3) & (doubt > -0.4) & (scl != 11))] = 8
    scl[cloud > 0.55] = 9
    scl[(above.veil > 0.13) & (cloud <= 0.26)] = 10
    scl = np.where(_alone(scl), ndimage.median_filter(scl, 3), scl)
    beside: NDArray[np.uint8] = np.where(_alone(scl), np.roll(scl, 1, axis=1), scl)
    return beside


def _alone(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels like none of their eight neighbours."""
    around = np.pad(classes, 1, mode="reflect")
    rows, columns = classes.shape
    alone = np.ones(classes.shape, dtype=bool)
    for down in range(3):
        for right in range(3):
            if (down, right) != (1, 1):
                alone &= around[down : down + rows, right : right + columns] != classes
    return alone


def digital_numbers(
    band: Field, offset: float, quality: float, rng: np.random.Generator, inside: NDArray[np.bool_]
) -> NDArray[np.uint16]:
    """uint16 with sensor noise; reflectance = DN * 0.0001 + ``offset``; 0 outside the swath."""
    gain = 1 + rng.normal(0, 0.015 * quality)
    noise = rng.standard_normal(band.shape, dtype=np.float32)
    noisy = band * gain + noise * quality * (0.0022 + 0.008 * band)
    numbers = np.clip(np.round((noisy - offset) * 10_000), 1, 65_535)
    return np.where(inside, numbers, 0).astype(np.uint16)
