"""Composites are those of numpy over the valid dates, and of nothing else."""

import warnings

import numpy as np

from revisit.cube.averages import mean_of_power, mean_of_valid, median_of_valid


def series() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    values = random.normal(-12, 4, (7, 2, 9, 8)).astype(np.float32)
    valid = random.random((7, 9, 8)) < 0.5
    valid[:, 0, 0] = False
    valid[1:, 0, 1] = False
    values[0, :, 5, 5] = np.nan
    valid[0, 5, 5] = False
    return values, valid


def test_median() -> None:
    """Of odd and even counts, one date, and none."""
    values, valid = series()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.nanmedian(np.where(valid[:, None], values, np.nan), axis=0)
    np.testing.assert_allclose(median_of_valid(values, valid), expected, rtol=1e-6)
    assert np.isnan(expected[:, 0, 0]).all()


def test_mean() -> None:
    """Of the valid dates alone; none leaves NaN."""
    values, valid = series()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.nanmean(np.where(valid[:, None], values, np.nan), axis=0)
    np.testing.assert_allclose(mean_of_valid(values, valid), expected, rtol=1e-5)
    assert np.isnan(expected[:, 0, 0]).all()


def test_mean_of_power() -> None:
    """Power is averaged, not decibels: speckle would lower the mean by a fifth otherwise."""
    values, valid = series()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        power = np.where(valid[:, None], 10 ** (values.astype(np.float64) / 10), np.nan)
        expected = 10 * np.log10(np.nanmean(power, axis=0))
    np.testing.assert_allclose(mean_of_power(values, valid), expected, rtol=1e-5)
