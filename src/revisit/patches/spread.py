"""The clear dates of a place, and a few of them that are unlike in season and year."""

import numpy as np

from revisit.patches.kind import Look

DAY = np.timedelta64(1, "D")
YEAR_DAYS = 365.25


def clear_dates(look: Look, min_valid: float) -> np.ndarray:
    """Indices of the dates of which at least ``min_valid`` of the pixels are valid."""
    return np.flatnonzero(look.valid.mean(axis=(1, 2)) >= min_valid)


def spread(times: np.ndarray, count: int, seed: list[int], preferred: np.ndarray | None = None) -> np.ndarray:
    """Indices of at most ``count`` times, in order: one by chance, then each time the one least like those.

    Likeness is distance on a cylinder: round it the season, along it the years; a decade weighs as much as
    half a year of season. The one by chance is among those ``preferred``, bool (time,), if there are any.
    """
    if len(times) <= count:
        return np.arange(len(times))
    first = np.arange(len(times)) if preferred is None or not preferred.any() else np.flatnonzero(preferred)
    days = (times - np.datetime64("2000-01-01")) / DAY
    angle = 2 * np.pi * days / YEAR_DAYS
    points = np.stack([np.cos(angle), np.sin(angle), days / (5 * YEAR_DAYS)], axis=1)
    chosen = [int(np.random.default_rng(seed).choice(first))]
    least = np.full(len(times), np.inf)
    while len(chosen) < count:
        least = np.minimum(least, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int(least.argmax()))
    return np.sort(chosen)
