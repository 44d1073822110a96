"""Rasters of benchmark sets are read in their unit, on the grid asked for, with what of them is valid."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from revisit.patches.kind import NO_TIME
from revisit.patches.rasters import optical, radar, read_raster


def test_valid_pixels() -> None:
    """Dark in some bands is data, in all bands none; saturated or unknown in one band is none."""
    numbers = np.array([[0, 0, 7, 7], [0, 5, 65535, 8]], np.uint16)[None, :, None]
    look = optical(numbers, [NO_TIME])
    assert look.valid.tolist() == [[[False, True, False, True]]]
    assert look.values[0, :, 0, 1] == pytest.approx([0, 5e-4])
    decibel = np.array([[-12, -99, np.inf, np.nan, -98], [-20, -20, -20, -20, -20]], np.float32)
    assert radar(decibel[None, :, None], [NO_TIME]).valid.tolist() == [[[True, False, False, False, True]]]


@pytest.mark.parametrize("nothing", [65535, -99, np.nan])
def test_what_says_nothing_is_not_mixed_in(tmp_path: Path, nothing: float) -> None:
    """Only pixels between whose centres and another's it stands are lost; the middle lies where it lay."""
    coarse = np.arange(24, dtype=np.float32).reshape(4, 6) + 1
    coarse[1, 2] = nothing
    about = {"driver": "GTiff", "width": 6, "height": 4, "count": 1, "dtype": "float32", "crs": 32632}
    place = rasterio.Affine(20, 0, 4e5, 0, -20, 5e6)
    with rasterio.open(tmp_path / "some.tif", "w", **about, transform=place) as file:
        file.write(coarse[None])
    finer = read_raster(tmp_path / "some.tif", (8, 12))
    lost = np.zeros((8, 12), bool)
    lost[1:5, 3:7] = True
    np.testing.assert_array_equal(np.isnan(finer.numbers[0]), lost)
    rows, columns = np.meshgrid(np.arange(8) / 2 - 0.25, np.arange(12) / 2 - 0.25, indexing="ij")
    plane = 1 + 6 * rows.clip(0, 3) + columns.clip(0, 5)
    np.testing.assert_allclose(finer.numbers[0][~lost], plane[~lost], rtol=1e-6)
    centre = read_raster(tmp_path / "some.tif").centre
    for shape in ((8, 12), (8, 6)):
        assert read_raster(tmp_path / "some.tif", shape).centre == pytest.approx(centre, abs=1e-12)
