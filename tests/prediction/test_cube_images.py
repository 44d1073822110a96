"""Protects what networks are shown of a region: images as they learnt from, of the right year and scale."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from affine import Affine

from revisit.cube.contract import codecs
from revisit.cube.grid import Grid
from revisit.cube.write import create_array, create_cube, write_coordinates
from revisit.errors import RevisitError
from revisit.files import atomic
from revisit.patches.batch import MISSING
from revisit.prediction import cube_images
from revisit.prediction.cube_images import CubeImages, region_cubes

HEIGHT, WIDTH = 60, 90
GRID = Grid(32631, Affine(10, 0, 600_000, 0, -10, 5_400_000), WIDTH, HEIGHT)
TIMES = {
    "sentinel-1": ["2019-07-01", "2020-01-20", "2020-07-03"],
    "sentinel-2": ["2019-07-02", "2020-06-01", "2020-07-09", "2020-09-09", "2021-07-01"],
}
WHOLE = slice(0, HEIGHT), slice(0, WIDTH)


class Region:
    """Cubes of a region in a folder as a study has it: of each sensor a scaled and an aligned one."""

    def __init__(self, folder: Path, card: dict[str, Any]) -> None:
        self.folder, self.card = folder, card
        self.values: dict[str, np.ndarray] = {}
        self.valid: dict[str, np.ndarray] = {}
        for sensor, scaling in card["scaling"].items():
            random = np.random.default_rng(len(self.values))
            dates, bands = len(TIMES[sensor]), len(scaling["bands"])
            self.values[sensor] = random.integers(0, 256, (dates, bands, HEIGHT, WIDTH), dtype=np.uint8)
            self.valid[sensor] = random.random((dates, HEIGHT, WIDTH)) < 0.9
            self.valid[sensor][:, 30, 40] = False  # a hole around which there is something
            self.valid[sensor][:, :12, :12] = False  # and one in whose middle there is nothing near
            self.write(sensor)

    def physical(self, sensor: str) -> np.ndarray:
        bands = self.card["scaling"][sensor]["bands"].values()
        lower, upper = (np.array([band[key] for band in bands])[:, None, None] for key in ("lower", "upper"))
        return (lower + self.values[sensor] / 255 * (upper - lower)).astype(np.float32)

    def write(self, sensor: str, grid: Grid = GRID, upper: float = 0.0, dtype: str = "uint8") -> None:
        """Both cubes of a sensor; ``upper`` is added to the limits that the scaled one says it has.

        With ``dtype`` float32 the values lie off the whole ones, in both.
        """
        if dtype == "float32":
            off = np.random.default_rng(9).uniform(-0.49, 0.49, self.values[sensor].shape)
            self.values[sensor] = (self.values[sensor] + off).clip(0, 255).astype(np.float32)
        scaling = self.card["scaling"][sensor]
        names, unit = list(scaling["bands"]), scaling["source_unit"]
        limits = {
            "lower": [band["lower"] for band in scaling["bands"].values()],
            "upper": [band["upper"] + upper for band in scaling["bands"].values()],
            **{key: [1.0] * len(names) for key in ("mean", "std", "valid_pixels")},
        }
        about = {
            "scaled": ({"clip_sigma": 3.0, "source_unit": unit}, limits, "scaled", self.values[sensor]),
            "aligned": ({}, {}, unit, self.physical(sensor)),
        }
        for stage, (attributes, columns, stored, values) in about.items():
            with create_cube(
                self.folder / sensor / f"{stage}.zarr", grid, dates=len(values), bands=names, sensor=sensor,
                region="here", stage=stage, unit=stored, settings={}, attributes=attributes,
                band_coordinates=columns, dtype=dtype,
            ) as writer:  # fmt: skip
                for date, time in enumerate(TIMES[sensor]):
                    writer.write(WHOLE, values[date], self.valid[sensor][date])
                    writer.keep(np.datetime64(time))

    def images(self, stage: str = "scaled", when: str | None = None, **changes: Any) -> CubeImages:
        cubes = {sensor: self.folder / sensor / f"{stage}.zarr" for sensor in self.values}
        return CubeImages(self.card | changes, cubes, when)


@pytest.fixture
def region(tmp_path: Path, card: Callable[..., dict[str, Any]]) -> Region:
    return Region(tmp_path / "here", card("sentinel-1", "sentinel-2"))


def composite(region: Region, sensor: str, year: int) -> np.ndarray:
    """By NumPy alone: the mean of power in 8-bit steps of dB, the median of reflectance; else NaN."""
    of_year = [number for number, time in enumerate(TIMES[sensor]) if time.startswith(str(year))]
    valid = region.valid[sensor][of_year][:, None]
    if sensor == "sentinel-2":
        return np.nanmedian(np.where(valid, region.values[sensor][of_year], np.nan), axis=0)
    power = np.where(valid, 10 ** (region.physical(sensor)[of_year].astype(float) / 10), np.nan)
    low, high = (np.array(pair)[:, None, None] for pair in ((-24.0, -30.0), (0.0, -6.0)))
    return (10 * np.log10(np.nanmean(power, axis=0)) - low) / (high - low) * 255


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:All-NaN slice")
@pytest.mark.parametrize("stage", ["scaled", "aligned"])
def test_composites_are_those_of_the_year(
    region: Region, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixel by pixel, in whatever pieces they are read; gaps are filled from 2 pixels around, or stay."""
    monkeypatch.setattr(cube_images, "PIECE", 32)
    monkeypatch.setattr(cube_images, "STRIP_VALUES", 1)
    image, valid = region.images(stage).read(WHOLE)
    expected = np.concatenate([composite(region, sensor, 2020) for sensor in region.values])
    there = ~np.isnan(expected).any(axis=0)
    assert there.mean() > 0.9
    assert np.abs(image[:, there] - expected[:, there]).max() <= 0.5 + 1e-3
    assert valid[there].all() and valid[30, 40] and not valid[:10, :10].any()
    assert (image[:, :10, :10] == MISSING).all()
    around = expected[:, 28:33, 38:43].reshape(5, -1)
    assert image[:, 30, 40] == pytest.approx(np.nanmedian(around, axis=1), abs=1)
    # The same of another year, and of a part.
    later = region.images(stage, "2019").read((slice(7, 41), slice(13, 77)))[0]
    expected = np.concatenate([composite(region, sensor, 2019) for sensor in region.values])
    there = ~np.isnan(expected).any(axis=0)
    difference = (later - expected[:, 7:41, 13:77])[:, there[7:41, 13:77]]
    assert np.abs(difference).max() <= 0.5 + 1e-3


def test_single_dates_for_models_of_single_dates(region: Region) -> None:
    """The one nearest to a day, of each sensor; without a day the clearest."""
    image, valid = region.images(when="2019-05-05", composite_year=None).read(WHOLE)
    expected = np.concatenate([region.values[sensor][0] for sensor in region.values])
    seen = {sensor: region.valid[sensor][0] for sensor in region.values}
    assert np.array_equal(valid, seen["sentinel-1"] & seen["sentinel-2"])
    assert np.array_equal(image[:, valid], expected[:, valid])
    assert (image[:2, ~seen["sentinel-1"]] == MISSING).all()
    clearest = region.images(composite_year=None)
    assert clearest.dates["sentinel-2"][0] == region.valid["sentinel-2"].mean((1, 2)).argmax()
    assert region.images(when="2020-07-05", composite_year=None).period == (
        "2020-07-03T00:00:00Z", "2020-07-09T00:00:00Z",
    )  # fmt: skip


def test_dates_of_a_pair_are_as_near_as_those_learnt_from(region: Region) -> None:
    """The best date that has a partner; where there is none the map has no data, and it is told why."""
    days = {"sentinel-1": np.array(TIMES["sentinel-1"]), "sentinel-2": np.array(TIMES["sentinel-2"])}

    def pair(most: float | None, when: str | None = None) -> tuple[str, ...]:
        images = region.images(when=when, composite_year=None, max_days_apart=most)
        return tuple(str(days[sensor][number]) for sensor, (number,) in images.dates.items())

    assert pair(None, "2020-09-01") == ("2020-07-03", "2020-09-09")  # as cards were that do not say it
    assert pair(6, "2020-09-01") == ("2020-07-03", "2020-07-09")
    assert pair(1, "2020-09-01") == ("2019-07-01", "2019-07-02")
    clear = region.valid["sentinel-2"].mean((1, 2))
    best = max((0, 2), key=lambda date: clear[date])
    assert pair(6)[1] == TIMES["sentinel-2"][best]
    images = region.images(composite_year=None, max_days_apart=0)
    assert images.lacking == (
        "sentinel-1 and sentinel-2 have no dates within 0 days of each other, as the model's samples were, "
        "the nearest are 1 days apart"
    )
    assert not images.read(WHOLE)[1].any() and images.period[0] == "2019-07-01T00:00:00Z"


def test_scaled_cubes_of_other_limits_are_refused_and_aligned_ones_taken(region: Region) -> None:
    """Else grey would mean something else; in the folder of a region the right cube is found."""
    assert region_cubes(region.folder, region.card)["sentinel-2"].stem == "scaled"
    region.write("sentinel-2", upper=0.1)
    with pytest.raises(
        RevisitError, match="scaled between other limits than the model's images; give the al"
    ):
        region.images()
    found = region_cubes(region.folder, region.card)
    assert {sensor: path.stem for sensor, path in found.items()} == {
        "sentinel-1": "scaled", "sentinel-2": "aligned",
    }  # fmt: skip
    assert np.array_equal(
        CubeImages(region.card, found).read(WHOLE)[0], region.images("aligned").read(WHOLE)[0]
    )


def test_a_raw_cube_is_not_taken_for_an_aligned_one(region: Region) -> None:
    """Its dates are not co-registered: it stands in for none, and is doubted where it is asked for."""
    region.write("sentinel-2", upper=0.1)
    aligned = region.folder / "sentinel-2/aligned.zarr"
    raw = aligned.rename(aligned.with_stem("raw"))
    about = json.loads((raw / "zarr.json").read_text())
    about["attributes"]["stage"] = "raw"
    (raw / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(
        RevisitError, match="has no aligned cube, nor one scaled as the model's images, of sentinel-2, which"
    ):
        region_cubes(region.folder, region.card)
    cubes = {"sentinel-1": region.folder / "sentinel-1/scaled.zarr", "sentinel-2": raw}
    doubt = CubeImages(region.card, cubes).doubt
    assert doubt and doubt.endswith(
        "raw.zarr is not co-registered, as the model's images were; give the aligned cube"
    )


def of_floats(card: dict[str, Any]) -> dict[str, Any]:
    """The card of a model that learnt from values that were not rounded."""
    return {"scaling": {sensor: one | {"dtype": "float32"} for sensor, one in card["scaling"].items()}}


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:All-NaN slice")
@pytest.mark.parametrize(("stage", "apart"), [("scaled", 1e-3), ("aligned", 0.07)])
def test_a_model_of_floats_is_shown_floats(region: Region, stage: str, apart: float) -> None:
    """Single dates and composites, from scaled cubes and from physical ones, whose reflectance is packed."""
    for sensor in region.values:
        region.write(sensor, dtype="float32")
    changes = of_floats(region.card)
    image, valid = region.images(stage, "2019-05-05", composite_year=None, **changes).read(WHOLE)
    assert image.dtype == np.float32
    expected = np.concatenate([region.values[sensor][0] for sensor in region.values])
    np.testing.assert_allclose(image[:, valid], expected[:, valid], atol=apart)
    expected = np.concatenate([composite(region, sensor, 2020) for sensor in region.values])
    there = ~np.isnan(expected).any(axis=0)
    image, valid = region.images(stage, **changes).read(WHOLE)
    np.testing.assert_allclose(image[:, there], expected[:, there], atol=2 * apart)
    assert (image[:, :10, :10] == MISSING).all() and not valid[:10, :10].any()


def test_float_cubes_are_rounded_for_a_model_of_8_bit(region: Region) -> None:
    """Which sees what it would have seen of the cube that was rounded: the same numbers."""
    usual = region.images().read(WHOLE)
    for sensor in region.values:
        region.write(sensor, dtype="float32")
    found = region.images().read(WHOLE)
    assert found[0].dtype == np.uint8
    assert all(np.array_equal(*pair) for pair in zip(usual, found, strict=True))


def test_a_model_of_floats_takes_no_rounded_cube(region: Region) -> None:
    """In the folder of a region it finds the physical one."""
    changes = of_floats(region.card)
    with pytest.raises(
        RevisitError, match="rounded to 8 bit, which the model's images were not; give the al"
    ):
        region.images(**changes)
    found = region_cubes(region.folder, region.card | changes)
    assert {path.stem for path in found.values()} == {"aligned"}
    assert CubeImages(region.card | changes, found).read(WHOLE)[0].dtype == np.float32


def test_elevation_is_a_band_like_others(region: Region) -> None:
    """Metres between the model's limits, the same at all times; where there are none the map has no data."""
    metres = np.tile(np.linspace(0, 1000, WIDTH, dtype=np.float32), (HEIGHT, 1))
    metres[50:] = np.nan
    path = region.folder / "dem.zarr"
    with atomic(path) as aside, codecs():
        zarr.create_group(aside, zarr_format=3)
        create_array(aside, "elevation", GRID.shape, ("y", "x"), "float32", float("nan"), {})[:] = metres
        attributes = {"stage": "dem", "sensor": "dem", "region": "here", "unit": "m", "code_version": "test"}
        write_coordinates(aside, GRID, {}, attributes)
    height = {"clip_sigma": 3.0, "source_unit": "m", "bands": {"elevation": {"lower": 0.0, "upper": 1000.0}}}
    scaling = region.card["scaling"] | {"dem": height}
    card = region.card | {"bands": [*region.card["bands"], "elevation"], "scaling": scaling}
    image, valid = CubeImages(card, region_cubes(region.folder, card)).read(WHOLE)
    assert not valid[50:].any() and valid[40:50, 40:50].all()
    expected = np.rint(metres[:50] / 1000 * 255)
    assert np.abs(image[-1, :50] - expected).max() <= 1 and (image[-1, 50:] == MISSING).all()


def test_what_the_model_does_not_take_is_refused(
    region: Region, card: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(RevisitError, match="its pixels are 10 m wide, the model learnt from 20 m"):
        region.images(resolution_m=20)
    with pytest.raises(
        RevisitError, match="no cube of sentinel-2, which the model takes; give the folder of a"
    ):
        CubeImages(region.card, {"sentinel-1": region.folder / "sentinel-1/scaled.zarr"})
    with pytest.raises(RevisitError, match="has no cube of sentinel-1, which the model takes; make it first"):
        region_cubes(tmp_path, region.card)
    with pytest.raises(RevisitError, match="--when summer: the model maps composites of a year; give one"):
        region.images(when="summer")
    with pytest.raises(RevisitError, match="--when 2020-13-01: no date; give one such as 2020-07-01"):
        region.images(when="2020-13-01", composite_year=None)
    empty = region.images(when="2021")
    assert empty.lacking == "sentinel-1 has no date of 2021, only of 2019, 2020"
    assert not empty.read(WHOLE)[1].any()
    extra = card("sentinel-2", bands=["blue", "green", "red", "nir"])
    with pytest.raises(
        RevisitError, match="has no band 'nir', which the model takes; it has blue, green, red"
    ):
        CubeImages(extra, {"sentinel-2": region.folder / "sentinel-2/scaled.zarr"})
    elsewhere = Grid(32631, Affine(10, 0, 600_600, 0, -10, 5_400_000), WIDTH, HEIGHT)
    region.write("sentinel-2", grid=elsewhere)
    with pytest.raises(RevisitError, match="lie on different grids"):
        region.images()
