"""The archive as a whole: what later stages rely on, and what the truth files promise."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from pyproj import Transformer
from rasterio.warp import Resampling, reproject
from shapely.geometry import box, shape
from skimage.registration import phase_cross_correlation

from revisit.archive.faults import Fault
from revisit.archive.geometry import Grid
from revisit.archive.land_cover import write_worldcover
from revisit.archive.make import build as build_with
from revisit.archive.settings import Archive, Settings, check_years
from revisit.config.check import check
from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.job import Job
from revisit.plan.data import DataPlan
from revisit.record import read
from revisit.stage import run_file


def build(region: str, settings: dict[str, Any], out: Path) -> None:
    build_with(region, read(Settings, settings, "archive"), out)


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_settings_same_bytes_and_a_further_year_changes_no_other(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    """A rerun must give the same files, and a longer series must keep the dates it had."""
    short = {**settings, "years": {"sentinel-1": [2021], "sentinel-2": [2021], "worldcover": []}}
    long = {**settings, "years": {"sentinel-1": [2020, 2021], "sentinel-2": [2021], "worldcover": []}}
    for name, chosen in (("a", short), ("b", short), ("c", long)):
        build("little", chosen, tmp_path / name)
    first, again, longer = (digest(tmp_path / name) for name in "abc")
    assert first == again
    images = {name: value for name, value in first.items() if name.endswith(".tif")}
    assert images.items() <= longer.items()
    west, south, east, north = short["bbox"]
    build("little", {**short, "bbox": [west + 1, south, east + 1, north]}, tmp_path / "d")
    assert not set(images.values()) & set(digest(tmp_path / "d").values())


def test_a_region_is_its_place_and_not_its_name(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Renamed, a region is the same piece of land under the same weather."""
    short = {**settings, "years": {"sentinel-1": [2021], "sentinel-2": [], "worldcover": []}}
    for name in ("little", "large"):
        build(name, short, tmp_path / name)
    assert digest(tmp_path / "little") == digest(tmp_path / "large")


def test_every_asset_is_as_its_item_says(built: Any) -> None:
    """Shape, transform, type and nodata of the files agree with what readers trust unopened."""
    assert {item["collection"] for item in built.items} == {
        "sentinel-2-l2a", "sentinel-1-rtc", "esa-worldcover", "land-cover-truth",
    }  # fmt: skip
    for item in built.items:
        for asset in item["assets"].values():
            with rasterio.open(built.folder / asset["href"]) as file:
                raster = asset["raster:bands"][0]
                place = {**item["properties"], **asset}
                assert file.dtypes[0] == raster["data_type"]
                assert file.nodata == raster["nodata"]
                assert list(file.shape) == place["proj:shape"]
                assert list(file.transform)[:6] == pytest.approx(place["proj:transform"][:6])
                assert file.crs.to_epsg() == place["proj:epsg"]
                assert file.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG"


def test_scenes_are_larger_than_the_region(built: Any, settings: dict[str, Any]) -> None:
    """Displacement, resampling and clipping need pixels beyond the region on every side."""
    item = built.of("sentinel-1-rtc")[0]
    with rasterio.open(built.folder / item["assets"]["vv"]["href"]) as file:
        region = Transformer.from_crs(4326, file.crs, always_xy=True).transform_bounds(*settings["bbox"])
        assert box(*file.bounds).buffer(-160).contains(box(*region))


def test_offset_belongs_to_the_baseline(built: Any) -> None:
    """From baseline 04.00 on, DN carry 1000 more; with the stated offset, products show the same land."""
    items = built.of("sentinel-2-l2a")
    assert {item["properties"]["s2:processing_baseline"] >= "04.00" for item in items} == {True, False}
    for item in items:
        new = item["properties"]["s2:processing_baseline"] >= "04.00"
        assert item["assets"]["red"]["raster:bands"][0]["offset"] == (-0.1 if new else 0.0)
        if item["properties"]["datetime"] >= "2022-01-25":
            assert new
    pairs = [
        (old, new)
        for old in items
        for new in items
        if new["id"] == old["id"].replace("_0_L2A", "_1_L2A") and new["id"] != old["id"]
    ]
    assert pairs
    for old, new in pairs:
        assert np.nanmedian(built.reflectance(old, "nir")) == pytest.approx(
            np.nanmedian(built.reflectance(new, "nir")), abs=0.03
        )
        clouds = [np.isin(built.read(item, "scl"), (8, 9)) for item in (old, new)]
        assert np.mean(clouds[0] != clouds[1]) < 0.1  # one pass, one sky
        assert np.median(built.read(new, "blue")) > np.median(built.read(old, "blue")) + 700


def test_cloud_cover_is_that_of_the_mask(built: Any) -> None:
    """Searches filter by eo:cloud_cover, so it has to be true of the pixels; skies have to differ."""
    covers = []
    for item in built.of("sentinel-2-l2a"):
        scl = built.read(item, "scl")
        cover = 100 * np.isin(scl, (8, 9, 10)).sum() / (scl > 0).sum()
        assert item["properties"]["eo:cloud_cover"] == pytest.approx(cover, abs=1e-3)
        clear = built.truth["clear_fraction"][item["id"]]
        assert clear <= 1 - cover / 100 + 0.15
        covers.append(cover)
    assert min(covers) < 15 and max(covers) > 50


def test_two_tiles_share_a_date_and_overlap(built: Any) -> None:
    """A mosaic by date needs two items of one pass, which agree where both see."""
    dates: dict[str, list[dict[str, Any]]] = {}
    for item in built.of("sentinel-2-l2a"):
        dates.setdefault(item["properties"]["datetime"] + item["properties"]["s2:sequence"], []).append(item)
    for west, east in dates.values():
        assert west["properties"]["grid:code"] != east["properties"]["grid:code"]
        assert shape(west["geometry"]).intersects(shape(east["geometry"]))
        with (
            rasterio.open(built.folder / west["assets"]["red"]["href"]) as one,
            rasterio.open(built.folder / east["assets"]["red"]["href"]) as two,
        ):
            assert one.bounds.left < two.bounds.left < one.bounds.right < two.bounds.right
            common = round((one.bounds.right - two.bounds.left) / 10)
        left, right = (built.reflectance(item, "red") for item in (west, east))
        difference = left[:, -common:] - right[:, :common]
        if np.isfinite(difference).any():
            assert np.nanmedian(np.abs(difference)) < 0.02


def test_displacement_in_truth_can_be_measured(built: Any) -> None:
    """What truth.json says of each acquisition is what the pixels show, with the sign it states."""
    sentinel2 = sorted(built.of("sentinel-2-l2a"), key=lambda item: item["properties"]["eo:cloud_cover"])
    sentinel2 = [item for item in sentinel2 if item["id"].split("_")[1] == sentinel2[0]["id"].split("_")[1]]
    reference = sentinel2[0]
    checked = 0
    for item in sentinel2[1:]:
        images = [built.reflectance(one, "nir") for one in (reference, item)]
        if item["properties"]["eo:cloud_cover"] > 8 or not all(np.isfinite(image).all() for image in images):
            continue
        edges = [np.hypot(*np.gradient(image)) for image in images]
        shift, _, _ = phase_cross_correlation(*edges, upsample_factor=50, normalization=None)
        moved = [np.array(built.truth["displacement_pixels"][one["id"]]) for one in (reference, item)]
        np.testing.assert_allclose(-shift[::-1], moved[1] - moved[0], atol=0.35)
        checked += 1
    assert checked >= 2
    size = np.abs(list(built.truth["displacement_pixels"].values()))
    assert size.mean() > 0.2 and size.max() <= 2


def test_labels_are_worldcover_like(built: Any) -> None:
    """The label map is in degrees on the real one's lattice and nearly, but not quite, the truth of 2020."""
    item = built.of("esa-worldcover")[0]
    assert item["properties"]["datetime"] is None and item["properties"]["start_datetime"].startswith("2020")
    truth = next(item for item in built.of("land-cover-truth") if item["id"] == "truth_2020")
    with (
        rasterio.open(built.folder / item["assets"]["map"]["href"]) as labels,
        rasterio.open(built.folder / truth["assets"]["map"]["href"]) as true,
    ):
        assert labels.crs.to_epsg() == 4326
        assert labels.transform.a == pytest.approx(1 / 12000)
        assert (labels.transform.c * 12000) % 1 == pytest.approx(0, abs=1e-6)
        warped = np.zeros(true.shape, dtype=np.uint8)
        reproject(
            rasterio.band(labels, 1), warped, dst_transform=true.transform, dst_crs=true.crs,
            resampling=Resampling.nearest,
        )  # fmt: skip
        agreement = np.mean(warped == true.read(1))
    assert 0.8 < agreement < 0.98


def test_labels_cover_the_region_to_its_edges(tmp_path: Path) -> None:
    """An edge of a UTM grid is bent in degrees: over 60 km its middle lies 120 m north of its corners."""
    grid = Grid(32631, 470_020, 6_650_040, 6000, 12)
    land = SimpleNamespace(cover=lambda year: np.full(grid.shape, 10, dtype=np.uint8))
    place = SimpleNamespace(grid=grid, folder=tmp_path, land=land, key=(1, "x"))
    (item,) = write_worldcover(place, 2020)  # type: ignore[arg-type]
    x, y = np.meshgrid(grid.west + np.arange(5, 60_000, 1000), grid.north - np.array([25, 60, 95]))
    where = Transformer.from_crs(32631, 4326, always_xy=True).transform(x.ravel(), y.ravel())
    with rasterio.open(tmp_path / item["assets"]["map"]["href"]) as file:
        assert all(value[0] == 10 for value in file.sample(list(zip(*where, strict=True))))


def test_second_tile_is_in_the_next_zone_where_the_region_spans_two(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Readers must reproject: two items of one date with different proj:epsg over one region."""
    build(
        "border",
        {
            **settings,
            "bbox": [5.99, 43.2, 6.008, 43.213],
            "epsg": 32631,
            "years": {"sentinel-1": [], "sentinel-2": [2021], "worldcover": []},
            "dates_per_year": {"sentinel-2": 1},
        },
        tmp_path / "border",
    )
    items = read_json(tmp_path / "border" / "items.json")["features"]
    scenes = {
        item["properties"]["proj:epsg"]: item for item in items if item["collection"] == "sentinel-2-l2a"
    }
    assert set(scenes) == {32631, 32632}
    assert scenes[32631]["properties"]["grid:code"].startswith("MGRS-31T")
    assert scenes[32632]["properties"]["grid:code"].startswith("MGRS-32T")
    bands = []
    for item in scenes.values():
        with rasterio.open(tmp_path / "border" / item["assets"]["nir"]["href"]) as file:
            image = np.zeros((60, 20), dtype=np.uint16)
            west, north = Transformer.from_crs(4326, 32631, always_xy=True).transform(5.998, 43.21)
            grid = rasterio.transform.from_origin(west, north, 10, 10)
            reproject(rasterio.band(file, 1), image, dst_transform=grid, dst_crs="EPSG:32631", resampling=1)
            bands.append(image.astype(float))
    both = (bands[0] > 0) & (bands[1] > 0)
    assert both.mean() > 0.5
    assert np.corrcoef(bands[0][both], bands[1][both])[0, 1] > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"biomes": "coast"}, "archive: unknown key 'biomes'; did you mean 'biome'"),
        ({"biome": "moon"}, "archive.biome: no biome 'moon'; there is temperate, coast"),
        ({"bbox": [3, 43, 2, 44]}, "archive.bbox: "),
        ({"years": {"sentinel-2": [1999]}}, "1999.*from 2015 to 2025"),
        ({"years": {"sentinel2": [2020]}}, "unknown key 'sentinel2'; did you mean 'sentinel-2'"),
        ({"tiles": 3}, "archive.tiles"),
        ({"dates_per_year": {"sentinel-1": 0}}, "dates_per_year.sentinel-1: .*greater than or equal to 1"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], change: dict[str, Any], message: str) -> None:
    """A key that nothing reads must not pass silently."""
    with pytest.raises(RevisitError, match=message):
        read(Settings, {**settings, **change}, "archive")


def test_years_that_cannot_be_simulated_are_refused_at_planning() -> None:
    """Sentinel-1 flew in 2014, which is right for other providers; here it would fail when the job runs."""
    check_years({"sentinel-1": [2015, 2025], "worldcover": []})
    with pytest.raises(RevisitError, match=r"search.sentinel-1.years: 2014: .*from 2015 to 2025"):
        check_years({"sentinel-2": [2020], "sentinel-1": [2014, 2015]})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"biomes": {"plain": "moon"}}, "archive.biomes.plain: no biome 'moon'; there is temperate, coast"),
        ({"tiles": {"plain": 3}}, "archive.tiles.plain: .*1 or 2, not 3"),
        ({"dates_per_year": {"worldcover": 1}}, "archive.dates_per_year: unknown key 'worldcover'"),
        ({"displacement_pixels": -1}, "archive.displacement_pixels: .*not -1"),
        ({"dates_per_year": {"sentinel-1": 121}}, "archive.dates_per_year.sentinel-1: .*120, not 121"),
        ({"dates_per_year": {"sentinel-2": 200}}, "archive.dates_per_year.sentinel-2: .*120, not 200"),
        ({"reprocessed": 2}, "archive.reprocessed: .*1, not 2"),
        ({"faults": {"plain": [{"kind": "eaten", "item": 0}]}}, "archive.faults.plain.0.kind: "),
    ],
)
def test_wrong_sections_are_refused_at_planning(section: dict[str, Any], message: str) -> None:
    """What the config says of the simulated Earth, key by key."""
    with pytest.raises(RevisitError, match=message):
        read(Archive, section, "archive")


def test_the_section_reads_back_as_the_settings_of_an_archive(settings: dict[str, Any]) -> None:
    """The plan hands what holds for all regions on as it is: sensors by the names the config has."""
    section = {
        "dates_per_year": {"sentinel-1": 3, "sentinel-2": 5},
        "displacement_pixels": 0.4,
        "reprocessed": 0.5,
    }
    content = read(Archive, section, "archive").content()
    assert content == {**section, "biomes": {}, "tiles": {}, "faults": {}}
    made = read(Settings, {**settings, **{key: content[key] for key in section}}, "archive")
    assert (made.dates_per_year.sentinel_1, made.displacement_pixels, made.reprocessed) == (3, 0.4, 0.5)


def test_the_plan_hands_faults_to_their_region() -> None:
    """One region's archive is spoilt as the config says, the others are whole."""
    study = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
    fault = {"kind": "missing-file", "item": 3, "asset": "map"}
    study["archive"]["faults"] = {"plain": [fault]}
    plan = DataPlan(check(study))
    found = {
        name: read(Settings, plan.archive(SimpleNamespace(region=name)), "archive").faults
        for name in ("plain", "polder")
    }
    assert found == {"plain": [read(Fault, fault, "fault")], "polder": []}


def test_the_job_fails_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A user sees what to mend and no traceback."""
    out = tmp_path / "out"
    job = Job("revisit.archive.make", {"region": "x"}, {}, {"archive": str(out)}, {"biome": "coast"})
    job.write(tmp_path / "job.json")
    assert run_file(tmp_path / "job.json") == 1
    message = capsys.readouterr().err
    assert "archive.bbox is missing" in message and "Traceback" not in message
    assert not out.exists()
