"""Sentinel-2's physics: displacement, clouds, and how hard the classes are to tell, beside Sentinel-1."""

from datetime import date

import numpy as np
import pytest
from scipy import ndimage
from skimage.registration import phase_cross_correlation
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from revisit.archive import optics, radar
from revisit.archive.biomes import BIOMES
from revisit.archive.kinds import BANDS
from revisit.archive.land import Land
from revisit.archive.noise import stream
from revisit.archive.optics import Light
from revisit.archive.season import State, state
from revisit.archive.weather import Weather

SHAPE = (300, 300)
LIGHT = Light(elevation=50, azimuth=150, incidence=5, view_azimuth=105)


@pytest.fixture(scope="module")
def summer() -> State:
    biome = BIOMES["temperate"]
    return state(Land(SHAPE, biome, 1, "test"), Weather(biome, False, 1, "test"), date(2020, 7, 5))


def seen(summer: State, cover: float, displacement: tuple[float, float] = (0, 0)) -> dict[str, np.ndarray]:
    rng = stream(7)
    above = optics.sky(SHAPE, cover, LIGHT, rng)
    return optics.seen(optics.ground(summer, LIGHT, rng), above, displacement)


@pytest.mark.parametrize("displacement", [(0.4, -0.7), (-1.6, 0.25)])
@pytest.mark.parametrize("band", ["red", "rededge2"])
def test_displacement_is_the_one_asked_for(
    summer: State, band: str, displacement: tuple[float, float]
) -> None:
    """Co-registration is judged by this truth: dx moves the content east, dy south, also at 20 m."""
    still, moved = seen(summer, 0), seen(summer, 0, displacement)
    shift, _, _ = phase_cross_correlation(still[band], moved[band], upsample_factor=100, normalization=None)
    metres = BANDS[band][3]
    found = -shift[::-1] * metres / 10
    np.testing.assert_allclose(found, displacement, atol=0.08)


@pytest.mark.parametrize("cover", [0.0, 0.3, 0.8])
def test_scene_classification_shows_the_clouds_but_not_all_of_their_edges(
    summer: State, cover: float
) -> None:
    """The mask a user gets must follow the true clouds and be as imperfect as the real one."""
    rng = stream(2)
    above = optics.sky(SHAPE, cover, LIGHT, rng)
    bands = optics.seen(optics.ground(summer, LIGHT, rng), above, (0, 0))
    scl = optics.scene_classes(bands, above, summer.snow, rng)
    called = np.isin(scl, (8, 9))
    assert np.mean(called) == pytest.approx(cover, abs=0.08)
    assert np.all(called[above.cloud > 0.7])
    if cover:
        assert np.any((above.cloud > 0.1) & np.isin(scl, (2, 4, 5, 6)))  # missed edges
        assert np.any((above.shadow > 0.3) & (scl != 3) & ~called)  # missed shadows


def test_bright_ground_is_called_cloud() -> None:
    """Bright roofs, quarries and beaches, as in real masks."""
    biome, rng = BIOMES["mediterranean"], stream(2)
    land, weather = Land(SHAPE, biome, 1, "test"), Weather(biome, False, 1, "test")
    today = state(land, weather, date(2020, 7, 5))
    above = optics.sky(SHAPE, 0, LIGHT, rng)
    scl = optics.scene_classes(optics.ground(today, LIGHT, rng), above, today.snow, rng)
    assert 0.0005 < np.mean(scl == 8) < 0.05


def test_clouds_are_bright_and_shadows_dark(summer: State) -> None:
    rng = stream(2)
    above = optics.sky(SHAPE, 0.35, LIGHT, rng)
    ground = optics.ground(summer, LIGHT, rng)
    clear = optics.seen(ground, optics.Sky(*(np.zeros_like(above.cloud),) * 4), (0, 0))["nir08"]
    cloudy = optics.seen(ground, above, (0, 0))["nir08"]
    assert cloudy[above.cloud > 0.8].mean() > 0.6
    assert np.mean(cloudy[above.shadow > 0.5] / clear[above.shadow > 0.5]) < 0.75


def test_one_date_is_hard_and_radar_is_harder(summer: State) -> None:
    """If one pixel of one date gave the class away, no method could show its worth; nor if nothing did."""
    rng = stream(3)
    inside = np.ones(SHAPE, dtype=bool)
    bands = seen(summer, 0)
    optical = np.stack(
        [
            np.kron(
                optics.digital_numbers(band, 0, 1, rng, np.ones(band.shape, dtype=bool)),
                np.ones((SHAPE[0] // band.shape[0],) * 2),
            ).ravel()
            for name, band in bands.items()
            if BANDS[name][3] < 60
        ],
        axis=1,
    )
    mean = radar.power(summer, True, (0, 0))
    images = [radar.speckled(power, 0, rng, inside) for power in mean.values()]
    backscatter = np.stack(  # one pixel of speckle tells next to nothing
        [10 * np.log10(ndimage.uniform_filter(image, 7)).ravel() for image in images], axis=1
    )
    classes = summer.land.cover(2020).ravel()
    sample = np.random.default_rng(0).permutation(classes.size)[:8000]
    train, test = sample[:4000], sample[4000:]
    accuracy = {}
    for name, features in (("optical", optical), ("radar", backscatter)):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
        accuracy[name] = model.fit(features[train], classes[train]).score(features[test], classes[test])
    majority = np.bincount(classes).max() / classes.size
    assert majority + 0.15 < accuracy["optical"] < 0.9
    assert majority + 0.02 < accuracy["radar"] < accuracy["optical"] - 0.05
