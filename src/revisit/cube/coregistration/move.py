"""Moves an image by a fraction of a pixel: one cubic resampling, and a mask that never claims too much.

Backscatter is moved in linear power: interpolated decibels would lie below the decibels of the power that a
sensor sees between two pixels, by 0.2 dB half-way in speckle of 4.4 looks.
"""

import math

import numpy as np
from scipy import ndimage

# Pixels that a spline remembers on either side: it fades by 0.27 a pixel, here to 2e-6.
MEMORY = 10
# Pixels around a block that its interpolation looks at.
MARGIN = MEMORY + 2
STEP = 32  # pixels summed by one product: few zeros among its weights, and enough work
# An interpolated power is held above this share of the darkest pixel it lies between. Cubic interpolation
# swings below zero beside a bright target, where a decibel has no meaning, and near zero in speckle, which
# would be dark specks that no sensor saw.
UNDERSHOOT = 0.5


class Move:
    """The move of one date by ``x`` columns and ``y`` rows: what its bands share is worked out once.

    ``known`` (y, x) bool: pixels that have a value in all bands; ``valid`` (y, x) bool: those to use. What is
    not valid lends no value to what is: a spline weighs a cloud 1.5 pixels away by -0.13. It keeps its own,
    interpolated linearly. ``seen`` (y, x) bool: valid pixels of the moved date, those that lie between valid
    ones.
    """

    def __init__(self, known: np.ndarray, valid: np.ndarray, x: float, y: float) -> None:
        ground = valid & known
        self.x, self.y = x, y
        self.seen = move_mask(ground, x, y)
        self._hidden = move_mask(known, x, y) & ~self.seen
        self._gaps = np.flatnonzero(~ground) if ground.any() else np.array([], int)
        if len(self._gaps):
            nearest = ndimage.distance_transform_edt(~ground, return_distances=False, return_indices=True)
            self._nearest = np.ravel_multi_index(nearest.reshape(2, -1)[:, self._gaps], ground.shape)

    def image(self, values: np.ndarray, decibels: bool = False) -> np.ndarray:
        """One band moved: float32 (y, x), NaN what nobody saw."""
        moved = np.full(values.shape, np.nan, np.float32)
        if self.seen.any():
            cubic = self._decibels(values) if decibels else self._cubic(values)
            np.copyto(moved, cubic, where=self.seen)
        if self._hidden.any():
            np.copyto(moved, _linear(values, self.x, self.y), where=self._hidden)
        return moved

    def _cubic(self, values: np.ndarray) -> np.ndarray:
        """By cubic B-splines, gaps filled with the nearest valid pixel."""
        if len(self._gaps):
            values = values.copy()
            np.put(values, self._gaps, np.take(values, self._nearest))
        return _cubic(values, self.x, self.y)

    def _decibels(self, values: np.ndarray) -> np.ndarray:
        """By its linear power."""
        power = np.power(10, values / 10, dtype=np.float32)
        darkest = power
        for axis, distance in ((0, self.y), (1, self.x)):
            whole, back = _split(distance)
            after = _place(darkest, whole, axis)
            darkest = np.minimum(after, _place(darkest, whole - 1, axis)) if back > 0 else after
        with np.errstate(divide="ignore", invalid="ignore"):  # no power at all: -inf dB, as it came
            moved: np.ndarray = 10 * np.log10(np.maximum(self._cubic(power), UNDERSHOOT * darkest))
        return moved


def move(values: np.ndarray, x: float, y: float, known: np.ndarray | None = None) -> np.ndarray:
    """Move the content of float32 (band, y, x) by ``x`` columns and ``y`` rows; NaN is what nobody saw.

    Cubic B-spline interpolation (equal to ``scipy.ndimage.shift`` of order 3, many times faster). Missing
    pixels are filled with the nearest known one before, and are missing again after, together with
    every pixel that was interpolated from one. ``known`` (y, x) bool: the pixels to move, if not all.
    """
    if known is None:
        known = ~np.isnan(values).any(axis=0)
    one = Move(known, known, x, y)
    return np.stack([one.image(image) for image in values])


def move_mask(mask: np.ndarray, x: float, y: float) -> np.ndarray:
    """Move a bool mask (y, x): true where all pixels that the new one lies between were."""
    for axis, distance in ((0, y), (1, x)):
        whole, back = _split(distance)
        after = _place(mask, whole, axis)
        mask = after & _place(mask, whole - 1, axis) if back > 0 else after
    return mask


def move_classes(classes: np.ndarray, x: float, y: float) -> np.ndarray:
    """Move integer classes (y, x) to the nearest pixel; 0 comes in at the edges."""
    return _place(_place(classes, round(y), 0), round(x), 1)


def _split(distance: float) -> tuple[int, float]:
    """Whole pixels forward, and the part of a pixel (0 to 1) back from there."""
    whole = math.ceil(distance)
    return whole, whole - distance


def _cubic(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """Interpolated by cubic B-splines: (y, x) without gaps, moved; it runs over from edge to edge."""
    for axis, distance in ((0, y), (1, x)):
        whole, back = _split(distance)
        image = np.roll(_correlate(image, *_spline(back), axis), whole, axis=axis)
    return image


def _linear(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """Interpolated between two neighbours: a gap (nan) makes gaps of those beside it alone."""
    for axis, distance in ((0, y), (1, x)):
        whole, back = _split(distance)
        image = np.roll(image, whole, axis=axis)
        if back:
            image = (1 - np.float32(back)) * image + np.float32(back) * np.roll(image, -1, axis=axis)
    return image


def _correlate(image: np.ndarray, weights: np.ndarray, before: int, axis: int) -> np.ndarray:
    """Sums of neighbours of float32 (y, x) along an axis, the first ``before`` of them before the pixel.

    As ``scipy.ndimage.correlate1d``, mirrored at the edges; many times faster, by products with a banded
    matrix of the weights. Without gaps: in a product a nan would spoil ``STEP`` pixels.
    """
    padding = [(0, 0), (0, 0)]
    padding[axis] = before, len(weights) - 1 - before
    padded = np.pad(image, padding, mode="reflect")
    result = np.empty(image.shape, np.float32)
    band = np.zeros((STEP, STEP + len(weights) - 1), np.float32)
    for row in range(STEP):
        band[row, row : row + len(weights)] = weights
    for start in range(0, image.shape[axis], STEP):
        stop = min(start + STEP, image.shape[axis])
        seen = slice(start, stop + len(weights) - 1)
        part = band[: stop - start, : seen.stop - start]
        if axis == 0:
            np.matmul(part, padded[seen], out=result[start:stop])
        else:
            np.matmul(padded[:, seen], part.T, out=result[:, start:stop])
    return result


def _spline(t: float) -> tuple[np.ndarray, int]:
    """Weights of values around ``t`` (0 to 1) between two of them, and how many lie before the first.

    Those of four cubic B-splines, and of the values that make their coefficients: a recursive filter with the
    pole sqrt(3) - 2 in either direction (Unser 1999), cut off where it has faded.
    """
    basis = (
        np.array([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * (1 - t) ** 3 - 6 * (1 - t) ** 2 + 4, t**3]) / 6
    )
    fading = math.sqrt(3) * (math.sqrt(3) - 2) ** np.abs(np.arange(-MEMORY, MEMORY + 1))
    return np.convolve(basis, fading), MEMORY + 1


def _place(image: np.ndarray, whole: int, axis: int) -> np.ndarray:
    """Move by whole pixels; zeros come in."""
    moved = np.zeros_like(image)
    length = image.shape[axis]
    if abs(whole) < length:
        into, out_of = [slice(None)] * 2, [slice(None)] * 2
        into[axis] = slice(max(whole, 0), length + min(whole, 0))
        out_of[axis] = slice(max(-whole, 0), length - max(whole, 0))
        moved[tuple(into)] = image[tuple(out_of)]
    return moved
