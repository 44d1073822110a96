"""Sentinel-1's statistics: speckle, seasons, sides."""

from datetime import date

import numpy as np

from revisit.archive import radar
from revisit.archive.biomes import BIOMES
from revisit.archive.kinds import BUILT, CROP, TREE, WATER
from revisit.archive.land import Land
from revisit.archive.noise import stream
from revisit.archive.season import state
from revisit.archive.weather import Weather

SHAPE = (252, 252)


def test_speckle_has_the_looks_of_the_product() -> None:
    """Equivalent number of looks = mean^2 / variance over uniform ground; noise adds to the mean only."""
    mean = np.full((400, 400), 0.05, dtype=np.float32)
    values = radar.speckled(mean, -32768, stream(1), np.ones(mean.shape, dtype=bool))
    assert abs(values.mean() ** 2 / values.var() - radar.LOOKS) < 0.1
    assert abs(values.mean() - 0.05 - radar.NOISE) < 2e-4


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
    other = 10 * np.log10(radar.power(day, False, (0, 0))["vv"])
    change = np.abs(other - vv[2])
    assert change[cover == BUILT].mean() > 1.5 * change[cover == CROP].mean()
