"""Protects the pictures of cubes: right bands, masked pixels grey, one stretch, the same bytes each time."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from PIL import Image

from revisit.cube import contact_sheet, median_image
from revisit.cube.composites import thinned
from revisit.cube.contract import open_cube, values_of
from revisit.cube.grid import Grid, Region, region_grid
from revisit.cube.write import create_cube

GRID = region_grid(Region(bbox=[5.0, 50.0, 5.02, 50.02]))


def cube_of(
    path: Path,
    bands: list[str],
    images: list[np.ndarray],
    valid: np.ndarray | None = None,
    grid: Grid = GRID,
) -> xr.Dataset:
    """A cube with these images (band, y, x), one date each."""
    optical = bands[0] not in ("vv", "vh")
    sensor, unit = ("sentinel-2", "reflectance") if optical else ("sentinel-1", "dB")
    whole = (slice(0, grid.height), slice(0, grid.width))
    about = {"sensor": sensor, "region": "here", "stage": "raw", "unit": unit, "settings": {}}
    with create_cube(path, grid, dates=len(images), bands=bands, **about) as cube:
        for number, image in enumerate(images):
            mask = np.ones(grid.shape, bool) if valid is None or number else valid
            cube.write(whole, image.astype(np.float32), mask)
            cube.keep(np.datetime64("2020-01-05") + np.timedelta64(30 * number, "D"), orbit_state="ascending")
    return open_cube(path)


def random(bands: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.02, 0.4, (bands, *GRID.shape))


def drawn(cube: xr.Dataset) -> list[np.ndarray]:
    return [panel.colours for panel in contact_sheet.panels(cube)]


@pytest.mark.parametrize(
    ("bands", "shown"),
    [
        (["blue", "green", "red", "nir"], [2, 1, 0]),
        (["green", "red", "nir"], [2, 1, 0]),
        (["swir16", "red", "nir"], [0, 2, 1]),
        (["nir", "swir22"], [0, 0, 0]),
    ],
)
def test_colours_are_the_bands_they_should_be(tmp_path, bands, shown) -> None:
    """True colour, else false colour, else one band as grey."""
    image = random(len(bands))
    (panel,) = drawn(cube_of(tmp_path / "c.zarr", bands, [image]))
    for channel, band in enumerate(shown):
        assert np.corrcoef(panel[..., channel].ravel(), image[band].ravel())[0, 1] > 0.97


def test_radar_shows_both_polarisations_and_their_ratio(tmp_path) -> None:
    image = np.random.default_rng(0).normal(-12, 3, (2, *GRID.shape))
    cube = cube_of(tmp_path / "c.zarr", ["vv", "vh"], [image])
    (panel,) = drawn(cube)
    for channel, expected in enumerate([image[0], image[1], image[0] - image[1]]):
        assert np.corrcoef(panel[..., channel].ravel(), expected.ravel())[0, 1] > 0.97
    assert "asc" in contact_sheet.panels(cube)[0].title


def test_masked_pixels_are_grey_and_do_not_set_the_stretch(tmp_path) -> None:
    """A bright cloud must neither be shown as ground nor make the ground black."""
    image = random(3)
    valid = np.ones(GRID.shape, bool)
    valid[:100] = False
    image[:, :100] = 3.0
    cube = cube_of(tmp_path / "c.zarr", ["red", "green", "blue"], [image, random(3, 1)], valid)
    second, first = drawn(cube)  # the clearest comes first
    assert (first[:100] == contact_sheet.MASKED_GREY).all()
    assert first[100:].std() > 50
    assert abs(first[100:].mean() - second.mean()) < 5
    share = valid.mean()
    assert f"{share:.0%} valid" in contact_sheet.panels(cube)[1].title


def test_a_long_series_is_shown_by_eight_dates_over_all_its_time(tmp_path) -> None:
    """Among equally clear dates the first of each span, in the order of time."""
    image = random(1)
    cube = cube_of(tmp_path / "c.zarr", ["red"], [image] * 20)
    titles = [panel.title for panel in contact_sheet.panels(cube)]
    assert len(titles) == 8
    assert titles[0].startswith("2020-01-05")
    assert titles[-1].startswith("2021-06-28")
    assert titles == sorted(titles)


def test_the_clearest_date_of_each_span_is_shown_and_the_clearest_of_all_comes_first(tmp_path) -> None:
    """A cloudy date must not stand for its season while a clear one lies beside it."""
    cube = cube_of(tmp_path / "c.zarr", ["red"], [random(1)] * 16)
    shares = np.full(16, 0.1)
    shares[1::2] = np.linspace(0.3, 0.9, 8)  # in each span of two dates the later one is the clearer
    cube = cube.assign_coords(valid_fraction=("time", shares))
    titles = [panel.title for panel in contact_sheet.panels(cube)]
    shown = [title.split()[0] for title in titles]
    assert shown == [str(date)[:10] for date in cube["time"].values[1::2][::-1]]
    assert [title.split()[-2] for title in titles][::7] == ["90%", "30%"]


def test_a_large_image_is_thinned_in_parts(tmp_path) -> None:
    """Every so many pixels of all of it, of which no more than a part is in memory at a time."""
    grid = Grid(32631, Affine(10, 0, 600_000, 0, -10, 5_400_000), 2100, 2060)
    image = np.random.default_rng(0).uniform(0.02, 0.4, (4, *grid.shape)).astype(np.float32)
    cube = cube_of(tmp_path / "c.zarr", ["blue", "green", "red", "nir"], [image], grid=grid)
    tracemalloc.start()
    shown = thinned(values_of(cube)[0], 7)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(shown, image[:, ::7, ::7], atol=0.51e-4)
    assert peak < 0.75 * image.nbytes


@pytest.mark.parametrize("dates", [1, 6])
def test_the_sheet_shows_each_panel_once(tmp_path, dates) -> None:
    """In rows of four, in their order, whole and unmixed, with a title above."""
    cube = cube_of(tmp_path / "c.zarr", ["red"], [random(1, number) for number in range(dates)])
    contact_sheet.contact_sheet(cube, tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as picture:
        sheet = np.asarray(picture)
    for number, panel in enumerate(contact_sheet.panels(cube)):
        size = [round(280 * side / max(GRID.shape)) for side in GRID.shape]
        top, left = 48 + 24 + number // 4 * (size[0] + 34), 10 + number % 4 * (size[1] + 10)
        found = sheet[top : top + size[0], left : left + size[1]]
        expected = Image.fromarray(panel.colours).resize(size[::-1], Image.Resampling.BOX)
        same = (found == np.asarray(expected)).mean()
        assert same > (0.9 if number == 0 else 0.999)  # the scale bar lies on the first
        assert sheet[top - 24 : top, left : left + size[1]].min() < 100  # its title
        assert (sheet[top + size[0] : top + size[0] + 8, left : left + size[1]] == 255).all()


def test_the_same_cube_gives_the_same_picture(tmp_path) -> None:
    cube = cube_of(tmp_path / "c.zarr", ["red", "green", "blue"], [random(3)])
    for name in ("1", "2"):
        contact_sheet.contact_sheet(cube, tmp_path / f"{name}.png")
        median_image.median_image(cube, tmp_path / f"{name}.tif")
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    assert (tmp_path / "1.tif").read_bytes() == (tmp_path / "2.tif").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "1.tif", "2.png", "2.tif", "c.zarr"]


def test_a_killed_median_image_leaves_nothing_once_it_is_made_again(tmp_path) -> None:
    """A kill between the plain picture and its copy: the next run removes what is left."""
    cube = cube_of(tmp_path / "c.zarr", ["red", "green", "blue"], [random(3)])
    kill = "import os, sys; from revisit.cube import contract, median_image as q; "
    kill += "q.rasterio.shutil.copy = lambda *_, **__: os._exit(9); "
    kill += "q.median_image(contract.open_cube(sys.argv[1]), sys.argv[2])"
    paths = [str(tmp_path / name) for name in ("c.zarr", "c.tif")]
    assert subprocess.run([sys.executable, "-c", kill, *paths], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) > 1
    median_image.median_image(cube, tmp_path / "c.tif")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.tif", "c.zarr"]


def test_median_image_leaves_out_what_is_masked(tmp_path) -> None:
    """The median is over valid dates only; what no date shows is masked; it lies where the cube lies."""
    low, middle, high = (np.full((3, *GRID.shape), value) for value in (0.1, 0.2, 0.3))
    low[:, :, 50:] = 0.5  # two halves, so that the stretch has two ends
    middle[:, :, 50:] = 0.5
    high[:, :, 50:] = 0.5
    valid = np.ones(GRID.shape, bool)
    valid[:60] = False
    cube = cube_of(tmp_path / "c.zarr", ["red", "green", "blue"], [low, middle, high], valid)
    median_image.median_image(cube, tmp_path / "c.tif")
    with rasterio.open(tmp_path / "c.tif") as source:
        assert (source.crs.to_epsg(), source.transform) == (GRID.epsg, GRID.transform)
        assert source.overviews(1) or max(source.shape) <= 512
        image, mask = source.read(), source.dataset_mask()
    assert (mask == 255).all()
    # left half: between two dates above row 60, the middle of three below
    above, below = np.unique(image[0, :60, :50]), np.unique(image[0, 60:, :50])
    assert len(above) == len(below) == 1
    assert above > below
    assert (image[:, :, 50:] == 255).all()

    nothing = cube.assign(valid=cube["valid"].copy(data=np.zeros_like(cube["valid"].values)))
    median_image.median_image(nothing, tmp_path / "n.tif")
    with rasterio.open(tmp_path / "n.tif") as source:
        assert (source.dataset_mask() == 0).all()
