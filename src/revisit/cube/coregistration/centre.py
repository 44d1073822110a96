"""The centre of the dates' positions, which stands for the map: images alone do not tell where that is.

A series of Sentinel-2 may hold two kinds of products. Those of processing baseline 03.00 and later, since 30
March 2021 or reprocessed, are geometrically refined: laid onto the Global Reference Image, which was to bring
pairs of dates to within 5 m of each other (95 %; ESA, "Forthcoming deployment of the Copernicus Sentinel-2
products geometric refinement", 22 March 2021). By how much they lie nearer to the map than the older ones is
not taken from there but measured: a kind's dates count by the inverse variance of their own positions.
"""

import numpy as np

REFINED_SINCE = 3.0
LEAST_OF_A_KIND = 4  # dates; of fewer the spread is not known, and all dates count alike
FARTHEST = 3.0  # standard deviations; what lies farther from its kind's median is an outlier
TINY = 1e-3  # pixels; no spread is known to be smaller


def is_refined(baselines: str) -> bool:
    """Whether all products of a date are refined, by their processing baselines, such as ``02.09 05.00``."""
    try:
        return min(float(baseline) for baseline in baselines.split()) >= REFINED_SINCE
    except ValueError:  # not stated
        return False


def weights(places: np.ndarray, refined: np.ndarray) -> np.ndarray:
    """Weights (n,), of sum 1, of the dates' ``places`` (n, 2) in their centre; outliers have none.

    ``refined`` (n,) bool tells the two kinds apart.
    """
    kinds = [kind for kind in (refined, ~refined) if kind.any()]
    if min(kind.sum() for kind in kinds) < LEAST_OF_A_KIND:
        kinds = [np.ones(len(places), bool)]
    result = np.zeros(len(places))
    for kind in kinds:
        near = _near(places[kind])
        kept = places[kind][near]
        spread = ((kept - kept.mean(axis=0)) ** 2).sum() / (2 * max(len(kept) - 1, 1))
        result[kind] = near / (spread + TINY**2)
    normed: np.ndarray = result / result.sum()
    return normed


def _near(places: np.ndarray) -> np.ndarray:
    """Which places are no outliers: at least half of them."""
    away = np.hypot(*(places - np.median(places, axis=0)).T)
    # The median distance of a normal scatter is 1.1774 deviations (Rayleigh).
    near: np.ndarray = away <= FARTHEST * np.median(away) / 1.1774 + 1e-9
    return near
