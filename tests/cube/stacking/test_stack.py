"""Protects the way from digital numbers to the raw cube: units, offsets, grid, mosaic, mask, refusals."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr
from affine import Affine

from revisit.cube.contract import open_cube, values_of
from revisit.cube.stacking.stack import Settings, run, stack
from revisit.errors import RevisitError
from revisit.job import Job

PIXELS = 24  # the square of 240 m of `settings`
CLEAR, CLOUD = 4, 9


def random(seed: int = 0, size: int = PIXELS, high: int = 5000) -> np.ndarray:
    return np.random.default_rng(seed).integers(1200, high, (size, size), dtype=np.uint16)


def classes(value: int = CLEAR, size: int = PIXELS) -> np.ndarray:
    return np.full((size, size), value, np.uint8)


def job(manifest: Path, out: Path, settings: dict[str, Any]) -> Job:
    return Job(
        "revisit.cube.stacking.stack",
        names={"region": "here", "sensor": "sentinel-2"},
        input={"manifests": [str(manifest)]},
        output={"cube": str(out), "quicklook": str(out.with_suffix(".png"))},
        settings=settings,
    )


def build(tmp_path: Path, download: Any, settings: Settings) -> xr.Dataset:
    path = tmp_path / "raw.zarr"
    stack([download.manifest()], path, region="here", sensor=download.sensor, settings=settings)
    return open_cube(path, stage="raw", sensor=download.sensor)


def test_reflectance_is_number_times_scale_plus_offset(tmp_path, download, settings) -> None:
    """Each scene by its own offset: the series must not jump where baseline 04.00 began; 0 is no data."""
    scenes = download("sentinel-2")
    numbers = random()
    numbers[0, 0] = 0
    scenes.add("old", "2020-01-01T10:00:00Z", {"red": numbers, "scl": classes()})
    later = np.where(numbers == 0, 0, numbers + 1000).astype(np.uint16)
    scenes.add(
        "new",
        "2022-06-01T10:00:00Z",
        {"red": later, "scl": classes()},
        offset=-0.1,
        processing_baseline="04.00",
    )
    cube = build(tmp_path, scenes, settings(["red"]))
    expected = numbers * 1e-4
    expected[0, 0] = np.nan
    for date in (0, 1):
        np.testing.assert_allclose(values_of(cube).values[date, 0], expected, atol=1e-6)
    np.testing.assert_allclose(cube["offset_applied"].values, [0, -0.1])
    assert cube["processing_baseline"].values.tolist() == ["02.14", "04.00"]
    assert cube["valid"].values[:, 0, 0].tolist() == [0, 0]
    assert cube["valid"].values.sum() == 2 * (PIXELS**2 - 1)


def test_masked_pixels_keep_their_values_and_classes(tmp_path, download, settings) -> None:
    scenes = download("sentinel-2")
    scl = classes()
    scl[:, :6] = CLOUD
    scenes.add("a", "2020-01-01T10:00:00Z", {"red": random(), "scl": scl})
    cube = build(tmp_path, scenes, settings(["red"]))
    np.testing.assert_array_equal(cube["valid"].values[0], scl == CLEAR)
    np.testing.assert_array_equal(cube["scl"].values[0], scl)
    np.testing.assert_allclose(values_of(cube).values[0, 0], random() * 1e-4, atol=1e-6)
    assert float(cube["valid_fraction"][0]) == pytest.approx(0.75)


def test_a_pixel_that_lacks_one_band_is_not_valid(tmp_path, download, settings) -> None:
    scenes = download("sentinel-2")
    hole = random(1)
    hole[5, 7] = 0
    scenes.add("a", "2020-01-01T10:00:00Z", {"red": random(), "green": hole, "scl": classes()})
    cube = build(tmp_path, scenes, settings(["red", "green"]))
    assert cube["valid"].values.sum() == PIXELS**2 - 1
    assert cube["valid"].values[0, 5, 7] == 0
    assert np.isfinite(values_of(cube).values[0, 0, 5, 7])


def test_bands_of_20_and_60_m_fall_on_the_10_m_grid(tmp_path, download, settings) -> None:
    """Bilinear: a plane stays a plane, without a half-pixel shift. Classes: nearest, no mixtures."""
    rows, columns = np.indices((14, 14))
    plane = (2000 + 40 * columns + 20 * rows).astype(np.uint16)
    coarse = (2000 + 120 * np.arange(6) + 60 * np.arange(6)[:, None]).astype(np.uint16)
    scl = np.where((rows + columns) % 2, CLEAR, CLOUD).astype(np.uint8)
    scenes = download("sentinel-2")
    bands = {"nir08": plane, "coastal": coarse, "scl": scl}
    place = {"left": 600_000 - 20, "top": 5_400_000 + 20, "resolution": 20}
    scenes.add("a", "2020-01-01T10:00:00Z", {"nir08": plane, "scl": scl}, **place)
    cube = build(tmp_path, scenes, settings(["nir08"]))
    metres = (np.arange(PIXELS) + 0.5) * 10 + 20  # from the clip's corner
    centres = metres / 20 - 0.5
    expected = (2000 + 40 * centres + 20 * centres[:, None]) * 1e-4
    np.testing.assert_allclose(values_of(cube).values[0, 0], expected, atol=1.1e-4)
    np.testing.assert_array_equal(cube["scl"].values[0], scl[1:13, 1:13].repeat(2, 0).repeat(2, 1))

    scenes = download("sentinel-2")
    place = {"left": 600_000 - 60, "top": 5_400_000 + 60}
    resolution = {"coastal": 60, "scl": 20}
    bands = {"coastal": coarse, "scl": classes(size=18)}
    scenes.add("b", "2020-01-01T10:00:00Z", bands, resolution=resolution, **place)
    cube = build(tmp_path, scenes, settings(["coastal"]))
    centres = ((np.arange(PIXELS) + 0.5) * 10 + 60) / 60 - 0.5
    expected = (2000 + 120 * centres + 60 * centres[:, None]) * 1e-4
    np.testing.assert_allclose(values_of(cube).values[0, 0], expected, atol=1.1e-4)


def test_scenes_of_one_pass_make_one_date(tmp_path, download, settings) -> None:
    """Tiles of a pass are put together: the newest baseline first, but the clear one where that is cloudy."""
    scenes = download("sentinel-2")
    west, east = np.full((PIXELS, 16), 2000, np.uint16), np.full((PIXELS, 16), 3000, np.uint16)
    scl = np.full((PIXELS, 16), CLEAR, np.uint8)
    cloudy = scl.copy()
    cloudy[:6] = CLOUD
    scenes.add("west", "2020-01-01T10:00:00Z", {"red": west, "scl": cloudy}, processing_baseline="03.00")
    scenes.add("east", "2020-01-01T10:00:14Z", {"red": east, "scl": scl}, left=600_080)
    cube = build(tmp_path, scenes, settings(["red"]))
    assert cube.sizes["time"] == 1
    assert cube["source_items"].values.tolist() == ["east west"]
    assert str(cube["time"].values[0])[:19] == "2020-01-01T10:00:00"
    red = values_of(cube).values[0, 0]
    np.testing.assert_allclose(red[:, 16:], 0.3, atol=1e-6)
    np.testing.assert_allclose(red[6:, :16], 0.2, atol=1e-6)
    np.testing.assert_allclose(red[:6, 8:16], 0.3, atol=1e-6)
    np.testing.assert_allclose(red[:6, :8], 0.2, atol=1e-6)
    assert not cube["valid"].values[0, :6, :8].any()
    assert cube["valid"].values[0].sum() == PIXELS**2 - 6 * 8


def test_other_orbits_and_satellites_make_other_dates(tmp_path, download, settings) -> None:
    scenes = download("sentinel-2")
    bands = {"red": random(), "scl": classes()}
    scenes.add("a", "2020-01-01T10:00:00Z", bands)
    scenes.add("b", "2020-01-01T10:05:00Z", bands, relative_orbit=94)
    scenes.add("c", "2020-01-01T10:02:00Z", bands, platform="sentinel-2b")
    scenes.add("d", "2020-01-01T11:40:00Z", bands)
    cube = build(tmp_path, scenes, settings(["red"]))
    assert cube["source_items"].values.tolist() == ["a", "c", "b", "d"]
    assert cube["relative_orbit"].values.tolist() == [51, 51, 94, 51]


def test_a_scene_of_the_next_zone_lands_where_it_belongs(tmp_path, download, settings) -> None:
    """Tiles at a zone's edge come in either zone: a bright spot must lie at its longitude and latitude."""
    scenes = download("sentinel-2")
    here = Affine(10, 0, 600_000, 0, -10, 5_400_000)
    spot = here * (10.5, 6.5)
    (x,), (y,) = rasterio.warp.transform("EPSG:32631", "EPSG:32632", [spot[0]], [spot[1]])
    left, top = round(x - 500, -1), round(y + 500, -1)
    row, column = int((top - y) / 10), int((x - left) / 10)
    numbers = np.full((100, 100), 1000, np.uint16)
    numbers[row - 1 : row + 2, column - 1 : column + 2] = 9000
    bands = {"red": numbers, "scl": classes(size=100)}
    scenes.add("a", "2020-01-01T10:00:00Z", bands, left=left, top=top, crs="EPSG:32632")
    cube = build(tmp_path, scenes, settings(["red"]))
    red = values_of(cube).values[0, 0]
    rows, columns = np.nonzero(red > 0.5)
    assert cube.attrs["proj:code"] == "EPSG:32631"
    assert abs(rows.mean() - 6) < 0.6
    assert abs(columns.mean() - 10) < 0.6
    assert cube["valid"].values.all()


def test_backscatter_is_resampled_as_power(tmp_path, download, settings) -> None:
    """Between 0.1 and 0.3 lies 0.2, which is -6.99 dB; the mean of the decibels would say -7.61."""
    scenes = download("sentinel-1")
    power = np.tile(np.array([[0.1, 0.3]], np.float32), (PIXELS + 2, PIXELS // 2 + 1))
    scenes.add(
        "a",
        "2020-01-01T06:00:00Z",
        {"vv": power, "vh": power / 4},
        unit="linear power",
        nodata=-32768,
        left=599_995,
    )
    cube = build(tmp_path, scenes, settings(["vv", "vh"]))
    assert cube.attrs["unit"] == "dB"
    np.testing.assert_allclose(values_of(cube).values[0, 0], 10 * np.log10(0.2), atol=1e-4)
    np.testing.assert_allclose(values_of(cube).values[0, 1], 10 * np.log10(0.05), atol=1e-4)
    assert "scl" not in cube


def test_a_coarser_grid_averages_power(tmp_path, download, settings) -> None:
    scenes = download("sentinel-1")
    power = np.tile(np.array([[0.1, 0.3], [0.2, 0.6]], np.float32), (PIXELS // 2, PIXELS // 2))
    scenes.add("a", "2020-01-01T06:00:00Z", {"vv": power}, unit="linear power", nodata=None)
    cube = build(tmp_path, scenes, settings(["vv"], resolution_m=20))
    assert cube.sizes["x"] == PIXELS // 2
    np.testing.assert_allclose(values_of(cube).values[0, 0], 10 * np.log10(0.3), atol=1e-4)


@pytest.mark.parametrize("unit", ["linear power", "decibel", "amplitude"])
def test_every_unit_of_backscatter_gives_the_same_decibels(tmp_path, download, settings, unit) -> None:
    """Archives hold power, decibels or amplitudes; zero, negative, NaN and no-data pixels are missing."""
    decibels = np.random.default_rng(0).uniform(-25, 0, (PIXELS, PIXELS)).astype(np.float32)
    numbers = {
        "linear power": 10 ** (decibels / 10),
        "decibel": decibels.copy(),
        "amplitude": 10 ** ((decibels + 80) / 20),
    }[unit].astype(np.float32)
    numbers[0, 0], numbers[1, 1] = -99, np.nan
    missing = {(0, 0), (1, 1)}
    if unit != "decibel":
        numbers[2, 2], numbers[3, 3] = 0, -1e-4
        missing |= {(2, 2), (3, 3)}
    scenes = download("sentinel-1")
    scenes.add("a", "2020-01-01T06:00:00Z", {"vv": numbers}, unit=unit, nodata=-99, calibration_db=-80)
    cube = build(tmp_path, scenes, settings(["vv"]))
    values = values_of(cube).values[0, 0]
    assert set(zip(*np.nonzero(np.isnan(values)), strict=True)) == missing
    np.testing.assert_allclose(values[~np.isnan(values)], decibels[~np.isnan(values)], atol=1e-3)
    np.testing.assert_array_equal(cube["valid"].values[0].astype(bool), ~np.isnan(values))


def test_dates_without_a_clear_pixel_are_left_out_and_named(tmp_path, download, settings, caplog) -> None:
    scenes = download("sentinel-2")
    scenes.add("cloudy", "2020-01-01T10:00:00Z", {"red": random(), "scl": classes(CLOUD)})
    scenes.add("clear", "2020-02-01T10:00:00Z", {"red": random(), "scl": classes()})
    away = {"left": 700_000, "resolution": {"red": 10}}
    scenes.add("away", "2020-03-01T10:00:00Z", {"red": random(), "scl": classes()}, **away)
    with caplog.at_level(logging.WARNING):
        cube = build(tmp_path, scenes, settings(["red"]))
    assert cube["source_items"].values.tolist() == ["clear"]
    assert cube.attrs["dropped_dates"] == [
        "2020-01-01 10:00: no clear pixel (cloudy)",
        "2020-03-01 10:00: no pixel inside the region (away)",
    ]
    assert "2020-01-01 10:00 left out: no clear pixel" in caplog.text


def test_nothing_to_use_at_all_is_an_error(tmp_path, download, settings) -> None:
    scenes = download("sentinel-2")
    scenes.add("cloudy", "2020-01-01T10:00:00Z", {"red": random(), "scl": classes(CLOUD)})
    with pytest.raises(RevisitError, match="none of 1 dates has a pixel to use"):
        build(tmp_path, scenes, settings(["red"]))
    assert not (tmp_path / "raw.zarr").exists()


def test_a_scene_that_lacks_a_band_is_named_and_left_out(tmp_path, download, settings, caplog) -> None:
    """A quarantined asset costs its scene, not the run; bands no scene has are an error."""
    scenes = download("sentinel-2")
    scenes.add("whole", "2020-01-01T10:00:00Z", {"red": random(), "nir": random(1), "scl": classes()})
    scenes.add("broken", "2020-02-01T10:00:00Z", {"red": random(), "scl": classes()})
    with caplog.at_level(logging.WARNING):
        cube = build(tmp_path, scenes, settings(["red", "nir"]))
    assert cube["source_items"].values.tolist() == ["whole"]
    assert "broken: left out, it lacks the band nir" in caplog.text
    with pytest.raises(RevisitError, match="no scene has the bands red, swir22"):
        build(tmp_path, scenes, settings(["red", "swir22"]))


def test_a_changed_clip_is_named_with_what_to_rerun(tmp_path, download, settings) -> None:
    scenes = download("sentinel-2")
    scenes.add("a", "2020-01-01T10:00:00Z", {"red": random(), "scl": classes()})
    clip = scenes.folder / "a" / "red.tif"
    whole = clip.read_bytes()
    clip.write_bytes(whole[:-40])
    with pytest.raises(
        RevisitError, match=r"red\.tif: has changed since its download.*manifest\.json.*rerun download"
    ):
        build(tmp_path, scenes, settings(["red"]))
    clip.unlink()
    with pytest.raises(RevisitError, match=r"red\.tif: is missing"):
        build(tmp_path, scenes, settings(["red"]))


def test_a_clip_exchanged_with_another_is_named(tmp_path, download, settings) -> None:
    """Two good rasters, each in the other's place."""
    scenes = download("sentinel-2")
    scenes.add("a", "2020-01-01T10:00:00Z", {"red": random(), "nir": random(1), "scl": classes()})
    red, nir, aside = (scenes.folder / "a" / name for name in ("red.tif", "nir.tif", "aside.tif"))
    red.rename(aside)
    nir.rename(red)
    aside.rename(nir)
    with pytest.raises(RevisitError, match=r"red\.tif: has changed since its download"):
        build(tmp_path, scenes, settings(["red", "nir"]))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda scene: scene["bands"]["red"].update(path="a/nothing.tif"), r"nothing\.tif: is missing"),
        (lambda scene: scene["bands"]["red"].update(path="a/nir.tif"), r"nir\.tif: has changed"),
        (lambda scene: scene["bands"]["red"].update(sha256="0" * 64), r"red\.tif: has changed"),
        (lambda scene: scene["bands"]["red"].update(path="../../red.tif"), "is not in its folder"),
        (lambda scene: scene["bands"]["red"].update(path="/etc/hostname"), "is not in its folder"),
        (lambda scene: scene["bands"]["red"].pop("sha256"), "not as the download wrote it .*sha256"),
        (lambda scene: scene["bands"].update(red=None), "not as the download wrote it"),
        (lambda scene: scene.update(datetime="soon"), "not as the download wrote it .*soon"),
    ],
)
def test_a_manifest_edited_by_hand_is_told(tmp_path, download, settings, edit, message) -> None:
    """Which file, and what to do; nothing outside its folder is read."""
    scenes = download("sentinel-2")
    scenes.add("a", "2020-01-01T10:00:00Z", {"red": random(), "nir": random(1), "scl": classes()})
    outside = scenes.folder.parents[1] / "red.tif"
    outside.write_bytes((scenes.folder / "a/red.tif").read_bytes())
    edit(scenes.scenes[0])
    with pytest.raises(RevisitError, match=f"{message}.*rerun download"):
        build(tmp_path, scenes, settings(["red", "nir"]))
    assert not (tmp_path / "raw.zarr").exists()


@pytest.mark.parametrize(
    ("numbers", "offset", "baseline", "warning"),
    [
        (np.uint16(400), -0.1, "04.00", "negative reflectance"),  # subtracted before, and again by us
        (np.uint16(1400), 0.0, "04.00", "may not be applied"),  # never subtracted
        (np.uint16(1400), -0.1, "04.00", None),
        (np.uint16(400), 0.0, "04.00", None),  # the provider did it
        (np.uint16(400), 0.0, "02.14", None),
    ],
)
def test_dark_pixels_contradict_a_wrong_offset(
    tmp_path, download, settings, caplog, numbers, offset, baseline, warning
) -> None:
    scenes = download("sentinel-2")
    red = np.full((PIXELS, PIXELS), numbers)
    scenes.add(
        "a",
        "2022-06-01T10:00:00Z",
        {"red": red, "scl": classes()},
        offset=offset,
        processing_baseline=baseline,
    )
    with caplog.at_level(logging.WARNING):
        build(tmp_path, scenes, settings(["red"]))
    assert (warning in caplog.text) if warning else not caplog.text


def test_years_are_stacked_in_order_whatever_the_order_of_manifests(tmp_path, download, settings) -> None:
    manifests = []
    for year in (2021, 2019, 2020):
        scenes = download("sentinel-2")
        scenes.folder = scenes.folder.with_name(str(year))
        scenes.add(f"s{year}", f"{year}-01-01T10:00:00Z", {"red": random(), "scl": classes()})
        manifests.append(scenes.manifest())
    stack(manifests, tmp_path / "raw.zarr", region="here", sensor="sentinel-2", settings=settings(["red"]))
    assert open_cube(tmp_path / "raw.zarr")["source_items"].values.tolist() == ["s2019", "s2020", "s2021"]


def test_the_job_leaves_cube_pictures_and_item(tmp_path, download, settings) -> None:
    """What the rule runs: four files, the same bytes each time; the STAC Item names the cube's sources."""
    scenes = download("sentinel-2")
    bands = {"red": random(), "green": random(1), "blue": random(2), "scl": classes()}
    scenes.add("a", "2020-01-01T10:00:00Z", bands)
    scenes.add("b", "2020-02-01T10:00:00Z", bands)
    contents = []
    for name in ("1", "2"):
        out = tmp_path / name / "raw.zarr"
        run(job(scenes.manifest(), out, settings(["red", "green", "blue"]).content()))
        contents.append([out.with_suffix(suffix).read_bytes() for suffix in (".png", ".tif", ".json")])
    assert contents[0] == contents[1]
    item = pystac.Item.from_file(str(tmp_path / "1" / "raw.json"))
    assert [link.title for link in item.get_links("derived_from")] == ["a", "b"]
    assert item.properties["cube:variables"]["reflectance"]["dimensions"] == ["time", "band", "y", "x"]
    assert item.properties["proj:code"] == "EPSG:32631"
    west, south, east, north = item.bbox
    box = settings(["red"]).bbox
    assert west <= box[0] < box[2] <= east
    assert south <= box[1] < box[3] <= north
    assert {"cube", "thumbnail", "overview"} == set(item.assets)
    for asset in item.assets.values():
        assert (tmp_path / "1" / asset.href).exists()


def test_settings_that_are_none_are_named(tmp_path, settings) -> None:
    """A job's file that was edited by hand is refused in one line, key first."""
    content = settings(["red"]).content()
    for wrong, says in (
        ({"bbox": content["bbox"][:3]}, r"stack\.bbox: .*has 3 numbers"),
        ({"bands": []}, r"stack\.bands"),
        ({"band": ["red"]}, r"stack: unknown key 'band'; did you mean 'bands'\?"),
    ):
        with pytest.raises(RevisitError, match=says):
            run(job(tmp_path / "manifest.json", tmp_path / "raw.zarr", content | wrong))
    with pytest.raises(RevisitError, match=r"manifest\.json: no such file"):
        run(job(tmp_path / "manifest.json", tmp_path / "raw.zarr", content))


def test_same_bits_in_any_number_of_threads(tmp_path, download, settings, contents) -> None:
    """Dates are read and stored side by side; one of them is dropped."""
    scenes = download("sentinel-2")
    for month in range(1, 6):
        bands = {
            "red": random(month),
            "nir": random(10 + month),
            "scl": classes(CLOUD if month == 2 else CLEAR),
        }
        scenes.add(f"m{month}", f"2020-0{month}-01T10:00:00Z", bands)
    for threads in (1, 3):
        where = {"region": "here", "sensor": "sentinel-2", "settings": settings(["red", "nir"])}
        stack([scenes.manifest()], tmp_path / f"{threads}.zarr", **where, threads=threads)
    assert contents(tmp_path / "1.zarr") == contents(tmp_path / "3.zarr")
    assert open_cube(tmp_path / "3.zarr").sizes["time"] == 4
