"""Displacements are found to a small part of a pixel, and where they cannot be, that is said."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy import fft, ndimage

from revisit.cube.coregistration.match import Match, agree, orientations, window_shifts

SIZE, FINER = 256, 4
SHIFTS = [(0.3, -0.7), (-1.6, 1.2), (2.4, 0.05)]

Look = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def look() -> Look:
    """Images (band, y, x) of one land, moved by (x, y), its parcels of other brightness for each seed."""
    random = np.random.default_rng(0)
    side = SIZE * FINER
    frequency = np.hypot(fft.fftfreq(side)[:, None], fft.rfftfreq(side))
    steep = (frequency**2 + 0.003**2) ** -0.9
    rough = [fft.irfft2(fft.rfft2(random.standard_normal((side, side))) * steep) for _ in range(7)]
    layers = np.stack([fft.rfft2(np.sign(layer - layer.mean())) for layer in rough])
    blur = np.exp(-2 * (np.pi * 0.55 * FINER * frequency) ** 2)

    def image(x: float, y: float, seed: int, bands: int = 2) -> np.ndarray:
        phase = fft.fftfreq(side)[:, None] * y + fft.rfftfreq(side) * x
        moved = layers * blur * np.exp(-2j * np.pi * FINER * phase)
        weights = np.random.default_rng(seed).uniform(-1, 1, (bands, len(layers)))
        return np.stack(
            [fft.irfft2((row[:, None, None] * moved).sum(0))[::FINER, ::FINER] for row in weights]
        )

    return image


def found(reference: np.ndarray, image: np.ndarray, valid: np.ndarray | None = None) -> Match:
    everywhere = np.ones(reference.shape[1:], bool)
    fields = [
        orientations(reference, everywhere),
        orientations(image, everywhere if valid is None else valid),
    ]
    return agree(window_shifts(fields[0], [fields[1]], 3, window=96)[0])


def speckled(power: np.ndarray, seed: int) -> np.ndarray:
    looks = np.random.default_rng(seed).gamma(4.4, 1 / 4.4, power.shape)
    return 10 * np.log10(10 ** (power / 5) * looks)


@pytest.mark.parametrize(("x", "y"), SHIFTS)
def test_changed_brightness(look: Look, x: float, y: float) -> None:
    """Between two dates every parcel may be brighter or darker: edges decide, not values."""
    match = found(look(0, 0, seed=1), look(x, y, seed=2))
    assert not match.cause
    assert (match.x, match.y) == pytest.approx((x, y), abs=0.1)
    assert match.confidence > 0.9


@pytest.mark.parametrize(("x", "y"), SHIFTS)
def test_speckle(look: Look, x: float, y: float) -> None:
    """A single SAR image against a mean of many, at 4.4 looks."""
    mean = np.mean([speckled(look(0, 0, seed=1), seed) for seed in range(8)], axis=0)
    match = found(mean, speckled(look(x, y, seed=1), 99))
    assert (match.x, match.y) == pytest.approx((x, y), abs=0.15)


def test_across_sensors(look: Look) -> None:
    """Optical and SAR share edges only, in strength unlike."""
    mean = np.mean([speckled(look(1.3, -0.6, seed=7), seed) for seed in range(16)], axis=0)
    match = found(look(0, 0, seed=1), mean)
    assert (match.x, match.y) == pytest.approx((1.3, -0.6), abs=0.15)


def test_clouds(look: Look) -> None:
    """A masked cloud bank that stands still pulls nothing towards it."""
    cloud = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal((SIZE, SIZE)), 12)
    clear = cloud < np.quantile(cloud, 0.55)
    image = np.where(clear, look(1.4, 0.8, seed=2), 30 + 1000 * cloud)
    match = found(look(0, 0, seed=1), image, clear)
    assert (match.x, match.y) == pytest.approx((1.4, 0.8), abs=0.15)


def test_one_mask_for_both(look: Look) -> None:
    """Ground left out of both images does not hold them together by its outline."""
    random = np.random.default_rng(4)
    shown = ndimage.gaussian_filter(random.standard_normal((SIZE, SIZE)), 12) < 0.005
    fields = [orientations(image + 5, shown) for image in (look(0, 0, seed=1), look(1.4, -0.9, seed=2))]
    match = agree(window_shifts(fields[0], [fields[1]], 3)[0])
    assert (match.x, match.y) == pytest.approx((1.4, -0.9), abs=0.15)


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (lambda look: np.random.default_rng(1).standard_normal((2, SIZE, SIZE)), "no clear peak"),
        (lambda look: look(0, 8, seed=1), "no clear peak"),
        (lambda look: np.zeros((2, SIZE, SIZE)), "too little valid ground"),
    ],
    ids=["noise", "beyond the search", "nothing"],
)
def test_thin_evidence(look: Look, image: Callable[[Look], np.ndarray], cause: str) -> None:
    """No answer is made up, and the cause is named."""
    match = found(look(0, 0, seed=1), image(look))
    assert (match.x, match.y, match.confidence, match.cause) == (0, 0, 0, cause)


def test_agreement() -> None:
    """Windows with clear peaks at different places are no evidence, nor are peaks as low as noise."""
    random = np.random.default_rng(0)
    anywhere, here = random.uniform(-3, 3, (40, 2)), random.normal(1, 0.1, (40, 2))
    assert agree(np.column_stack([anywhere, np.full(40, 20.0)])).cause == "windows disagree"
    assert agree(np.column_stack([here, np.full(40, 4.0)])).cause == "no clear peak"
    assert agree(np.column_stack([here, np.full(40, 20.0)])).x == pytest.approx(1, abs=0.05)


def real_pairs(shared: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    folder = shared / "real" / "bigearthnet_mm_example"
    pairs = []
    for radar in sorted((folder / "BigEarthNet-S1-Example").iterdir()):
        name = json.loads(next(radar.glob("*.json")).read_text())["corresponding_s2_patch"]
        optical = folder / "BigEarthNet-S2-Example" / name
        paths = [radar / f"{radar.name}_{band}.tif" for band in ("VV", "VH")]
        paths += [optical / f"{name}_{band}.tif" for band in ("B04", "B08")]
        bands = []
        for path in paths:
            with rasterio.open(path) as source:
                bands.append(source.read(1).astype(np.float32))
        pairs.append((np.stack(bands[:2]), np.stack(bands[2:])))
    return pairs


def test_real_optical(shared: Path) -> None:
    """Real Sentinel-2 patches of 120 pixels, moved and made noisy; some have edges of one direction only."""
    random = np.random.default_rng(0)
    for _, optical in real_pairs(shared):
        moved = np.stack([ndimage.shift(band, (-0.6, 1.3), mode="mirror") for band in optical])
        noise = 0.1 * optical.std(axis=(1, 2), keepdims=True)
        match = found(optical, moved + noise * random.standard_normal(moved.shape))
        assert (match.x, match.y) == pytest.approx((1.3, -0.6), abs=0.05)


def test_real_radar_to_optical(shared: Path) -> None:
    """Real pairs with speckle: the answer moves by as much as the optical image is moved."""
    errors = []
    for radar, optical in real_pairs(shared):
        everywhere = np.ones(radar.shape[1:], bool)
        reference = orientations(ndimage.median_filter(radar, (1, 3, 3)), everywhere)
        answers = []
        for x, y in ((0, 0), (0.7, -0.4), (-1.3, 0.9)):
            moved = np.stack([ndimage.shift(band, (y, x), mode="mirror") for band in optical])
            windows = window_shifts(reference, [orientations(moved, everywhere)], 5)[0]
            answers.append(np.nanmedian(windows[:, :2], axis=0) - (x, y))
        errors += [np.hypot(*(answer - answers[0])) for answer in answers[1:]]
    assert np.median(errors) < 0.2
