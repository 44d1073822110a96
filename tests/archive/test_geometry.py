"""Grids, tile names and the sun."""

from datetime import datetime

import numpy as np
import pytest

from revisit.archive.geometry import Grid, covered, half_plane, scene_grid, sun, tile_grids, tile_name


def test_tile_name_is_that_of_the_military_grid() -> None:
    """The real tile of these places: the catalogues name them the same."""
    assert tile_name(Grid(32631, 643_260, 5_676_480, 6, 6)) == "31UFS"
    assert tile_name(Grid(32720, 609_960, 3_245_140, 6, 6)) == "20EPT"
    assert tile_name(Grid(32632, 450_000, 5_150_000, 6, 6)) == "32TMS"


@pytest.mark.parametrize("bbox", [(5.05, 51.2, 5.12, 51.25), (-70.9, -33.5, -70.84, -33.45)])
def test_all_resolutions_share_corners(bbox: tuple[float, float, float, float]) -> None:
    """10, 20 and 60 m bands nest, so the coarse ones can be upsampled by repetition."""
    scene = scene_grid(bbox, None)
    assert scene.epsg == (32631 if bbox[1] > 0 else 32719)
    for grid in (scene, *tile_grids(scene, bbox, 2)):
        assert grid.west % 60 == 0 and grid.north % 60 == 0
        assert grid.rows % 6 == 0 and grid.columns % 6 == 0


def test_swath_edge_cuts_off_part_of_a_scene() -> None:
    grid = Grid(32631, 600_000, 5_700_000, 120, 120)
    whole, part = half_plane(grid, -0.2, 0), half_plane(grid, -0.2, 0.25)
    assert covered(grid, whole).all()
    inside = covered(grid, part)
    assert 0.5 < inside.mean() < 0.9
    assert np.all(inside[60, :40]) and not inside[60, -1]


def test_sun_stands_where_it_should() -> None:
    """High in summer, low in winter, in the southeast in the north, in the northeast in the south."""
    summer, winter = (sun(51, datetime(2020, month, 21)) for month in (6, 12))
    assert summer[0] > 50 and winter[0] < 18 and 120 < winter[1] < 180
    assert sun(-33, datetime(2020, 12, 21))[0] > sun(-33, datetime(2020, 6, 21))[0]
    assert 0 < sun(-33, datetime(2020, 6, 21))[1] < 90
