"""Protects the elevation of a region: metres at their place, whole across the edges of tiles."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.warp import transform

from revisit.cube.contract import grid_of, open_cube
from revisit.cube.elevation import Settings, elevate, run
from revisit.cube.grid import region_grid
from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.inspect import draw, inspect
from revisit.job import Job

SECOND = 1 / 3600  # a pixel of Copernicus DEM
METRES_EAST, METRES_NORTH = 5e4, -3e4  # a degree


def slope(longitude: Any, latitude: Any) -> Any:
    """A plane, which bilinear interpolation keeps as it is."""
    return METRES_EAST * (np.asarray(longitude) - 3) + METRES_NORTH * (np.asarray(latitude) - 48)


def place(settings: Any) -> Settings:
    return Settings(bbox=settings(["red"], 480).bbox, resolution_m=10)


def add_tile(tiles: Any, name: str, left: float, top: float, shape: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    metres = slope(left + (columns + 0.5) * SECOND, top - (rows + 0.5) * SECOND).astype(np.float32)
    about = {"unit": "metres", "resolution": SECOND, "left": left, "top": top, "crs": "EPSG:4326"}
    tiles.add(name, "2021-04-22T00:00:00Z", {"elevation": metres}, nodata=None, **about)


def corner(settings: Any) -> tuple[float, float]:
    west, _, _, north = place(settings).bbox
    return (np.floor(west / SECOND) - 4) * SECOND, (np.ceil(north / SECOND) + 4) * SECOND


def expected(settings: Any) -> np.ndarray:
    grid = region_grid(place(settings))
    xs, ys = np.meshgrid(grid.x, grid.y)
    return slope(*transform(grid.crs, "EPSG:4326", xs.ravel(), ys.ravel())).reshape(grid.shape)


def test_metres_at_their_place(tmp_path: Path, download: Any, settings: Any) -> None:
    left, top = corner(settings)
    tiles = download("dem")
    add_tile(tiles, "N48_00_E003_00", left, top, (40, 50))
    elevate([tiles.manifest()], tmp_path / "dem.zarr", region="here", settings=place(settings))
    cube = open_cube(tmp_path / "dem.zarr", stage="dem", unit="m")
    assert grid_of(cube) == region_grid(place(settings))
    # GDAL warps to an eighth of a pixel, which is 4 m on the ground
    np.testing.assert_allclose(cube["elevation"].values, expected(settings), atol=4 * METRES_EAST / 72_000)
    assert cube["elevation"].attrs["units"] == "m"
    assert cube["elevation"].dtype == np.float32


def test_tiles_meet_without_a_gap(tmp_path: Path, download: Any, settings: Any) -> None:
    """Two tiles that share an edge in the middle of the region."""
    left, top = corner(settings)
    tiles = download("dem")
    add_tile(tiles, "west", left, top, (40, 14))
    add_tile(tiles, "east", left + 14 * SECOND, top, (40, 40))
    elevate([tiles.manifest()], tmp_path / "dem.zarr", region="here", settings=place(settings))
    metres = open_cube(tmp_path / "dem.zarr")["elevation"].values
    assert not np.isnan(metres).any()
    # Half a pixel at the edge is taken from its nearest
    np.testing.assert_allclose(metres, expected(settings), atol=METRES_EAST * SECOND)


def test_what_no_tile_covers_is_missing(tmp_path: Path, download: Any, settings: Any) -> None:
    left, top = corner(settings)
    tiles = download("dem")
    add_tile(tiles, "west", left, top, (40, 14))
    elevate([tiles.manifest()], tmp_path / "dem.zarr", region="here", settings=place(settings))
    assert 0.2 < np.isnan(open_cube(tmp_path / "dem.zarr")["elevation"].values).mean() < 0.8
    away = download("away")
    add_tile(away, "away", left + 1, top, (40, 40))
    with pytest.raises(RevisitError, match="here: no elevation covers the region"):
        elevate([away.manifest()], tmp_path / "none.zarr", region="here", settings=place(settings))
    assert not (tmp_path / "none.zarr").exists()


def test_the_stage(tmp_path: Path, download: Any, settings: Any) -> None:
    """Cube, picture and STAC Item, and what `revisit inspect` says of it."""
    left, top = corner(settings)
    tiles = download("dem")
    add_tile(tiles, "N48_00_E003_00", left, top, (40, 50))
    manifest, path = tiles.manifest(), tmp_path / "dem.zarr"
    (manifest.parent / "items.json").write_text('{"type": "FeatureCollection", "features": []}')
    job = Job(
        "revisit.cube.elevation",
        names={"region": "here"},
        input={"manifests": [str(manifest)]},
        output={"cube": str(path), "quicklook": str(tmp_path / "dem.png")},
        settings=place(settings).content(),
    )
    run(job)
    assert (tmp_path / "dem.png").stat().st_size > 5000
    described = read_json(tmp_path / "dem.json")
    assert described["id"] == "here-dem-dem"
    assert described["properties"]["cube:variables"]["elevation"]["unit"] == "m"
    assert "N48_00_E003_00" in inspect(path) and "0.0% without" in inspect(path)
    draw(path, tmp_path / "again.png")
