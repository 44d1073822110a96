"""Seeded random fields: smooth noise, blur by a displaced point spread function, cells, random streams."""

import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Field = NDArray[np.float32]
Shape = tuple[int, int]


def stream(*key: Any) -> np.random.Generator:
    """A random generator that depends on the key alone, so one more date changes no other date."""
    return np.random.default_rng([zlib.crc32(k.encode()) if isinstance(k, str) else k for k in key])


def fractal(shape: Shape, rng: np.random.Generator, scale: float, slope: float = 3.0) -> Field:
    """Noise of mean 0 and deviation 1 with structure up to about ``scale`` pixels.

    The power spectrum falls with ``slope`` above the frequency 1/scale. The field is periodic.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    field = fft.irfft2(fft.rfft2(white) * _amplitude(shape, scale, slope), s=shape)
    scaled: Field = (field / field.std()).astype(np.float32)
    return scaled


def ringed(shape: Shape, rng: np.random.Generator, wavelength: float) -> Field:
    """Noise of mean 0 and deviation 1 whose waves are about ``wavelength`` pixels long, in all directions."""
    white = rng.standard_normal(shape, dtype=np.float32)
    field = fft.irfft2(fft.rfft2(white) * _ring(shape, wavelength), s=shape)
    scaled: Field = (field / field.std()).astype(np.float32)
    return scaled


@lru_cache(maxsize=2)
def _ring(shape: Shape, wavelength: float) -> Field:
    frequency = np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None, :])
    single: Field = np.exp(-0.5 * ((frequency * wavelength - 1) / 0.2) ** 2).astype(np.float32)
    return single


@lru_cache(maxsize=32)
def _amplitude(shape: Shape, scale: float, slope: float) -> Field:
    frequency = np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None, :])
    amplitude = (frequency**2 + scale**-2.0) ** (-slope / 2)
    amplitude[0, 0] = 0  # no mean
    single: Field = amplitude.astype(np.float32)
    return single


def spread(field: Field, sigma: float, right: float = 0.0, down: float = 0.0) -> Field:
    """Blur by a Gaussian point spread function whose centre is displaced: blur and shift in one step.

    The content moves by ``right`` columns and ``down`` rows; sigma >= 0.55 pixels keeps the error of
    the sub-pixel shift below a hundredth of a pixel (that error is 4 pi sigma^2 exp(-2 pi^2 sigma^2)).
    """
    for axis, shift in ((0, down), (1, right)):
        radius = int(np.ceil(3.5 * sigma + abs(shift)))
        steps = np.arange(-radius, radius + 1)
        weights = np.exp(-0.5 * ((steps - shift) / sigma) ** 2)
        field = ndimage.convolve1d(field, weights / weights.sum(), axis=axis, mode="nearest")
    return field


def cells(
    shape: Shape, rng: np.random.Generator, size: int, warp: float = 0.0
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Voronoi cells about ``size`` pixels wide with wavy borders: numbers (y, x) and centres (cell, 2).

    The centres are those of a square grid, each moved by less than half a step, so that the nearest one
    lies at most two steps away.
    """
    rows, columns = (side // size + 7 for side in shape)
    grid = np.moveaxis(np.mgrid[:rows, :columns], 0, -1) * float(size) - 3.0 * size
    centres = grid + rng.uniform(-0.45 * size, 0.45 * size, grid.shape)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    if warp:
        y += np.float32(warp) * fractal(shape, rng, size / 2)
        x += np.float32(warp) * fractal(shape, rng, size / 2)
    row, column = (
        np.clip(np.rint(place / size).astype(np.int32) + 3, 2, n - 3)
        for place, n in ((y, rows), (x, columns))
    )
    nearest = np.full(shape, np.inf, dtype=np.float32)
    numbers = np.zeros(shape, dtype=np.int32)
    flat = centres.reshape(-1, 2).astype(np.float32)
    for down in range(-2, 3):
        for right in range(-2, 3):
            if abs(down) + abs(right) == 4:
                continue  # the corners are farther than the middle
            number = (row + down) * np.int32(columns) + column + right
            distance = (flat[:, 0].take(number) - y) ** 2 + (flat[:, 1].take(number) - x) ** 2
            closer = distance < nearest
            np.copyto(nearest, distance, where=closer)
            np.copyto(numbers, number, where=closer)
    return numbers, centres.reshape(-1, 2)


def coarser(field: Field, times: int) -> Field:
    """Mean of blocks of ``times`` x ``times`` pixels."""
    total = np.zeros((field.shape[0] // times, field.shape[1] // times), dtype=np.float32)
    for row in range(times):
        for column in range(times):
            total += field[row::times, column::times]
    total /= times**2
    return total


def finer(field: Field) -> Field:
    """Twice as many pixels each way, smoothly."""
    return spread(field.repeat(2, axis=0).repeat(2, axis=1), 0.9)
