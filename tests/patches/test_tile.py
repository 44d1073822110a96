"""A region's store holds what its cubes hold, in patches that never cross from one part into another."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from revisit.cube.split import PARTS, areas, split_map
from revisit.errors import RevisitError
from revisit.job import Job
from revisit.patches import ground, index, tile, writer
from revisit.patches.batch import MISSING
from revisit.patches.store import PatchStore
from revisit.patches.tally import CUT_OFF


def window(cubes: Any, store: PatchStore, sample: int) -> tuple[str, tuple[slice, slice]]:
    """The region of a sample and its place in the region's cube, from its coordinates."""
    where = store.where()
    region = str(where["region"][sample])
    left = round((where["x"][sample] - cubes.left[region]) / 10 - cubes.patch / 2)
    top = round((5_400_000 - where["y"][sample]) / 10 - cubes.patch / 2)
    return region, (slice(top, top + cubes.patch), slice(left, left + cubes.patch))


LOST = f"56 without dates near each other, 8 {CUT_OFF}"


def test_pairs(pair_store: PatchStore, cubes: Any) -> None:
    """Each sample is a window of a Sentinel-2 date and of the Sentinel-1 date nearest to it, days apart."""
    store, where, places = pair_store, pair_store.where(), set()
    groups = {region: zarr.open_group(store.path / f"{region}.zarr", mode="r") for region in cubes.left}
    first = {"here": 0, "there": groups["here"]["split"].shape[0]}
    for sample in range(store.samples):
        region, here = window(cubes, store, sample)
        group, row, dates = groups[region], sample - first[region], {}
        for sensor in cubes.bands:
            dates[sensor] = np.datetime64(int(group[f"{sensor}_date"][row, 0]), "ns")
            date = [np.datetime64(time) for time in cubes.times[sensor]].index(dates[sensor])
            values, valid = (part[date][..., *here] for part in cubes.content[region, sensor])
            np.testing.assert_array_equal(group[f"{sensor}_valid"][row, 0], valid)
            np.testing.assert_array_equal(group[sensor][row, 0], np.where(valid, values, MISSING))
            assert valid.mean() >= 0.9
        assert abs(dates["sentinel-1"] - dates["sentinel-2"]) <= np.timedelta64(10, "D")
        np.testing.assert_array_equal(group["land_cover"][row], cubes.content[region, "labels"][here])
        part = split_map(areas(cubes.grid(region), cubes.split, 4, region), cubes.grid(region).whole)[here]
        assert (part == PARTS.index(where["split"][sample])).all()
        places.add((region, here[0].start, here[1].start, int(where["position"][sample])))
    assert len(places) == len({place[:3] for place in places}) == len({place[3] for place in places})
    assert len(places) == 2 * cubes.places
    assert np.bincount(store.positions).max() == 2


@pytest.mark.parametrize("split", [
    {"arrangement": "blocks"},
    {"arrangement": "strips", "gap_pixels": 11, "train": 0.4, "val": 0.3, "test": 0.3},
    {"arrangement": "blocks", "block_pixels": 32, "gap_pixels": 1},
    {"arrangement": "blocks", "gap_pixels": 0},
])  # fmt: skip
def test_parts_lie_apart(cubes: Any, tmp_path: Path, split: dict[str, Any]) -> None:
    """No patch has a pixel within the gap of a patch of another part, in its collection or in a finer one."""
    found = []
    for patch in (16, 8):
        store = cubes.collect(tmp_path / f"{patch}", cubes.entry("pairs", patch_pixels=patch), split=split)
        where = store.where()
        left, bottom = where["x"] / 10 - patch / 2, where["y"] / 10 - patch / 2
        boxes = np.stack([left, bottom, left + patch, bottom + patch], axis=1)
        gap = store.attrs["split"]["gap_pixels"]
        assert gap == split.get("gap_pixels", 8)
        least = store.attrs["split_distance_m"]
        for pair, metres in least.items():
            one, other = (boxes[where["split"] == part] for part in pair.split("-"))
            assert metres == pytest.approx(10 * between(one, other).min())
            assert metres >= 10 * gap
        assert store.attrs["parts_touch"] == (gap == 0)
        assert (0 in least.values()) == (gap == 0)
        found.append((boxes, where["split"]))
    (coarse, of_coarse), (fine, of_fine) = found
    apart = between(coarse, fine)[of_coarse[:, None] != of_fine]
    assert apart.min() >= gap


def between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distances between all boxes [left, bottom, right, top] of two lists."""
    one, other = one[:, None], other[None]
    return np.hypot(
        *np.maximum(np.maximum(one[..., :2] - other[..., 2:], other[..., :2] - one[..., 2:]), 0).T
    ).T


def test_a_region_held_out(cubes: Any, tmp_path: Path) -> None:
    """A region can be of one part as a whole: nothing is cut off, and the stores belong together."""
    split = {"regions": {"there": "test"}, "train": 0.7, "val": 0.3, "test": 0.0}
    store = cubes.collect(tmp_path, cubes.entry("pairs"), split=split)
    where = store.where()
    assert set(where["split"][where["region"] == "there"]) == {"test"}
    assert set(where["split"][where["region"] == "here"]) == {"train", "val"}
    assert store.attrs["stores"][1]["places"] == 64
    assert store.attrs["lost_by_region"]["there"] == {}
    assert [about["whole_region_in"] for about in store.attrs["stores"]] == [None, "test"]
    assert store.attrs["split_distance_m"]["train-test"] > 8000


@pytest.mark.parametrize("kind", ["pairs", "yearly"])
def test_pieces(cubes: Any, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little of a region is read at a time, its samples are the same, in places if not in order."""
    whole = cubes.collect(tmp_path / "whole", cubes.entry(kind))
    monkeypatch.setattr(ground, "READ_BYTES", 40_000)  # 34 pixels a side
    pieces = cubes.collect(tmp_path / "pieces", cubes.entry(kind))
    images = []
    for store in (whole, pieces):
        where = store.where()
        order = np.lexsort(
            [store.batch(np.arange(store.samples), ["red"], 0).dates[:, 0], where["y"], where["x"]]
        )
        images.append((store.images(order, ["vv", "red"]), where["split"][order]))
    assert pieces.samples == whole.samples
    for one, other in zip(*images, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["pairs", "yearly"])
def test_same_bits_in_any_number_of_threads(
    cubes: Any,
    tmp_path: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    contents: Callable[[Path], dict[str, bytes]],
) -> None:
    """Samples in one order, whichever window is cut first, and shards that windows share."""
    monkeypatch.setattr(ground, "READ_BYTES", 40_000)  # 34 pixels a side
    monkeypatch.setattr(writer.StoreWriter.__init__, "__defaults__", (20_000,))
    one, three = (
        cubes.tile(tmp_path / str(threads), "here", cubes.entry(kind), threads=threads) for threads in (1, 3)
    )
    assert len(list((one / "sentinel-2").rglob("c/*"))) > 1
    assert contents(one) == contents(three)


def test_yearly(cubes: Any, tmp_path: Path) -> None:
    """A year is the mean of power and the median of reflectance; a place without a clear 2019 keeps 2020."""
    store = cubes.collect(tmp_path, cubes.entry("yearly"))
    assert store.attrs["years"] == {"sentinel-1": [2019, 2020], "sentinel-2": [2019, 2020]}
    assert store.attrs["label_year"] == 2020
    assert store.samples == 2 * cubes.places
    cloudy = [window(cubes, store, sample)[1] == (slice(72, 88), slice(80, 96)) for sample in range(112)]
    assert sum(cloudy) == 2
    np.testing.assert_array_equal(store.present(["red"]), np.stack([~np.array(cloudy), [True] * 112], axis=1))
    assert store.attrs["masked"] == {"sentinel-1": {}, "sentinel-2": {"2019": 2}}
    assert (store.images(np.flatnonzero(cloudy), ["red"], 0) == MISSING).all()
    for sample in range(0, store.samples, 7):
        region, here = window(cubes, store, sample)
        scaled, _ = cubes.content[region, "sentinel-1"]
        power = 10 ** ((scaled[2:, :, *here] / 255 * 24 - 24) / 10)
        expected = np.clip((10 * np.log10(power.mean(axis=0)) + 24) / 24 * 255, 0, 255)
        radar = store.images(np.array([sample]), cubes.bands["sentinel-1"], time=1)[0]
        np.testing.assert_allclose(radar, expected, atol=0.51)
        scaled, valid = (part[2:, ..., *here] for part in cubes.content[region, "sentinel-2"])
        masked = np.ma.masked_array(scaled, np.broadcast_to(~valid[:, None], scaled.shape))
        median, seen = np.rint(np.ma.median(masked, axis=0)), valid.any(axis=0)
        optical = store.images(np.array([sample]), cubes.bands["sentinel-2"], time=1)[0]
        np.testing.assert_array_equal(optical[:, seen], median[:, seen])


def test_without_labels(cubes: Any, tmp_path: Path) -> None:
    """Pretraining needs none: land cover is then 0 and asking for labels an error in one line."""
    store = cubes.collect(tmp_path, cubes.entry("pairs"), labels=[])
    assert not store.labelled.any()
    assert store.attrs["classes"] == []
    assert not store.land_cover(np.arange(store.samples)).any()
    with pytest.raises(RevisitError, match="made without labels"):
        store.multi_label(np.arange(3))


def test_jobs(pair_store: PatchStore, cubes: Any, tmp_path: Path) -> None:
    """Run again as jobs, the stores have the same bytes; and there is a picture."""
    stores, settings = [], cubes.settings(cubes.entry("pairs")).content()
    for region in cubes.left:
        store = tmp_path / f"{region}.zarr"
        files = {"cubes": [str(cubes.scaled(region, sensor)) for sensor in cubes.bands]}
        files["labels"] = [str(cubes.labels(region))]
        names = {"collection": "some", "region": region}
        tile.run(Job("tile", names, files, {"patches": str(store)}, settings))
        assert digest(store) == digest(pair_store.path / store.name)
        stores.append(str(store))
    output = {"index": str(tmp_path / "index.json"), "quicklook": str(tmp_path / "quicklook.png")}
    given = {key: value for key, value in settings.items() if key not in ("years", "legend")}
    index.run(Job("index", {"collection": "some"}, {"stores": stores}, output, given | {"study": "test"}))
    assert (tmp_path / "index.json").read_bytes() == (pair_store.path / "index.json").read_bytes()
    assert (tmp_path / "quicklook.png").is_file()


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert files
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("pairs", {"patch_pixels": 24}, "does not divide"),
        ("pairs", {"min_valid": 1.1}, r"collections\.some\.min_valid: .*1\.1"),
        ("pairs", {"classes": [10, 11]}, r"some\.classes: \[11\] are no codes of ESA WorldCover"),
        ("pairs", {"label_year": 2020}, "unknown key 'label_year'"),
        ("pairs", {"kind": "pears"}, "did you mean 'pairs'"),
        ("yearly", {"label_year": 2019}, r"label_year: 2019, but the labels are of \[2020\]"),
        (
            "yearly",
            {"required_years": [2020, 2018]},
            r"required_years: \[2018\], but sentinel-1 is searched in",
        ),
        ("yearly", {"missing_years": "drop"}, "unknown key 'missing_years'"),
        ("yearly", {"label_year": 2018}, "label_year: 2018, but sentinel-1"),
        (
            "pairs",
            {"max_days_apart": 0},
            "region here: no sample; patches: 56 without dates near each other, 8 cut off by gaps.*; widen",
        ),
    ],
)
def test_impossible_collections(
    cubes: Any, tmp_path: Path, kind: str, changes: dict[str, Any], message: str
) -> None:
    """What cannot be made is said in one line, and leaves nothing behind."""
    with pytest.raises(RevisitError, match=message):
        cubes.tile(tmp_path, "here", cubes.entry(kind, **changes))
    assert not list(tmp_path.iterdir())


def test_empty_where_allowed(cubes: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A region without a sample leaves a store that says why."""
    with caplog.at_level(logging.INFO):
        store = cubes.tile(tmp_path, "here", cubes.entry("pairs", max_days_apart=0, allow_empty=True))
    attributes = dict(zarr.open_group(store, mode="r").attrs)
    assert attributes["samples"] == 0
    assert attributes["empty_because"] == f"patches: {LOST}"
    assert attributes["lost"] == {"without dates near each other": 56, CUT_OFF: 8}
    assert f"0 samples of 0 places; {LOST}" in caplog.text


def test_cubes_that_do_not_belong_together(cubes: Any, tmp_path: Path) -> None:
    """Another stage, another region, a missing or a second cube of a sensor."""
    radar, optical = (cubes.scaled("here", sensor) for sensor in cubes.bands)
    cubes.write_scaled(tmp_path / "aligned.zarr", "here", "sentinel-2", stage="aligned")
    wrong = {
        "stage is aligned": [radar, tmp_path / "aligned.zarr"],
        "of region there, not here": [radar, cubes.scaled("there", "sentinel-2")],
        "no cube of sentinel-2 given": [radar],
        "a second cube of sentinel-1": [radar, optical, radar],
    }
    for message, paths in wrong.items():
        with pytest.raises(RevisitError, match=message):
            cubes.tile(tmp_path, "here", cubes.entry("pairs"), cubes=paths)
    with pytest.raises(RevisitError, match="of region there, not here"):
        cubes.tile(tmp_path, "here", cubes.entry("pairs"), labels=[cubes.labels("there")])
    assert not (tmp_path / "here.zarr").exists()
