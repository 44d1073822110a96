"""How far the content of one image lies from that of another: many windows, one robust answer.

Images are compared by the direction of their edges, not by their brightness, so that a field that is
dark on one date and bright on the other, or dark in optical and bright in SAR, still matches. The idea is
that of oriented-gradient channels correlated by FFT (CFOG, Ye et al. 2019); instead of nine channels it
keeps one complex number a pixel, the gradient at its doubled angle (Granlund 1978), which is the second
harmonic of the same histogram and costs one FFT.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from revisit.cube.in_order import each

SMOOTHING = 1.5  # pixels, of the gradients
LEAST_VALID = 0.15  # share of a window that both images must show
LEAST_PEAK = 5.0  # height of a window's peak over the correlation around it, in standard deviations
LEAST_WINDOWS = 4
# A displacement is one once it is longer than this many standard errors: noise of a normal distribution in
# both axes is, once in 90 times.
BEYOND = 3.0


@dataclass(frozen=True)
class Gate:
    """How well windows have to agree to be believed."""

    agreement: float
    """Least share of the windows seen that lie within half a pixel of the answer."""
    error: float
    """Greatest standard error of the answer, pixels."""


USUAL, STRICT = Gate(agreement=0.6, error=0.15), Gate(agreement=0.65, error=0.1)
ANY = Gate(agreement=0, error=np.inf)


@dataclass(frozen=True)
class Match:
    """Displacement (pixels: ``x`` east, ``y`` south) of an image's content from the reference.

    ``confidence`` is the share of windows within half a pixel of it, ``error`` its standard error along an
    axis (pixels), as the scatter of the windows shows it: what moves all windows alike, such as longer
    shadows, is not in it. Where the evidence is thin, ``cause`` says why, displacement and confidence
    are 0, and the error is nan.
    """

    x: float = 0.0
    y: float = 0.0
    confidence: float = 0.0
    windows: int = 0
    cause: str = ""
    error: float = np.nan

    @property
    def beyond_error(self) -> bool:
        """Whether it is more than noise may look like."""
        return not self.cause and bool(np.hypot(self.x, self.y) > BEYOND * self.error)


def orientations(image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Edge strength and doubled direction, summed over bands: complex64 (y, x), 0 where not valid.

    ``image`` (band, y, x) in any unit, ``valid`` (y, x) bool. A pixel within 3 of an invalid one
    is left out too: its gradient is that of the mask.
    """
    reach = int(np.ceil(2 * SMOOTHING))
    # Two passes of one axis each: the square's erosion at a fraction of its price.
    near = ndimage.minimum_filter1d(valid.astype(np.uint8), 2 * reach + 1, axis=0, mode="nearest")
    inner = ndimage.minimum_filter1d(near, 2 * reach + 1, axis=1, mode="nearest").astype(bool)
    field = np.zeros(valid.shape, np.complex64)
    if not inner.any():
        return field
    for band in image:
        filled = np.where(valid, band, band[valid].mean()).astype(np.float32)
        east = ndimage.gaussian_filter(filled, SMOOTHING, order=(0, 1), truncate=3)
        south = ndimage.gaussian_filter(filled, SMOOTHING, order=(1, 0), truncate=3)
        gradient = east + 1j * south
        doubled = np.where(inner, gradient * gradient / (np.abs(gradient) + 1e-12), 0)
        strength = np.sqrt((np.abs(doubled[inner]) ** 2).mean())
        if strength > 0:
            field += doubled / strength
    return field


def window_shifts(
    reference: np.ndarray, fields: Sequence[np.ndarray], reach: float, window: int = 128, threads: int = 1
) -> list[np.ndarray]:
    """Displacement of each of ``fields`` from ``reference`` in half-overlapping windows: float (n, 3) each.

    The columns are x, y (pixels) and the peak's height over the correlation around it, in standard
    deviations. Reference and fields are of ``orientations`` (y, x). A window that shows too little of either
    is not among the n; one whose peak lies at the edge of the search (``reach`` pixels) is nan. Fields are
    compared in ``threads``.
    """
    side = max(16, min(window, min(reference.shape) // 2))
    radius = int(np.ceil(reach)) + 1
    taper = np.hanning(side + 2)[1:-1].astype(np.float32)
    taper = taper * taper[:, None]
    # The farther apart, the less the tapers overlap: that alone would draw peaks inwards.
    overlap = fft.fftshift(fft.ifft2(np.abs(fft.fft2(taper)) ** 2).real)
    wanted = fft.fft2(_cut(reference, side) * taper).conj()

    def shifts(field: np.ndarray) -> np.ndarray:
        enough = _cut((reference != 0) & (field != 0), side).mean((1, 2)) >= LEAST_VALID
        spectra = fft.fft2(_cut(field, side)[enough] * taper)
        surfaces = fft.fftshift(fft.ifft2(wanted[enough] * spectra).real, axes=(1, 2))
        return _peaks(surfaces, overlap, radius)

    return each(shifts, fields, threads)


def agree(shifts: np.ndarray, gate: Gate = USUAL) -> Match:
    """One displacement from those of many windows, or the cause why none is to be trusted.

    ``shifts`` (n, 3) are what ``window_shifts`` gives for one image.
    """
    seen = len(shifts)
    if seen < LEAST_WINDOWS:
        return Match(windows=seen, cause="too little valid ground")
    clear = shifts[(shifts[:, 2] >= LEAST_PEAK) & np.isfinite(shifts[:, 0])][:, :2]
    if len(clear) < max(LEAST_WINDOWS, gate.agreement * seen):
        return Match(windows=len(clear), cause="no clear peak")
    middle = np.median(clear, axis=0)
    away = np.abs(clear - middle)
    confidence = float((np.hypot(*away.T) <= 0.5).sum() / seen)
    # Standard error of a median; windows overlap by half, so about half of them are independent.
    error = float(1.2533 * 1.4826 * np.median(away, axis=0).max() / np.sqrt(len(clear) / 2))
    if confidence < gate.agreement or error > gate.error:
        return Match(windows=len(clear), cause="windows disagree")
    return Match(float(middle[0]), float(middle[1]), confidence, len(clear), error=error)


def _cut(field: np.ndarray, side: int) -> np.ndarray:
    """Square windows at half-side steps, the last ones flush with the far edges: (n, side, side)."""
    tops, lefts = (
        np.unique(np.append(np.arange(0, length - side + 1, side // 2), length - side))
        for length in field.shape
    )
    return np.stack([field[top : top + side, left : left + side] for top in tops for left in lefts])


def _peaks(surfaces: np.ndarray, overlap: np.ndarray, reach: int) -> np.ndarray:
    """Sub-pixel place and height (n, 3) of the peaks of correlation surfaces whose zero is at the centre."""
    count, centre = len(surfaces), surfaces.shape[1] // 2
    reach = min(reach, centre - 2)
    side = 2 * reach + 1
    inner = slice(centre - reach, centre + reach + 1)
    near = surfaces[:, inner, inner] / overlap[inner, inner] * overlap[centre, centre]
    rows, columns = np.divmod(near.reshape(count, side * side).argmax(axis=1), side)
    around = surfaces[:, _around(surfaces.shape[1], centre, reach)]
    windows = np.arange(count)
    heights = (near[windows, rows, columns] - around.mean(axis=1)) / (around.std(axis=1) + 1e-30)
    within = (rows > 0) & (rows < side - 1) & (columns > 0) & (columns < side - 1)
    middle_row, middle_column = (places.clip(1, side - 2)[:, None, None] for places in (rows, columns))
    steps = np.arange(-1, 2)
    x, y = _vertices(near[windows[:, None, None], middle_row + steps[:, None], middle_column + steps])
    found = np.stack([columns - reach + x, rows - reach + y, heights], axis=1).astype(float)
    found[~within, :2] = np.nan
    return found


def _around(side: int, centre: int, reach: int) -> np.ndarray:
    """Which values (side, side) lie beyond the search and its peak's foot, out to a quarter of the window."""
    outer = min(max(centre // 2, reach + 6), centre - 1)
    distance = np.abs(np.arange(side) - centre)
    ring = np.maximum(distance[:, None], distance)
    beyond: np.ndarray = (ring > reach + 2) & (ring <= outer)
    return beyond


def _vertices(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where paraboloids fitted to values (n, 3, 3) have their tops, from the middle; they may lie aslant."""
    slope_x, slope_y = (q[:, :, 2] - q[:, :, 0]).sum(axis=1) / 6, (q[:, 2] - q[:, 0]).sum(axis=1) / 6
    bend_x = (q[:, :, 0] - 2 * q[:, :, 1] + q[:, :, 2]).sum(axis=1) / 3
    bend_y = (q[:, 0] - 2 * q[:, 1] + q[:, 2]).sum(axis=1) / 3
    twist = (q[:, 0, 0] - q[:, 0, 2] - q[:, 2, 0] + q[:, 2, 2]) / 4
    scale = bend_x * bend_y - twist**2
    scale = np.where(scale > 0, scale, np.nan)  # else a ridge, not a peak
    return (twist * slope_y - bend_y * slope_x) / scale, (twist * slope_x - bend_x * slope_y) / scale
