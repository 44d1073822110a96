"""A patch store holds what the cubes hold, in patches that never cross from one part into another."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from affine import Affine

from revisit.cube.contract import codecs, open_cube
from revisit.cube.grid import Grid
from revisit.cube.split import split_map
from revisit.cube.write import create_array, create_cube, write_coordinates
from revisit.errors import RevisitError
from revisit.files import atomic
from revisit.patches.kinds.pairs import pairs
from revisit.patches.kinds.yearly import annual
from revisit.patches.store import PatchStore
from revisit.patches.tile import main, tile
from revisit.patches.writer import MISSING, Look

SIZE, PATCH = 128, 16
SPLIT = {"block_pixels": 32, "gap_pixels": 0, "train": 0.5, "val": 0.25, "test": 0.25}
PAIRS = {
    "kind": "pairs", "patch_pixels": PATCH, "min_valid": 0.9, "max_days_apart": 10, "samples_per_place": 2,
    "min_class_fraction": 0.1,
}  # fmt: skip
YEARLY = {"kind": "yearly", "patch_pixels": PATCH, "min_valid": 0.9, "label_year": 2020}
BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
UNITS = {"sentinel-1": "dB", "sentinel-2": "reflectance"}
LIMITS = {"sentinel-1": (-24.0, 0.0), "sentinel-2": (-0.1, 0.4)}
TIMES = {
    "sentinel-1": ["2019-01-04", "2019-07-10", "2020-01-22", "2020-07-03", "2020-08-20"],
    "sentinel-2": ["2019-01-10", "2019-07-01", "2020-07-01", "2020-07-09", "2020-11-30"],
}
LEFT = {"here": 600_000, "there": 610_000}


def write_scaled(
    path: Path, region: str, sensor: str, upper: float | None = None, stage: str = "scaled"
) -> tuple[np.ndarray, np.ndarray]:
    """A scaled cube of noise, in which clouds cover a third of one date and a whole place of all 2019."""
    grid = Grid(32631, Affine(10, 0, LEFT[region], 0, -10, 5_400_000), SIZE, SIZE)
    random = np.random.default_rng([len(region), len(sensor), ord(sensor[-1])])
    shape = (len(TIMES[sensor]), len(BANDS[sensor]), SIZE, SIZE)
    values = random.integers(0, 256, shape, dtype=np.uint8)
    valid = np.ones((shape[0], SIZE, SIZE), bool)
    if sensor == "sentinel-2":
        valid[2, :45] = False
        valid[:2, 80:96, 80:96] = False
        valid[:, 3, 5] = False
    lower, high = LIMITS[sensor]
    columns = {"lower": lower, "upper": upper or high, "mean": 0.1, "std": 0.2, "valid_pixels": 9}
    with create_cube(
        path, grid, dates=shape[0], bands=BANDS[sensor], sensor=sensor, region=region, stage=stage,
        unit="scaled", settings={}, attributes={"clip_sigma": 3.0, "source_unit": UNITS[sensor]},
        band_coordinates={name: [value] * shape[1] for name, value in columns.items()},
    ) as writer:  # fmt: skip
        for date, time in enumerate(TIMES[sensor]):
            writer.write((slice(0, SIZE), slice(0, SIZE)), values[date], valid[date])
            writer.keep(np.datetime64(time))
    return values, valid


def write_labels(path: Path, region: str) -> np.ndarray:
    """Columns of trees, crops and water, a little moss, and none."""
    grid = Grid(32631, Affine(10, 0, LEFT[region], 0, -10, 5_400_000), SIZE, SIZE)
    codes = np.repeat(np.array([10, 40, 80, 0], np.uint8), 32)[None].repeat(SIZE, axis=0)
    codes[40:42, 40:42] = 100
    with atomic(path) as aside, codecs():
        zarr.create_group(aside, zarr_format=3)
        create_array(aside, "land_cover", grid.shape, ("y", "x"), "uint8", 0, {})[:] = codes
        attributes = {"stage": "labels", "sensor": "worldcover", "region": region, "unit": "class"}
        write_coordinates(aside, grid, {}, attributes | {"years": [2020]})
    return codes


@pytest.fixture(scope="module")
def cubes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Paths of cubes and labels of two regions, and what is in them."""
    folder = tmp_path_factory.mktemp("cubes")
    paths, labels, content = [], [], {}
    for region in LEFT:
        for sensor in BANDS:
            paths.append(folder / f"{region}-{sensor}.zarr")
            content[region, sensor] = write_scaled(paths[-1], region, sensor)
        labels.append(folder / f"{region}-labels.zarr")
        content[region, "labels"] = write_labels(labels[-1], region)
    return {"paths": paths, "labels": labels, "content": content}


def settings(collection: dict[str, Any], **split: Any) -> dict[str, Any]:
    return {"seed": 4, "split": SPLIT | split, "collection": collection}


def window(group: zarr.Group, sample: int) -> tuple[str, tuple[slice, slice]]:
    """The region of a sample and its place in the region's cube, from its coordinates."""
    region = group.attrs["regions"][group["region"][sample]]
    left = round((group["x"][sample] - LEFT[region]) / 10 - PATCH / 2)
    top = round((5_400_000 - group["y"][sample]) / 10 - PATCH / 2)
    return region, (slice(top, top + PATCH), slice(left, left + PATCH))


@pytest.fixture(scope="module")
def pair_store(cubes: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("patches") / "pairs.zarr"
    tile("pairs", cubes["paths"], cubes["labels"], path, settings(PAIRS))
    return path


def test_pairs(pair_store: Path, cubes: dict[str, Any]) -> None:
    """Each sample is a window of a Sentinel-2 date and of the Sentinel-1 date nearest to it, days apart."""
    group = zarr.open_group(pair_store, mode="r")
    assert dict(group.attrs)["kind"] == "pairs"
    places = set()
    for sample in range(group["split"].shape[0]):
        region, here = window(group, sample)
        dates = {}
        for sensor in BANDS:
            dates[sensor] = np.datetime64(int(group[f"{sensor}_date"][sample, 0]), "ns")
            index = [np.datetime64(time) for time in TIMES[sensor]].index(dates[sensor])
            values, valid = (part[index][..., *here] for part in cubes["content"][region, sensor])
            np.testing.assert_array_equal(group[f"{sensor}_valid"][sample, 0], valid)
            np.testing.assert_array_equal(group[sensor][sample, 0], np.where(valid, values, MISSING))
            assert valid.mean() >= 0.9
        assert abs(dates["sentinel-1"] - dates["sentinel-2"]) <= np.timedelta64(10, "D")
        np.testing.assert_array_equal(group["land_cover"][sample], cubes["content"][region, "labels"][here])
        grid = Grid(32631, Affine(10, 0, LEFT[region], 0, -10, 5_400_000), SIZE, SIZE)
        assert (split_map(grid, region, SPLIT, 4)[here] == group["split"][sample]).all()
        places.add((region, here[0].start, here[1].start, int(group["position"][sample])))
    assert len(places) == len({place[:3] for place in places}) == len({place[3] for place in places})
    assert len(places) == 2 * (SIZE // PATCH) ** 2
    assert np.bincount(group["position"][:]).max() == 2


def test_labels(pair_store: Path) -> None:
    """A class is a label from a tenth of the patch on; a class no training patch has is none."""
    store = PatchStore(pair_store)
    assert store.attrs["classes"] == ["Tree cover", "Cropland", "Permanent water"]
    everyone = np.arange(store.samples)
    expected = [(store.land_cover(everyone) == code).mean(axis=(1, 2)) >= 0.1 for code in (10, 40, 80)]
    np.testing.assert_array_equal(store.multi_label(everyone), np.stack(expected, axis=1))


def test_attributes(pair_store: Path, cubes: dict[str, Any]) -> None:
    """What training and the model card need to know travels with the patches; one chunk is one sample."""
    attrs = dict(zarr.open_group(pair_store, mode="r").attrs)
    assert attrs["bands"] == BANDS
    band = {"lower": -24.0, "upper": 0.0, "mean": 0.1, "std": 0.2, "valid_pixels": 9}
    assert attrs["scaling"]["sentinel-1"] == {
        "clip_sigma": 3.0, "source_unit": "dB", "bands": {"vv": band, "vh": band}
    }  # fmt: skip
    assert attrs["split_distance_m"] == {"train-test": 0, "train-val": 0, "val-test": 0}
    assert (attrs["patch_pixels"], attrs["resolution_m"], attrs["stage"]) == (PATCH, 10, "patches")
    assert attrs["source_cubes"] == [path.as_posix() for path in cubes["paths"]]
    array = zarr.open_group(pair_store, mode="r")["sentinel-2"]
    assert (array.chunks, array.compressors) == ((1, 1, 3, PATCH, PATCH), ())


def test_gap_is_kept(cubes: dict[str, Any], tmp_path: Path) -> None:
    """With a gap of a patch no test patch has a training neighbour, and the distance says so."""
    wide = settings(PAIRS, gap_pixels=PATCH)
    tile("pairs", cubes["paths"], cubes["labels"], tmp_path / "pairs.zarr", wide)
    attrs = zarr.open_group(tmp_path / "pairs.zarr", mode="r").attrs
    assert attrs["split_distance_m"]["train-test"] == 160


def test_spread_over_seasons() -> None:
    """Of many dates those unlike in season and year are taken, the same ones each time."""
    times = np.arange("2017-01-01", "2021-01-01", 10, dtype="datetime64[D]").astype("datetime64[ns]")
    pixels = np.zeros((len(times), 1, 4, 4), np.uint8)
    look = Look(pixels, np.ones((len(times), 4, 4), bool), times)
    looks = {"sentinel-1": look, "sentinel-2": look}
    wanted = {"min_valid": 1, "max_days_apart": 0, "samples_per_place": 4}
    for seed in range(5):
        found, cause = pairs(looks, wanted, [seed])
        assert not cause
        dates = np.concatenate([sample["sentinel-2"].times for sample in found])
        days = (dates.astype("datetime64[D]") - dates.astype("datetime64[Y]")).astype(int)
        gaps = np.diff(np.sort(days), append=np.sort(days)[0] + 365)
        assert gaps.max() < 200
        again = np.concatenate([sample["sentinel-2"].times for sample in pairs(looks, wanted, [seed])[0]])
        np.testing.assert_array_equal(dates, again)


def test_yearly(cubes: dict[str, Any], tmp_path: Path) -> None:
    """Annual composites by hand; a place that a year does not show is left out."""
    tile("yearly", cubes["paths"], cubes["labels"], tmp_path / "yearly.zarr", settings(YEARLY))
    group = zarr.open_group(tmp_path / "yearly.zarr", mode="r")
    assert group.attrs["years"] == {"sentinel-1": [2019, 2020], "sentinel-2": [2019, 2020]}
    assert group.attrs["label_year"] == 2020
    assert group["split"].shape[0] == 2 * ((SIZE // PATCH) ** 2 - 1)
    for sample in range(0, group["split"].shape[0], 7):
        region, here = window(group, sample)
        assert here != (slice(80, 96), slice(80, 96))
        scaled, _ = cubes["content"][region, "sentinel-1"]
        power = 10 ** ((scaled[2:, :, *here] / 255 * 24 - 24) / 10)
        expected = np.clip((10 * np.log10(power.mean(axis=0)) + 24) / 24 * 255, 0, 255)
        np.testing.assert_allclose(group["sentinel-1"][sample, 1], expected, atol=0.51)
        scaled, valid = (part[2:, ..., *here] for part in cubes["content"][region, "sentinel-2"])
        masked = np.ma.masked_array(scaled, np.broadcast_to(~valid[:, None], scaled.shape))
        median = np.rint(np.ma.median(masked, axis=0))
        seen = valid.any(axis=0)
        np.testing.assert_array_equal(group["sentinel-2"][sample, 1][:, seen], median[:, seen])


def test_gaps_of_a_year() -> None:
    """A small gap gets its neighbours' median and is valid; a large one is not, and counts as the mean."""
    values = np.full((1, 1, 12, 12), 50, np.uint8)
    valid = np.ones((1, 12, 12), bool)
    valid[0, 1, 1] = False
    valid[0, 5:12, 5:12] = False
    values[0, 0, 1, 1] = 255
    look = Look(values, valid, np.array(["2020-03-01"], "datetime64[ns]"))
    scaling = {"source_unit": "reflectance", "bands": {}}
    composite = annual(look, [2019, 2020], scaling)
    assert not composite.valid[0].any()
    assert composite.valid[1, 1, 1]
    assert composite.values[1, 0, 1, 1] == 50
    assert composite.valid[1].sum() == 12 * 12 - 5 * 5


def test_same_bytes(pair_store: Path, cubes: dict[str, Any], tmp_path: Path) -> None:
    """Run again, through the command line this time, the store has the same bytes; and there is a picture."""
    out = tmp_path / "pairs.zarr"
    arguments = ["--collection", "pairs", "--cubes", *map(str, cubes["paths"])]
    arguments += ["--labels", *map(str, cubes["labels"]), "--settings", json.dumps(settings(PAIRS))]
    assert main([*arguments, "--out", str(out), "--quicklook", str(tmp_path / "pairs.png")]) == 0
    assert digest(out) == digest(pair_store)
    assert (tmp_path / "pairs.png").is_file()


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_without_labels(cubes: dict[str, Any], tmp_path: Path) -> None:
    """Pretraining needs none: land cover is then 0 and asking for labels an error in one line."""
    tile("pairs", cubes["paths"], [], tmp_path / "pairs.zarr", settings(PAIRS))
    store = PatchStore(tmp_path / "pairs.zarr")
    assert not store.land_cover(np.arange(store.samples)).any()
    with pytest.raises(RevisitError, match="made without land cover"):
        store.multi_label(np.arange(3))


@pytest.mark.parametrize(
    ("collection", "split", "message"),
    [
        (PAIRS | {"patch_pixels": 24}, {}, "does not divide"),
        (PAIRS | {"min_valid": 1.1}, {}, "no sample left"),
        (PAIRS | {"classes": [10, 11]}, {}, "are no codes of WorldCover"),
        (YEARLY | {"label_year": 2019}, {}, "land cover has"),
        (YEARLY | {"label_year": 2018}, {}, "label_year is 2018"),
        (PAIRS, {"train": 0.95, "val": 0.025, "test": 0.025}, "no sample left"),
    ],
)
def test_impossible_collections(
    cubes: dict[str, Any], tmp_path: Path, collection: dict[str, Any], split: dict[str, Any], message: str
) -> None:
    """What cannot be made is said in one line, and leaves nothing behind."""
    with pytest.raises(RevisitError, match=message):
        tile("some", cubes["paths"], cubes["labels"], tmp_path / "x.zarr", settings(collection, **split))
    assert not list(tmp_path.iterdir())


def test_cubes_that_do_not_belong_together(cubes: dict[str, Any], tmp_path: Path) -> None:
    """Other limits, another stage, a missing sensor, or no second sensor for pairs."""
    paths, labels = cubes["paths"], cubes["labels"]
    write_scaled(tmp_path / "other.zarr", "there", "sentinel-2", upper=0.5)
    with pytest.raises(RevisitError, match="limits are not those of"):
        tile("pairs", [*paths[:3], tmp_path / "other.zarr"], labels, tmp_path / "x.zarr", settings(PAIRS))
    write_scaled(tmp_path / "aligned.zarr", "there", "sentinel-2", stage="aligned")
    with pytest.raises(RevisitError, match="stage is aligned"):
        tile("pairs", [*paths[:3], tmp_path / "aligned.zarr"], labels, tmp_path / "x.zarr", settings(PAIRS))
    with pytest.raises(RevisitError, match="region there: has cubes of"):
        tile("pairs", paths[:3], labels, tmp_path / "x.zarr", settings(PAIRS))
    with pytest.raises(RevisitError, match="pairs need sentinel-1 and sentinel-2"):
        tile("pairs", paths[::2], labels, tmp_path / "x.zarr", settings(PAIRS))
    with pytest.raises(RevisitError, match="region there: no labels"):
        tile("pairs", paths, labels[:1], tmp_path / "x.zarr", settings(PAIRS))
    assert open_cube(paths[0]).attrs["stage"] == "scaled"
