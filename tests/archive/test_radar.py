"""Sentinel-1's statistics: speckle, seasons, sides."""

from datetime import date

import numpy as np
from scipy import stats

from revisit.archive import radar
from revisit.archive.biomes import BIOMES
from revisit.archive.kinds import BUILT, CROP, GRASS, TREE, WATER
from revisit.archive.land import Land
from revisit.archive.noise import stream
from revisit.archive.season import state
from revisit.archive.weather import Weather

SHAPE = (252, 252)


def test_speckle_has_the_looks_of_the_product() -> None:
    """Over uniform ground a gamma distribution of as many looks as stated; noise adds to the mean only."""
    mean = np.full((600, 600), 0.05, dtype=np.float32)
    values = radar.speckled(mean, -32768, stream(1), np.ones(mean.shape, dtype=bool))
    assert abs(values.mean() ** 2 / values.var() - radar.LOOKS) < 0.15
    assert abs(values.mean() - 0.05 - radar.NOISE) < 3e-4
    expected = stats.gamma(radar.LOOKS).ppf([0.01, 0.1, 0.5, 0.9, 0.99]) / radar.LOOKS
    found = np.quantile(values, [0.01, 0.1, 0.5, 0.9, 0.99]) / (0.05 + radar.NOISE)
    np.testing.assert_allclose(found, expected, rtol=0.03)


def test_neighbours_in_speckle_are_as_alike_as_its_blur_makes_them() -> None:
    """Blurred white noise correlates by exp(-1 / (4 blur²)) between pixels; the cube takes a little off."""
    off = radar.speckle((600, 600), stream(1)) - 1
    for one, other in ((off[:, 1:], off[:, :-1]), (off[1:], off[:-1])):
        found = np.mean(one * other) / np.mean(off**2)
        assert abs(found - np.exp(-1 / (4 * radar.SPECKLE_PIXELS**2))) < 0.02
        assert abs(found - 0.7) < 0.015


def test_outside_the_swath_is_nodata() -> None:
    inside = np.zeros((20, 20), dtype=bool)
    inside[:, :12] = True
    values = radar.speckled(np.full((20, 20), 0.1, np.float32), -32768, stream(1), inside)
    assert np.all(values[:, 12:] == -32768) and np.all(values[:, :12] > 0)


def test_levels_seasons_and_sides_are_plausible() -> None:
    """Water is dark, towns bright; crops change over the year, forest hardly; sides differ in towns."""
    biome = BIOMES["temperate"]
    land, weather = Land(SHAPE, biome, 1, "test"), Weather(biome, False, 1, "test")
    cover = land.cover(2020)
    months = [
        {name: 10 * np.log10(power) for name, power in radar.power(day, True, (0, 0)).items()}
        for day in (state(land, weather, date(2020, month, 15)) for month in (3, 5, 8, 11))
    ]
    vv, vh = (np.stack([month[name] for month in months]) for name in ("vv", "vh"))
    assert vv[:, cover == WATER].mean() < -14 < vv[:, cover == CROP].mean() < vv[:, cover == BUILT].mean() < 0
    assert np.all(vh.mean(axis=(1, 2)) < vv.mean(axis=(1, 2)) - 4)
    assert vh.std(axis=0)[cover == CROP].mean() > 2 * vh.std(axis=0)[cover == TREE].mean()
    day = state(land, weather, date(2020, 8, 15))
    change = 10 * np.log10(radar.power(day, False, (0, 0))["vv"]) - vv[2]
    change = np.abs(change - np.median(change))  # each orbit has a level of its own
    assert change[cover == BUILT].mean() > 1.1 * change[cover == GRASS].mean()


def test_rows_square_to_the_beam_shine() -> None:
    """Why a level of backscatter is no sure sign of a class, and why the two orbits differ in fields."""
    biome, shining, others = BIOMES["temperate"], [], []
    for seed in range(3):
        land, weather = Land(SHAPE, biome, seed, "test"), Weather(biome, False, seed, "test")
        vv = 10 * np.log10(radar.power(state(land, weather, date(2020, 4, 15)), True, (0, 0))["vv"])
        fields = land.cover(2020) == CROP
        square = np.abs(np.sin(land.heading - radar.TRACK[True])) < 0.15
        shining.append(vv[fields & square])
        others.append(vv[fields & ~square])
    assert np.concatenate(shining).mean() > np.concatenate(others).mean() + 1
