"""Patterns within parcels: alike in the statistics of boxes, unlike in shape, the same for all years."""

import numpy as np
import pytest
from scipy import ndimage, stats

from revisit.archive.biomes import BIOMES
from revisit.archive.kinds import KINDS
from revisit.archive.land import Land
from revisit.archive.noise import stream
from revisit.archive.patterns import PATTERNS, draw

SHAPE = (240, 240)


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    """Each pattern on one parcel whose rows run at 30 degrees."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    along, across = x * np.cos(0.52) + y * np.sin(0.52), y * np.cos(0.52) - x * np.sin(0.52)
    return dict(zip(PATTERNS, draw(np.zeros(SHAPE, np.int32), along, across, stream(1)), strict=True))


def coherence(image: np.ndarray) -> float:
    """0 where gradients have no direction, 1 where they have one (structure tensor, 15 × 15)."""
    right, down = (ndimage.gaussian_filter(image, 0.8, order=order) for order in ((0, 1), (1, 0)))
    xx, yy, xy = (ndimage.uniform_filter(part, 15) for part in (right**2, down**2, right * down))
    return float(np.mean(np.hypot(xx - yy, 2 * xy) / (xx + yy)))


def test_windows_have_like_means_and_deviations(drawn: dict[str, np.ndarray]) -> None:
    """Statistics of boxes must not give a pattern away, or nobody would need to look at shapes."""
    for name, image in drawn.items():
        assert abs(image.mean()) < 0.05 and 0.85 < image.std() < 1.05, name
    spreads = {
        name: np.sqrt(
            np.maximum(ndimage.uniform_filter(image**2, 7) - ndimage.uniform_filter(image, 7) ** 2, 0)
        )
        for name, image in drawn.items()
        if name in ("tussocks", "rows", "crowns", "bushes", "ridges")
    }
    middles = [np.median(spread) for spread in spreads.values()]
    assert max(middles) < 1.35 * min(middles)


def test_shapes_differ(drawn: dict[str, np.ndarray]) -> None:
    """Direction, regularity and what stands out or back are there to be learnt."""
    directed = {name: coherence(drawn[name]) for name in ("tussocks", "rows", "vines", "ridges", "bushes")}
    assert min(directed["rows"], directed["vines"], directed["ridges"]) > 1.5 * directed["tussocks"]
    lopsided = {name: float(stats.skew(image, axis=None)) for name, image in drawn.items()}
    assert min(lopsided["crowns"], lopsided["tussocks"]) > 0.5
    assert max(lopsided["bushes"], lopsided["rows"], lopsided["creeks"]) < -0.5


def test_every_kind_has_a_pattern_there_is() -> None:
    assert {kind.pattern for kind in KINDS.values()} <= set(PATTERNS)


def test_rows_stay_where_they_are_from_year_to_year() -> None:
    """Fields are worked in one direction; what changes between years is the crop."""
    land = Land((120, 120), BIOMES["temperate"], 1, "x")
    same = land.kinds(2018) == land.kinds(2020)
    assert same.mean() > 0.4
    np.testing.assert_array_equal(land.pattern(2018)[same], land.pattern(2020)[same])
