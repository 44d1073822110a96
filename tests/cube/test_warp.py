"""Protects resampling to the cube's grid: what is quick must be what GDAL gives."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.warp import Resampling, reproject

from revisit.cube import warp
from revisit.cube.grid import Grid


@settings(max_examples=40, deadline=None)
@given(
    st.integers(3, 9),
    st.integers(3, 9),
    st.integers(-60, 90),
    st.integers(-60, 90),
    st.sampled_from([10, 20, 60]),
    st.sampled_from([0, 0.3]),
)
def test_quick_bilinear_is_gdals(
    height: int, width: int, east: int, south: int, resolution: int, holes: float
) -> None:
    """The quick way gives GDAL's numbers, edges and missing pixels included; of integers, rounded."""
    random = np.random.default_rng(0)
    values = random.random((height, width), dtype=np.float32)
    values[random.random(values.shape) < holes] = np.nan
    source = Affine(resolution, 0, 1000, 0, -resolution, 9000)
    # half a metre aside: whether a centre on the very edge lies inside differs between GDAL's releases
    grid = Grid(32631, Affine(10, 0, 1000.5 + east, 0, -10, 8999.5 - south), 11, 13)
    expected = np.full(grid.shape, np.nan, np.float32)
    places = {
        "src_transform": source,
        "dst_transform": grid.transform,
        "src_crs": grid.crs,
        "dst_crs": grid.crs,
    }
    reproject(
        values,
        expected,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=Resampling.bilinear,
        tolerance=0,
        **places,
    )
    np.testing.assert_allclose(warp._bilinear(values, source, grid, np.nan), expected, atol=1e-5)
    steps = np.nan_to_num(np.rint(values * 1000), nan=-32768).astype(np.int16)
    found = warp._bilinear(steps, source, grid, -32768)
    np.testing.assert_array_equal(found == -32768, np.isnan(expected))
    np.testing.assert_allclose(found[found != -32768], 1000 * expected[found != -32768], atol=1.01)


@settings(max_examples=40, deadline=None)
@given(st.integers(-60, 90), st.integers(-60, 90), st.sampled_from([10, 20, 60]))
def test_quick_nearest_is_gdals(east: int, south: int, resolution: int) -> None:
    """Classes are those of the pixel that a centre lies in; outside the source there is none."""
    values = np.random.default_rng(0).integers(1, 12, (7, 5), dtype=np.uint8)
    source = Affine(resolution, 0, 1000, 0, -resolution, 9000)
    grid = Grid(32631, Affine(10, 0, 1000.5 + east, 0, -10, 8999.5 - south), 11, 13)
    expected = np.zeros(grid.shape, np.uint8)
    places = {"src_transform": source, "dst_transform": grid.transform}
    places |= {"src_crs": grid.crs, "dst_crs": grid.crs}
    reproject(values, expected, resampling=Resampling.nearest, tolerance=0, **places)
    np.testing.assert_array_equal(warp._nearest(values, source, grid, 0), expected)


@pytest.mark.parametrize("aside", [0, 10], ids=["on its corners", "aside"])
def test_coarser_pixels_are_means(tmp_path: Path, aside: int) -> None:
    """A pixel of 60 m is the mean of those of 10 m in it, not a value between the middle four."""
    values = np.random.default_rng(0).random((36, 42), dtype=np.float32)
    values[3, 4] = np.nan
    with rasterio.open(
        tmp_path / "fine.tif", "w", driver="GTiff", height=36, width=42, count=1, dtype="float32",
        crs="EPSG:32631", transform=Affine(10, 0, 1000, 0, -10, 9000), nodata=np.nan,
    ) as target:  # fmt: skip
        target.write(values, 1)
    grid = Grid(32631, Affine(60, 0, 1000 + aside, 0, -60, 9000 - aside), 5, 4)
    with rasterio.open(tmp_path / "fine.tif") as source:
        found = warp.read_onto(source, grid, lambda numbers: numbers)
        classes = warp.read_onto(source, grid, lambda numbers: numbers, categorical=True)
    step = aside // 10
    blocks = values[step : step + 24, step : step + 30].reshape(4, 6, 5, 6)
    np.testing.assert_allclose(found, np.nanmean(blocks, axis=(1, 3)), rtol=1e-5)
    assert np.isin(classes, values).all()  # classes are taken, never mixed
