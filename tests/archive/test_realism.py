"""The simulated imagery beside real one, in the statistics a method can learn from.

The real imagery is a series over Belgium of April 2023 (64 × 66 pixels of 10 m) and the example pairs of
BigEarthNet-MM (120 × 120). The simulated one is looked at through windows of that size.
"""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy import ndimage

from revisit.archive import optics, radar
from revisit.archive.biomes import BIOMES
from revisit.archive.kinds import BANDS
from revisit.archive.land import Land
from revisit.archive.noise import stream
from revisit.archive.optics import Light
from revisit.archive.season import State, state
from revisit.archive.weather import Weather

SHAPE = (384, 384)
WINDOW, BLOCK, BOX = 64, 12, 9
GREEN = 0.35  # NDVI from which a scene classification says vegetation
LIGHT = Light(elevation=45, azimuth=155, incidence=5, view_azimuth=105)
REAL_BANDS = ("coastal", "red", "nir", "swir16")  # of the Belgian series
CLEAR_DATES = {"2023-04-05": date(2023, 4, 5), "2023-04-15": date(2023, 4, 15)}
# Of BigEarthNet's patches: folder, where and when it would be in the simulated Earth.
SEASONS = [
    ("S2A_MSIL2A_20170613T101031_87_48", "temperate", date(2017, 6, 13)),
    ("S2A_MSIL2A_20170617T113321_36_85", "temperate", date(2017, 6, 17)),
    ("S2A_MSIL2A_20170617T113321_4_55", "temperate", date(2017, 6, 17)),
    ("S2A_MSIL2A_20171221T112501_56_35", "mediterranean", date(2017, 12, 21)),
    ("S2B_MSIL2A_20170924T93020_69_24", "boreal", date(2017, 9, 24)),
]


# ---- real


def _read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


@pytest.fixture(scope="module")
def items(shared: Path) -> list[dict]:
    return json.loads((shared / "real/archive/items.json").read_text())["features"]


@pytest.fixture(scope="module")
def real_radar(shared: Path, items: list[dict]) -> list[tuple[np.ndarray, np.ndarray]]:
    """VV and VH, linear power, of ten Belgian dates and six patches of BigEarthNet."""
    folder = shared / "real/archive"
    pairs = [
        tuple(
            10 ** ((20 * np.log10(_read(folder / item["assets"][name]["href"]).astype(float)) - 83) / 10)
            for name in ("vv", "vh")
        )
        for item in items
        if "sentinel-1" in item["collection"]
    ]
    for vv in sorted((shared / "real/bigearthnet_mm_example").glob("*S1*/*/*_VV.tif")):
        both = vv, Path(str(vv).replace("_VV.tif", "_VH.tif"))
        pairs.append(tuple(10 ** (_read(path).astype(float) / 10) for path in both))
    assert len(pairs) == 16
    return pairs


@pytest.fixture(scope="module")
def real_optics(shared: Path, items: list[dict]) -> dict[str, np.ndarray]:
    """Reflectance (band, y, x) of the Belgian series' clear dates."""
    return {
        day: np.stack(
            [_read(shared / "real/archive" / item["assets"][band]["href"]) * 1e-4 for band in REAL_BANDS]
        )
        for item in items
        if (day := item["properties"]["datetime"][:10]) in CLEAR_DATES and "sentinel-2" in item["collection"]
    }


# ---- simulated


@pytest.fixture(scope="module")
def places() -> dict[str, tuple[Land, Weather]]:
    return {
        name: (Land(SHAPE, biome, 1, name), Weather(biome, False, 1, name)) for name, biome in BIOMES.items()
    }


def _windows(image: np.ndarray) -> Iterator[np.ndarray]:
    for y in range(0, image.shape[-2] - WINDOW + 1, WINDOW):
        for x in range(0, image.shape[-1] - WINDOW + 1, WINDOW):
            yield image[..., y : y + WINDOW, x : x + WINDOW]


def _seen(today: State, names: tuple[str, ...], *seed: int) -> np.ndarray:
    """Reflectance (band, y, x) under a clear sky, every band at 10 m."""
    nothing = np.zeros((SHAPE[0] // 2, SHAPE[1] // 2), dtype=np.float32)
    clear = optics.Sky(nothing, nothing, nothing, nothing + 0.01)
    bands = optics.seen(optics.ground(today, LIGHT, stream(*seed)), clear, (0, 0))
    return np.stack([np.kron(bands[name], np.ones((BANDS[name][3] // 10,) * 2)) for name in names])


@pytest.fixture(scope="module")
def simulated_radar(places: dict[str, tuple[Land, Weather]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """VV and VH of windows on dry land."""
    inside, result = np.ones(SHAPE, dtype=bool), []
    for number, (land, weather) in enumerate(places.values()):
        for ascending in (False, True):
            day = date(2023, 4, 10 + ascending)
            mean = radar.power(state(land, weather, day), ascending, (0, 0))
            images = [
                radar.speckled(power, 0, stream(number, band, ascending), inside)
                for band, power in mean.items()
            ]
            water = land.cover(2023) == 80
            for vv, vh, wet in zip(*(_windows(image) for image in (*images, water)), strict=True):
                if wet.mean() < 0.05:
                    result.append((vv, vh))
    return result


# ---- statistics


def _neighbours(power: np.ndarray) -> tuple[float, float, float]:
    """Of the quarter of the blocks with the least contrast: correlation along x and y, number of looks."""
    rows, columns = (side // BLOCK for side in power.shape)
    blocks = power[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    blocks = blocks.swapaxes(1, 2).reshape(-1, BLOCK, BLOCK)
    contrast = blocks.std((1, 2)) / blocks.mean((1, 2))
    calm = blocks[contrast <= np.quantile(contrast, 0.25)]
    off = calm / calm.mean((1, 2), keepdims=True) - 1
    variance = np.mean(off**2)
    across, along = np.mean(off[:, :, 1:] * off[:, :, :-1]), np.mean(off[:, 1:] * off[:, :-1])
    return float(across / variance), float(along / variance), float(1 / variance)


def _tie(vv: np.ndarray, vh: np.ndarray) -> float:
    """Correlation of the 9 × 9 means of VV and VH, in decibel."""
    half = BOX // 2
    means = [
        10 * np.log10(ndimage.uniform_filter(image.astype(float), BOX)[half:-half, half:-half])
        for image in (vv, vh)
    ]
    return float(np.corrcoef(*(image.ravel() for image in means))[0, 1])


def _alone(classes: np.ndarray) -> float:
    """Share of the pixels that are like none of their eight neighbours."""
    middle = classes[1:-1, 1:-1]
    unlike = np.ones(middle.shape, dtype=bool)
    for row in range(3):
        for column in range(3):
            if (row, column) != (1, 1):
                other = classes[row : row + middle.shape[0], column : column + middle.shape[1]]
                unlike &= other != middle
    return float(unlike.mean())


def _index(nir: np.ndarray, red: np.ndarray) -> np.ndarray:
    return (nir - red) / np.maximum(nir + red, 1e-3)


def _vegetation(nir: np.ndarray, red: np.ndarray) -> float:
    """Mean NDVI of what a scene classification calls vegetation."""
    index = _index(nir, red)
    return float(np.mean(index[index > GREEN]))


# ---- comparisons


@pytest.mark.parametrize("band", [0, 1], ids=["vv", "vh"])
def test_speckle_is_as_alike_between_neighbours_as_in_real_products(
    real_radar: list, simulated_radar: list, band: int
) -> None:
    """White speckle lets a network average it away, and tells masked pixels nothing of their neighbours."""
    real = np.median([_neighbours(pair[band]) for pair in real_radar], axis=0)
    simulated = np.median([_neighbours(pair[band]) for pair in simulated_radar], axis=0)
    np.testing.assert_allclose(real[:2], [(0.67, 0.67), (0.67, 0.63)][band], atol=0.01)
    np.testing.assert_allclose(simulated[:2], 0.64, atol=0.015)
    assert 0.7 < simulated[2] / real[2] < 1.4  # the number of looks


def test_polarisations_are_tied_as_loosely_as_in_real_products(
    real_radar: list, simulated_radar: list
) -> None:
    """What VV and VH share is no information that VH adds; real ones share far from all."""
    real = np.array([_tie(*pair) for pair in real_radar])
    simulated = np.array([_tie(*pair) for pair in simulated_radar])
    assert real.min() - 0.05 < np.median(simulated) < np.quantile(real, 0.75)
    assert np.mean((simulated > real.min() - 0.1) & (simulated < real.max())) > 0.8


@pytest.mark.parametrize("biome", BIOMES)
def test_scene_classes_err_in_patches(
    biome: str, shared: Path, items: list[dict], places: dict[str, tuple[Land, Weather]]
) -> None:
    """Errors of single pixels leave salt and pepper in cubes and composites that real masks do not leave."""
    folder = shared / "real/archive"
    real = [  # 20 m pixels, delivered at 10 m
        _alone(_read(folder / item["assets"]["scl"]["href"])[::2, ::2])
        for item in items
        if "sentinel-2" in item["collection"]
    ]
    land, weather = places[biome]
    simulated = []
    for cover in (0.05, 0.2, 0.4, 0.7):
        rng = stream(5, biome, int(100 * cover))
        today = state(land, weather, date(2023, 5, 10))
        above = optics.sky(SHAPE, cover, LIGHT, rng)
        bands = optics.seen(optics.ground(today, LIGHT, rng), above, (0, 0))
        simulated.append(_alone(optics.scene_classes(bands, above, today.snow, rng)))
    assert np.mean(simulated) < max(real) < 0.003


def test_reflectance_is_of_the_real_size_and_ties(
    real_optics: dict[str, np.ndarray], places: dict[str, tuple[Land, Weather]]
) -> None:
    """Means, deviations and correlations of bands, in April, through windows as green as the real one."""
    green = [
        window
        for number, day in enumerate(CLEAR_DATES.values())
        for window in _windows(_seen(state(*places["temperate"], day), REAL_BANDS, 3, number))
        if np.mean(_index(window[2], window[1]) > GREEN) > 0.75
    ]
    assert len(green) > 5
    real = np.stack(list(real_optics.values()))
    mean, deviation = (np.median([f(one) for one in green], axis=0) for f in (_means, _deviations))
    ratio = mean / np.mean([_means(one) for one in real], axis=0)
    assert np.all((ratio > 0.6) & (ratio < 1.7)), ratio
    ratio = deviation / np.mean([_deviations(one) for one in real], axis=0)
    assert np.all((ratio > 0.4) & (ratio < 2)), ratio
    for first, second, lowest, highest in ((0, 1, 0.4, 0.9), (1, 3, 0.3, 0.95), (1, 2, -0.8, 0.3)):
        found = np.median([np.corrcoef(one[first].ravel(), one[second].ravel())[0, 1] for one in green])
        true = [np.corrcoef(one[first].ravel(), one[second].ravel())[0, 1] for one in real]
        assert lowest < found < highest and lowest < min(true) and max(true) < highest, (first, second)


def _means(image: np.ndarray) -> np.ndarray:
    return image.mean((1, 2))


def _deviations(image: np.ndarray) -> np.ndarray:
    return image.std((1, 2))


def test_ndvi_takes_its_real_course(
    shared: Path, real_optics: dict[str, np.ndarray], places: dict[str, tuple[Land, Weather]]
) -> None:
    """What vegetation of the biome has in the season, and how little ten days of April change it."""
    folder = shared / "real/bigearthnet_mm_example/BigEarthNet-S2-Example"
    seasons = [(biome, day, _ndvi_of(folder / name / name)) for name, biome, day in SEASONS]
    first, second = (_vegetation(image[2], image[1]) for image in real_optics.values())
    seasons += [("temperate", date(2023, 4, 5), first), ("temperate", date(2023, 4, 15), second)]
    for number, (biome, day, real) in enumerate(seasons):
        index = _index(*_seen(state(*places[biome], day), ("nir", "red"), 4, number))
        low, high = np.quantile(index[index > GREEN], [0.03, 0.97])  # real patches show few of the kinds
        assert low < real < high, (biome, day, low, real, high)
    courses = [
        _vegetation(*_seen(state(*places["temperate"], day), ("nir", "red"), 6))
        for day in CLEAR_DATES.values()
    ]
    assert abs(courses[1] - courses[0] - (second - first)) < 0.04


def _ndvi_of(stem: Path) -> float:
    red, nir = (_read(Path(f"{stem}_{band}.tif")).astype(float) for band in ("B04", "B08"))
    return _vegetation(nir, red)
