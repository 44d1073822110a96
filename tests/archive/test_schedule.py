"""Passes: dates, baselines, displacements."""

from datetime import date

import numpy as np
import pytest

from revisit.archive.biomes import BIOMES
from revisit.archive.schedule import sentinel1, sentinel2

PLACE = (5.0, 51.0)


def test_optical_products_follow_the_history_of_processing() -> None:
    """Baselines by date, and a second product only with a newer baseline, for dates before 04.00."""
    passes = sentinel2(range(2017, 2023), 12, BIOMES["temperate"], PLACE, 0.6, 0.3, 1, "x")
    for one in passes:
        new = one.when.date() >= date(2022, 1, 25)
        assert (one.baseline == "04.00") == new or one.sequence == 1
        assert one.platform == "S2A" or one.when.year >= 2017
    twice = [one for one in passes if one.sequence == 1]
    assert 8 < len(twice) < 32
    assert all(one.baseline == "05.00" and one.when.date() < date(2022, 1, 25) for one in twice)
    covers = np.array([one.cloud_cover for one in passes])
    assert np.mean(covers < 0.1) > 0.1 and np.mean(covers > 0.9) > 0.05


def test_radar_passes_are_near_optical_ones_but_not_on_the_same_day() -> None:
    """Pairs need dates within days; equal dates would make co-registration and change too easy."""
    optical = {one.when.date() for one in sentinel2([2020], 6, BIOMES["coast"], PLACE, 0.6, 0, 1, "x")}
    radar = [one.when.date() for one in sentinel1([2020], 6, 6, PLACE, 0.6, 1, "x")]
    assert len(optical) == 6 and len(set(radar)) == 6 and not optical & set(radar)
    near = [day for day in radar if min(abs((day - other).days) for other in optical) <= 4]
    assert len(near) >= 3
    states = {one.ascending for one in sentinel1(range(2015, 2023), 6, 6, PLACE, 0.6, 1, "x")}
    assert states == {True, False}


@pytest.mark.parametrize("longitude", [-179.0, -120.0, -93.0, 5.0, 88.5, 157.6, 179.0])
def test_days_are_those_of_utc_all_around_the_earth(longitude: float) -> None:
    """Products go by the date of UTC: all in their year, each on a day of its own, up to the most dates."""
    place = (longitude, 51.0)
    optical = sentinel2([2019], 120, BIOMES["coast"], place, 0.6, 0, 1, "x")
    radar = sentinel1([2019], 120, 120, place, 0.6, 1, "x")
    days = [one.when.date() for one in (*optical, *radar)]
    assert len(set(days)) == len(days) == 240
    assert {day.year for day in days} == {2019}


def test_displacements_are_bounded_and_of_the_size_asked_for() -> None:
    far = np.array([one.displacement for one in sentinel1(range(2015, 2023), 24, 0, PLACE, 3, 1, "x")])
    assert 1.99 < np.hypot(*far.T).max() < 2.001
    assert np.ptp(np.arctan2(*far.T)) > 6
    passes = sentinel1(range(2015, 2023), 24, 0, PLACE, 0.6, 1, "x")
    moved = np.array([one.displacement for one in passes])
    assert np.abs(moved).max() <= 2
    assert abs(moved.std() - 0.6) < 0.06


def test_refined_products_lie_nearer_to_the_map() -> None:
    """Since baseline 03.00 products are laid onto a reference image; reprocessed ones too."""
    passes = sentinel2(range(2017, 2023), 24, BIOMES["coast"], PLACE, 0.6, 0.5, 1, "x")
    refined = np.array([one.displacement for one in passes if one.baseline >= "03.00"])
    older = np.array([one.displacement for one in passes if one.baseline < "03.00"])
    assert abs(refined.std() - 0.2) < 0.03
    assert abs(older.std() - 0.6) < 0.09
