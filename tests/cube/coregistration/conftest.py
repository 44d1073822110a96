"""One land of parcels, seen from anywhere."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import fft

SIZE, FINER = 256, 3

Look = Callable[[float, float, int], np.ndarray]


@pytest.fixture(scope="session")
def look() -> Look:
    """Images (2, y, x) of one land, moved by (x, y), with another brightness of its parcels for each seed."""
    random = np.random.default_rng(0)
    side = SIZE * FINER
    frequency = np.hypot(fft.fftfreq(side)[:, None], fft.rfftfreq(side))
    steep = (frequency**2 + 0.004**2) ** -0.9
    rough = [fft.irfft2(fft.rfft2(random.standard_normal((side, side))) * steep) for _ in range(6)]
    layers = np.stack([fft.rfft2(np.sign(layer - layer.mean())) for layer in rough])
    layers = layers * np.exp(-2 * (np.pi * 0.55 * FINER * frequency) ** 2)

    def image(x: float, y: float, seed: int) -> np.ndarray:
        phase = np.exp(-2j * np.pi * FINER * (fft.fftfreq(side)[:, None] * y + fft.rfftfreq(side) * x))
        weights = np.random.default_rng(seed).uniform(-1, 1, (2, len(layers)))
        moved = [fft.irfft2((row[:, None, None] * layers * phase).sum(0)) for row in weights]
        return np.stack(moved)[:, ::FINER, ::FINER].astype(np.float32)

    return image
