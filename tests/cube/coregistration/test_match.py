"""Displacements are found to a small part of a pixel, and where they cannot be, that is said."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy import fft, ndimage

from revisit.cube.coregistration.match import STRICT, Gate, Match, agree, orientations, window_shifts

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


def around(middle: float, spread: float, count: int, height: float = 20.0) -> np.ndarray:
    """Shifts of windows along x: half of them ``spread`` to each side, peaks of one height."""
    sides = np.where(np.arange(count) % 2, spread, -spread)
    return np.column_stack([middle + sides, np.zeros(count), np.full(count, height)])


def test_thresholds() -> None:
    """Each stands where it is stated: a little better is believed, a little worse is not."""
    assert agree(around(1, 0.1, 4)).cause == ""
    assert agree(around(1, 0.1, 3)).cause == "too little valid ground"
    assert agree(around(1, 0.1, 40, height=5.05)).cause == ""
    assert agree(around(1, 0.1, 40, height=4.95)).cause == "no clear peak"
    # Of 100 windows some show no clear peak, or lie more than half a pixel off.
    for others in (around(1, 0.1, 100, height=2), around(-2, 0.1, 100)):
        kinds = [np.vstack([around(1, 0.1, near), others[: 100 - near]]) for near in (61, 58)]
        assert [bool(agree(shifts).cause) for shifts in kinds] == [False, True]
    # Half a pixel from the answer: of 11 windows 3 lie on it, 4 to each side.
    aside = [np.vstack([around(1, 0, 3), around(1, distance, 8)]) for distance in (0.49, 0.51)]
    assert [agree(shifts, Gate(0.6, 9)).cause for shifts in aside] == ["", "windows disagree"]
    # Standard error 1.2533 * 1.4826 * spread / sqrt(32 / 2): 0.15 at a spread of 0.3229.
    assert [agree(around(1, spread, 32)).cause for spread in (0.31, 0.335)] == ["", "windows disagree"]
    strict = [agree(around(1, spread, 32), STRICT).cause for spread in (0.205, 0.225)]
    assert strict == ["", "windows disagree"]
    near = [np.vstack([around(1, 0.1, near), around(-2, 0.1, 100 - near)]) for near in (66, 63)]
    assert [agree(shifts, STRICT).cause for shifts in near] == ["", "windows disagree"]


def test_a_window_shows_enough_of_both(look: Look) -> None:
    """A window counts that shows 15 % of its ground, the rim of the mask apart."""
    image, seen = look(0, 0, seed=1), []
    for share in (0.14, 0.16):
        field = orientations(image, np.ones((SIZE, SIZE), bool))
        field[:, int(share * SIZE / 2) :] = 0
        seen.append(len(window_shifts(field, [field], 3, window=SIZE // 2)[0]))
    assert seen == [0, 3]


def test_error_is_that_of_the_answer() -> None:
    """Over many draws answers lie nearer than their errors say by what overlapping windows were to cost."""
    random = np.random.default_rng(0)
    found = [agree(np.column_stack([random.normal(0, 0.2, (50, 2)), np.full(50, 20.0)])) for _ in range(300)]
    spread = np.std([match.x for match in found])
    # Errors count half the windows as independent, which these all are: a factor of sqrt(2); and they are
    # those of the worse axis.
    assert 1.3 < np.mean([match.error for match in found]) / spread < 1.75


def test_windows_are_not_drawn_inwards(look: Look) -> None:
    """Small windows and a long way: where tapers overlap less, peaks are not lower for that.

    Without the correction the answer falls short by more than a tenth of a pixel.
    """
    everywhere = np.ones((SIZE, SIZE), bool)
    still, moved = (orientations(look(x, y, seed=1), everywhere) for x, y in ((0, 0), (3.5, -3.3)))
    match = agree(window_shifts(still, [moved], 5, window=32)[0])
    assert (match.x, match.y) == pytest.approx((3.5, -3.3), abs=0.05)


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
