"""Patterns finer than a parcel: rows of crops and trees, crowns, bushes, creeks, ridges, tussocks.

They differ in shape and hardly in strength or scale: each has mean 0 and deviation 1, and most have their
power near one wavelength. So the mean and deviation of a window say little about which one it shows, while
direction, regularity and the sign of the skewness tell: crowns and tussocks stand out, gaps between rows,
bushes and creeks stand back.
"""

import numpy as np
from numpy.typing import NDArray

from revisit.archive.noise import Field, fractal, ringed, spread

# Patterns of how dense the canopy is; the others are of light and shade.
OF_CANOPY = ("rows", "vines", "lattice", "creeks")
PATTERNS = ("plain", "tussocks", "rows", "vines", "lattice", "crowns", "bushes", "creeks", "ridges")
WAVELENGTH = 4.8  # pixels of 10 m: tramlines, drains and beds, gaps between groups of crowns
VINES_WAVELENGTH, TREES_WAVELENGTH = 3.6, 6.6  # of vineyard blocks, of the groups of trees in orchards
CREEK_PIXELS = 10  # how far creeks lie from each other
WILD = 0.4  # weight of irregularity beside what people planted


def draw(
    numbers: NDArray[np.int32], along: Field, across: Field, rng: np.random.Generator
) -> NDArray[np.float32]:
    """All patterns of a piece of land, (pattern, y, x), in the order of ``PATTERNS``.

    ``numbers`` are those of the parcels, ``along`` and ``across`` the places along and across their rows, in
    pixels.
    """
    (rows, columns), count = along.shape, int(np.max(numbers)) + 1
    shape = rows, columns
    stretch = rng.uniform(0.92, 1.08, count).astype(np.float32)[numbers] * np.float32(2 * np.pi)
    offset = rng.uniform(0, 2 * np.pi, count).astype(np.float32)[numbers]
    side, length = across * stretch, along * stretch
    first, second, third = (ringed(shape, rng, WAVELENGTH) for _ in range(3))
    bed = fractal(shape, rng, 70, 4)
    course = rng.uniform(0, 2 * np.pi)
    down, right = (np.arange(size, dtype=np.float32) for size in shape)
    ramp = (down * np.sin(course))[:, None] + (right * np.cos(course))[None, :]
    creeks = -np.exp(-((fractal(shape, rng, CREEK_PIXELS, 3.5) / 0.3) ** 2))
    found = {
        "plain": spread(rng.standard_normal(shape, dtype=np.float32), 0.45),
        "tussocks": np.exp(0.5 * first),
        "rows": _planted(_gaps(side / WAVELENGTH + offset), second),
        "vines": _planted(_gaps(side / VINES_WAVELENGTH + offset), second),
        "lattice": _planted(
            _gaps(side / TREES_WAVELENGTH + offset) * _gaps(length / TREES_WAVELENGTH), third
        ),
        "crowns": np.exp(0.5 * second),
        "bushes": -np.exp(0.5 * third),
        "creeks": creeks,
        "ridges": np.sin(2 * np.pi / WAVELENGTH * ramp + 24 * bed),
    }
    return np.stack([_standard(found[name]) for name in PATTERNS])


def _gaps(phase: NDArray[np.floating]) -> Field:
    """1 on rows, 0 in the narrow gaps between them."""
    rows: Field = 1 - np.exp(-((np.sin(0.5 * phase) / 0.5) ** 2)).astype(np.float32)
    return rows


def _planted(regular: Field, noise: Field) -> Field:
    """A regular pattern and a share of an irregular one."""
    total: Field = _standard(regular) + np.float32(WILD) * noise
    return total


def _standard(field: Field) -> Field:
    scaled: Field = np.clip((field - field.mean()) / field.std(), -3, 3).astype(np.float32)
    return scaled
