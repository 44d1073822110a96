"""Pairs: of one place, a clear Sentinel-2 image and the Sentinel-1 image nearest to it in time."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from revisit.patches.writer import Look

SENSORS = RADAR, OPTICAL = "sentinel-1", "sentinel-2"
DAY = np.timedelta64(1, "D")
YEAR_DAYS = 365.25


def pairs(
    looks: Mapping[str, Look], settings: Mapping[str, Any], seed: list[int]
) -> tuple[list[dict[str, Look]], str]:
    """Up to ``samples_per_place`` pairs of a place, each one look of one date by sensor; else what it lacks.

    A date counts where at least ``min_valid`` of its pixels are valid; the dates of a pair are at most
    ``max_days_apart`` days from each other. Chosen are pairs unlike in season and year.
    """
    optical, radar = (_enough(looks[sensor], settings["min_valid"]) for sensor in (OPTICAL, RADAR))
    for sensor, dates in ((OPTICAL, optical), (RADAR, radar)):
        if not len(dates):
            return [], f"a clear date of {sensor}"
    times = looks[OPTICAL].times[optical]
    apart = np.abs(times[:, None] - looks[RADAR].times[radar]) / DAY
    near = apart.min(axis=1) <= settings["max_days_apart"]
    partners = radar[apart.argmin(axis=1)]
    candidates = np.flatnonzero(near)
    if not len(candidates):
        return [], "dates near each other"
    chosen = candidates[_spread(times[candidates], settings["samples_per_place"], seed)]
    return [
        {RADAR: _at(looks[RADAR], partners[index]), OPTICAL: _at(looks[OPTICAL], optical[index])}
        for index in chosen
    ], ""


def _enough(look: Look, min_valid: float) -> np.ndarray:
    return np.flatnonzero(look.valid.mean(axis=(1, 2)) >= min_valid)


def _at(look: Look, date: int) -> Look:
    return Look(*(part[date : date + 1] for part in look))


def _spread(times: np.ndarray, count: int, seed: list[int]) -> np.ndarray:
    """Indices of at most ``count`` times, in order: one by chance, then each time the one least like those.

    Likeness is distance on a cylinder: round it the season, along it the years; a decade weighs as much as
    half a year of season.
    """
    if len(times) <= count:
        return np.arange(len(times))
    days = (times - np.datetime64("2000-01-01")) / DAY
    angle = 2 * np.pi * days / YEAR_DAYS
    points = np.stack([np.cos(angle), np.sin(angle), days / (5 * YEAR_DAYS)], axis=1)
    chosen = [int(np.random.default_rng(seed).integers(len(times)))]
    least = np.full(len(times), np.inf)
    while len(chosen) < count:
        least = np.minimum(least, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int(least.argmax()))
    return np.sort(chosen)
