"""How near the parts of a set's split lie to each other, anywhere on Earth."""

import numpy as np
import pytest
from pyproj import Transformer

from revisit.patches import index_set


def apart(zone: int, one: tuple[float, float], *others: tuple[float, float], side: float) -> float:
    """Metres between the edges of patches with these centres in UTM."""
    to_degrees = Transformer.from_crs(zone, 4326, always_xy=True)
    centres, there = (np.radians([to_degrees.transform(*at) for at in some]) for some in ([one], others))
    return index_set._apart(centres, there, side)


@pytest.mark.parametrize("zone", [32629, 32633])
@pytest.mark.parametrize("north", [100_000, 4_600_000, 7_500_000])
@pytest.mark.parametrize("step", [(1200, 0), (0, 1200), (-1200, 1200)])
def test_neighbours_touch(zone: int, north: float, step: tuple[float, float]) -> None:
    """Patches side by side in UTM are 0 m apart, though sphere and ellipsoid differ; others as they are."""
    east = 500_000
    assert apart(zone, (east, north), (east + step[0], north + step[1]), side=1200) == 0
    far = apart(zone, (east, north), (east + 5 * step[0], north + 5 * step[1]), side=1200)
    assert far == pytest.approx(4 * np.hypot(*step), rel=0.01)


def test_nearest_edge_is_not_that_of_the_nearest_centre() -> None:
    """Aslant centres lie farther apart, and edges nearer."""
    beside, aslant = (400_000 + 1500, 5e6), (400_000 + 1200, 5e6 + 1200)
    found = apart(32632, (400_000, 5e6), beside, aslant, side=1000)
    assert found == pytest.approx(200 * np.sqrt(2), rel=0.05)


def test_across_the_date_line() -> None:
    """Either side of 180 degrees east is near the other."""
    one, other = (np.radians([[longitude, 10.0]]) for longitude in (179.999, -179.999))
    metres = 0.002 * 111_195 * np.cos(np.radians(10))
    assert index_set._apart(one, other, 100) == pytest.approx(metres - 100, abs=0.2)
