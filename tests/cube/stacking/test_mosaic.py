"""Protects which scene of a pass each pixel comes from."""

import numpy as np

from revisit.cube.contract import open_cube, values_of
from revisit.cube.stacking.stack import stack

PIXELS = 24  # the square of 240 m of `settings`
CLEAR, CLOUD = 4, 9


def test_a_cloudy_scene_overwrites_neither_a_clear_nor_an_earlier_cloudy_one(
    tmp_path, download, settings
) -> None:
    """Left half clear, then cloudy, in the first scene; the second is cloud throughout."""
    scenes = download("sentinel-2")
    scl = np.full((PIXELS, PIXELS), CLEAR, np.uint8)
    scl[:, 12:] = CLOUD
    first = {"red": np.full((PIXELS, PIXELS), 2000, np.uint16), "scl": scl}
    scenes.add("first", "2020-01-01T10:00:00Z", first, processing_baseline="03.00")
    second = {"red": np.full((PIXELS, PIXELS), 7000, np.uint16), "scl": np.full_like(scl, CLOUD)}
    scenes.add("second", "2020-01-01T10:00:14Z", second)
    stack(
        [scenes.manifest()], tmp_path / "raw.zarr", region="here", sensor="sentinel-2",
        settings=settings(["red"]),
    )  # fmt: skip
    cube = open_cube(tmp_path / "raw.zarr", stage="raw", sensor="sentinel-2")
    np.testing.assert_allclose(values_of(cube).values[0, 0], 0.2, atol=1e-6)
    np.testing.assert_array_equal(cube["valid"].values[0], scl == CLEAR)
    np.testing.assert_array_equal(cube["scl"].values[0], scl)
