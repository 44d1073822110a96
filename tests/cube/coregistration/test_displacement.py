"""Dates are found where they lie from each other, and an orbit where it lies from the reference."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from scipy import ndimage

from revisit.cube.averages import mean_of_valid
from revisit.cube.contract import open_cube, values_of
from revisit.cube.coregistration import displacement
from revisit.cube.coregistration.match import Match
from revisit.cube.grid import Grid
from revisit.cube.write import create_cube

SIZE = 256

Look = Callable[[float, float, int], np.ndarray]


def test_the_last_that_matches_is_alone() -> None:
    """Where no other date could be placed, the centre would be the date's own position."""
    first, second = Match(0.4, 0.1, 0.9, 9, error=0.02), Match(windows=5, cause="windows disagree")
    assert displacement._centred([first, second], np.zeros(2, bool)) == [Match(cause="alone"), second]


def test_outlier_is_not_in_the_centre() -> None:
    """One date far off draws no other one towards it, and is itself measured from the others' centre."""
    random = np.random.default_rng(0)
    places = np.vstack([random.normal(0, 0.1, (9, 2)), [[2.5, -2.0]]])
    places[:9] -= places[:9].mean(axis=0) - (0.3, 0.1)
    matches = [Match(x, y, 1.0, 16, error=0.02) for x, y in places]
    found = np.array([(match.x, match.y) for match in displacement._centred(matches, np.zeros(10, bool))])
    np.testing.assert_allclose(found, places - (0.3, 0.1), atol=1e-9)


def test_errors_of_date_and_centre_add_up() -> None:
    """Errors 0.03 and, of the mean of nine such, 0.01."""
    angle = 2 * np.pi * np.arange(9) / 9
    matches = [Match(x, y, 1.0, 16, error=0.03) for x, y in zip(np.cos(angle), np.sin(angle), strict=True)]
    for match in displacement._centred(matches, np.zeros(9, bool)):
        assert match.error == pytest.approx(np.hypot(0.03, 0.01))


@pytest.mark.parametrize(
    ("low", "tall", "answer"),
    [
        ((0.7, 0.9), (1.0, 0.05), "taken"),  # what low ground there is says nothing against it
        ((-1.0, 0.6), (1.0, 0.05), "windows disagree"),  # it does
        ((0.7, 0.9), (1.0, 0.45), "windows disagree"),  # all ground agrees no better than usual
    ],
)
def test_gate_of_all_ground(
    monkeypatch: pytest.MonkeyPatch, low: tuple[float, float], tall: tuple[float, float], answer: str
) -> None:
    """All ground is believed where its windows agree better than usual and low ground does not contradict."""
    random = np.random.default_rng(0)

    def windows(middle: float, spread: float, count: int) -> np.ndarray:
        return np.column_stack([random.normal((middle, 0), spread, (count, 2)), np.full(count, 20.0)])

    answers = [windows(*low, 12), windows(*tall, 48)]
    monkeypatch.setattr(displacement, "_across_on", lambda *_: answers.pop(0))
    match = displacement._across([], [], [], 3)
    assert match.cause == ("" if answer == "taken" else answer)
    if answer == "taken":
        assert (match.x, match.y) == pytest.approx((1, 0), abs=0.05)


def speckled(look: Look, places: np.ndarray, seed: int, contrast: float = 3.5) -> np.ndarray:
    """Backscatter (time, 2, y, x) in dB of parcels under speckle of 4.4 looks that neighbours share."""
    random = np.random.default_rng(seed)
    images = []
    for x, y in places:
        smooth = ndimage.gaussian_filter(random.standard_normal((2, SIZE, SIZE)), (0, 0.85, 0.85))
        cube_root = 1 - 1 / (9 * 4.4) + np.sqrt(1 / (9 * 4.4)) * smooth / smooth.std()
        level = np.array([-12, -21])[:, None, None] + contrast * look(x, y, 7)
        images.append(level + 30 * np.log10(np.maximum(cube_root, 0.05)))
    return np.stack(images).astype(np.float32)


SERIES = {
    "two": np.array([[0.34, 0], [-0.34, 0]]),
    "three": np.array([[0.91, 0], [-0.91, 0], [0, 0.3]]),
    "eight": np.array(
        [
            [0.9, 0.2],
            [-0.6, -0.9],
            [0.3, 0.8],
            [-1.2, 0.4],
            [0.0, -0.5],
            [0.7, -0.7],
            [-0.4, 0.9],
            [0.3, -0.2],
        ]
    ),
}


@pytest.mark.parametrize("name", SERIES)
def test_short_series(look: Look, name: str) -> None:
    """Dates of a short series are not held back by their own part in the composite they are matched with.

    Nor are they claimed to be known better than they are: residuals of two axes have a median of 1.18 errors.
    """
    places = SERIES[name] - SERIES[name].mean(axis=0)
    shares, ratios = [], []
    for seed in range(4 if len(places) < 8 else 1):
        images = speckled(look, places, seed)
        sample = displacement.Sample(images, np.ones((len(places), SIZE, SIZE), bool))
        alike = np.zeros(len(places), bool)
        matches = displacement._settle([sample], np.arange(len(places)), alike, mean_of_valid, 3)
        assert not any(match.cause for match in matches)
        found = np.array([(match.x, match.y) for match in matches])
        found -= found.mean(axis=0)
        shares.append((found * places).sum() / (places**2).sum())
        ratios += list(np.hypot(*(found - places).T) / [match.error for match in matches])
    assert np.mean(shares) == pytest.approx(1, abs=0.12 if len(places) == 2 else 0.03)
    assert np.median(ratios) < 1.4


def test_a_date_that_the_others_alone_do_not_match_is_not_lost(look: Look) -> None:
    """Two faint images: it keeps the match with both together, which is held back, and says so."""
    places = SERIES["two"]
    sample = displacement.Sample(speckled(look, places, 0, 1.6), np.ones((2, SIZE, SIZE), bool))
    matches = displacement._settle([sample], np.arange(2), np.zeros(2, bool), mean_of_valid, 3)
    assert not any(match.cause for match in matches)
    found = np.array([(match.x, match.y) for match in matches])
    assert 0.2 < (found * places).sum() / (places**2).sum() < 1
    assert (np.hypot(*(found - places).T) < 2 * 1.18 * np.array([match.error for match in matches])).all()


def test_dates_and_orbit_are_measured_in_one_frame(look: Look, tmp_path: Path) -> None:
    """The mean that is matched with the reference lies at the centre that the dates are measured from.

    So the dates in it are put back from where they are said to lie, and from nowhere else.
    """
    places = np.array([[1.4, 0], [-0.7, 0.4], [-0.7, -0.4]])
    grid = Grid(32631, Affine(10, 0, 600_000, 0, -10, 5_400_000), SIZE, SIZE)
    with create_cube(
        tmp_path / "s1.zarr", grid, dates=3, bands=["vv", "vh"], sensor="sentinel-1", region="here",
        stage="raw", unit="dB", settings={},
    ) as writer:  # fmt: skip
        for number, image in enumerate(speckled(look, places, 0)):
            writer.write((slice(0, SIZE), slice(0, SIZE)), image, np.ones(grid.shape, bool))
            writer.keep(np.datetime64("2020-01-01") + 20 * number, relative_orbit=15)
    means: list[np.ndarray] = []

    def keep(_: object, radar: list[np.ndarray], *__: object) -> Match:
        means.extend(radar)
        return Match(0.5, -0.25, 1, 16, error=0.01)

    with pytest.MonkeyPatch.context() as patch, open_cube(tmp_path / "s1.zarr") as cube:
        patch.setattr(displacement, "_across", keep)
        matches, _ = displacement.radar(cube, cube, 3)
        alone, _ = displacement.radar(cube, None, 3)
        sample = displacement.Sample(values_of(cube).values, np.ones((3, SIZE, SIZE), bool))
    expected = displacement.mean_of_valid(*displacement._put_back(sample, alone, np.arange(3)))
    np.testing.assert_allclose(means[0], expected, atol=1e-5)
    for onto, own in zip(matches, alone, strict=True):
        assert (onto.x, onto.y) == pytest.approx((own.x + 0.5, own.y - 0.25))
