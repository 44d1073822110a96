"""Windows cut from rasters: the right pixels, untouched, and no silent zeros."""

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin, xy

from revisit.errors import RevisitError
from revisit.stac import clip
from revisit.stac.clip import Area, UnreadableError, cut
from revisit.stac.download import Download

UTM = 32631
AREA = Area(UTM, (600_200.0, 5_699_000.0, 600_900.0, 5_699_800.0))


def raster(path: Path, data: np.ndarray, size: float = 10, **more: Any) -> np.ndarray:
    profile = {
        "driver": "GTiff",
        "height": data.shape[0],
        "width": data.shape[1],
        "count": 1,
        "dtype": data.dtype,
    }
    profile |= {"crs": f"EPSG:{UTM}", "transform": from_origin(600_000, 5_700_000, size, size)}
    with rasterio.open(
        path, "w", **{**profile, "tiled": True, "blockxsize": 64, "blockysize": 64, **more}
    ) as file:
        file.write(data, 1)
    return data


def numbers(shape: tuple[int, int] = (200, 180)) -> np.ndarray:
    return np.random.default_rng(3).integers(1, 9000, shape).astype("uint16")


def test_the_window_is_the_sources_own_pixels(tmp_path: Path) -> None:
    """Numbers and grid are the source's; the clip is not compressed and says its nodata."""
    data = raster(tmp_path / "whole.tif", numbers(), nodata=0)
    found = cut(str(tmp_path / "whole.tif"), AREA, tmp_path / "clip.tif")
    with rasterio.open(tmp_path / "clip.tif") as file:
        np.testing.assert_array_equal(file.read(1), data[20:100, 20:90])
        assert (file.nodata, file.crs.to_epsg(), file.compression) == (0, UTM, None)
        assert list(file.transform)[:6] == found["transform"] == [10, 0, 600_200, 0, -10, 5_699_800]
    assert (found["valid"], found["dtype"], found["nodata"], found["shape"]) == (True, "uint16", 0, [80, 70])
    assert found["low"] == round(float((data[20:100, 20:90] < 1000).mean()), 4)
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_coarser_pixels_are_snapped_outward(tmp_path: Path) -> None:
    """A 60 m band keeps its own grid and covers the area whole."""
    data = raster(tmp_path / "whole.tif", numbers((40, 40)), size=60)
    cut(str(tmp_path / "whole.tif"), AREA, tmp_path / "clip.tif")
    with rasterio.open(tmp_path / "clip.tif") as file:
        bounds = file.bounds
        np.testing.assert_array_equal(file.read(1), data[3:17, 3:15])
    assert bounds.left <= AREA.bounds[0] < bounds.left + 60
    assert bounds.top - 60 < AREA.bounds[3] <= bounds.top


def test_an_area_half_outside_is_cut_to_the_raster(tmp_path: Path) -> None:
    """Scenes that end within the region give what they have."""
    data = raster(tmp_path / "whole.tif", numbers())
    cut(
        str(tmp_path / "whole.tif"),
        Area(UTM, (599_500.0, 5_699_900.0, 600_100.0, 5_700_300.0)),
        tmp_path / "c.tif",
    )
    with rasterio.open(tmp_path / "c.tif") as file:
        np.testing.assert_array_equal(file.read(1), data[:10, :10])
        assert (file.transform.c, file.transform.f) == (600_000, 5_700_000)


def test_large_windows_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the region; the parts join without a seam."""
    data = raster(tmp_path / "whole.tif", numbers())
    monkeypatch.setattr(clip, "LARGEST_READ_BYTES", 70 * 2 * 10)
    read: list[Any] = []
    monkeypatch.setattr(clip, "_read", lambda view, part: read.append(part) or view.read(1, window=part))
    cut(str(tmp_path / "whole.tif"), AREA, tmp_path / "clip.tif")
    assert [(part.row_off, part.height) for part in read] == [(20, 44), (64, 36)]
    with rasterio.open(tmp_path / "clip.tif") as file:
        np.testing.assert_array_equal(file.read(1), data[20:100, 20:90])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_nodata_of_every_kind(tmp_path: Path, dtype: str) -> None:
    """The item's word goes before the file's; NaN is said in words, as JSON has none."""
    data = np.full((200, 180), 7, dtype)
    stated: Any = "nan" if dtype == "float32" else 9
    raster(tmp_path / "whole.tif", data, nodata=5)
    assert cut(str(tmp_path / "whole.tif"), AREA, tmp_path / "a.tif")["nodata"] == 5
    found = cut(str(tmp_path / "whole.tif"), AREA, tmp_path / "b.tif", nodata=stated)
    assert (found["nodata"], found["valid"]) == (stated, True)
    raster(tmp_path / "bare.tif", data)
    assert cut(str(tmp_path / "bare.tif"), AREA, tmp_path / "c.tif", fallback=7)["valid"] is False
    assert cut(str(tmp_path / "bare.tif"), AREA, tmp_path / "d.tif", fallback=-32768)["nodata"] == -32768
    assert cut(str(tmp_path / "bare.tif"), AREA, tmp_path / "e.tif")["nodata"] is None


def test_nothing_valid_leaves_no_file(tmp_path: Path) -> None:
    """Outside the raster, or nothing but nodata (also NaN): said, not written."""
    empty = np.zeros((200, 180), "uint16")
    raster(tmp_path / "whole.tif", empty, nodata=0)
    away = Area(UTM, (700_000.0, 5_699_000.0, 700_900.0, 5_699_800.0))
    blank = np.full((200, 180), np.nan, "float32")
    raster(tmp_path / "blank.tif", blank, nodata=np.nan)
    for source, area in [("whole.tif", AREA), ("whole.tif", away), ("blank.tif", AREA)]:
        assert cut(str(tmp_path / source), area, tmp_path / "clip.tif")["valid"] is False
        assert not (tmp_path / "clip.tif").exists()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_never_read_as_zeros(tmp_path: Path, share: float) -> None:
    """Wherever a file ends too early, reading it fails loudly and leaves nothing behind."""
    raster(tmp_path / "whole.tif", numbers(), compress="deflate")
    content = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(content[: int(len(content) * share)])
    everything = Area(UTM, (600_000.0, 5_698_000.0, 601_800.0, 5_700_000.0))
    with pytest.raises(UnreadableError):
        cut(str(tmp_path / "cut.tif"), everything, tmp_path / "clip.tif")
    assert [path.name for path in tmp_path.iterdir() if "clip" in path.name] == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_disk_that_fills_up_is_noticed(tmp_path: Path, share: float) -> None:
    """Also by GDAL, which says nothing where it cannot write what it kept to the end."""
    raster(tmp_path / "whole.tif", numbers())
    cut(str(tmp_path / "whole.tif"), AREA, tmp_path / "clip.tif")
    size = (tmp_path / "clip.tif").stat().st_size
    (tmp_path / "clip.tif").unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * size), limits[1]))
    try:
        with pytest.raises((OSError, RevisitError)):
            cut(str(tmp_path / "whole.tif"), AREA, tmp_path / "clip.tif")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.tif"]


def test_a_page_of_text_is_no_raster(tmp_path: Path) -> None:
    """Object stores answer with XML under the name of an image; the cause is said."""
    (tmp_path / "page.jp2").write_text("<Error><Code>AccessDenied</Code></Error>")
    with pytest.raises(UnreadableError, match=r"page\.jp2"):
        cut(str(tmp_path / "page.jp2"), AREA, tmp_path / "clip.tif")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_ground_control_points(tmp_path: Path) -> None:
    """Radar in acquisition geometry is put where its points say, within half a pixel."""
    size = 240
    data = np.full((size, size), 100, "uint16")
    data[50:60, 60:70] = 9000
    turn = from_origin(600_000, 5_700_000, 10, 10) @ rasterio.Affine.rotation(12)
    points = []
    for row in range(0, size + 1, 40):
        for column in range(0, size + 1, 40):
            x, y = turn @ (column, row)
            lon, lat = rasterio.warp.transform(f"EPSG:{UTM}", "EPSG:4326", [x], [y])
            points.append(GroundControlPoint(row=row, col=column, x=lon[0], y=lat[0]))
    with rasterio.open(
        *(tmp_path / "grd.tif", "w"), driver="GTiff", height=size, width=size, count=1, dtype="uint16"
    ) as file:
        file.write(data, 1)
        file.gcps = (points, rasterio.CRS.from_epsg(4326))
    found = cut(str(tmp_path / "grd.tif"), AREA, tmp_path / "clip.tif", nodata=0)
    assert found["warped"]
    with rasterio.open(tmp_path / "clip.tif") as file:
        clipped = file.read(1)
        assert file.crs.to_epsg() == UTM
        rows, columns = np.nonzero(clipped > 4500)
        x, y = xy(file.transform, rows.mean(), columns.mean())
    expected = turn @ (65, 55)
    assert np.hypot(x - expected[0], y - expected[1]) < 5
    with rasterio.open(
        tmp_path / "none.tif", "w", driver="GTiff", height=5, width=5, count=1, dtype="uint8"
    ) as file:
        file.write(np.ones((5, 5), "uint8"), 1)
    with pytest.raises(UnreadableError, match="neither a projection nor ground control points"):
        cut(str(tmp_path / "none.tif"), AREA, tmp_path / "clip.tif")


def test_the_area_of_a_bbox() -> None:
    """UTM zone of the centre, whole tens of metres, eighty metres of margin; the south has its own zones."""
    area = Area.around([5.0, 51.0, 5.1, 51.1])
    assert area.epsg == 32631
    assert all(bound % 10 == 0 for bound in area.bounds)
    left, _, _, top = rasterio.warp.transform_bounds("EPSG:4326", "EPSG:32631", 5.0, 51.0, 5.1, 51.1)
    assert 80 <= left - area.bounds[0] < 90
    assert 80 <= area.bounds[3] - top < 95
    assert Area.around([-60, -10, -59.9, -9.9]).epsg == 32721
    assert Area.around([5.0, 51.0, 5.1, 51.1], 32632).epsg == 32632


def test_what_workers_have_under_way_fits_the_cache() -> None:
    """Else a file's first bytes are asked for again, which a server in the same process cannot answer."""
    under_way = Download().workers * clip.LARGEST_READ_BYTES
    assert under_way < clip.GDAL["CPL_VSIL_CURL_CACHE_SIZE"]
