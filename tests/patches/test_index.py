"""The index makes one collection of the stores of regions, and refuses those that are not of one kind."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from pyproj import Transformer

from revisit.cube.split import distance
from revisit.errors import RevisitError
from revisit.patches.apart import distances
from revisit.patches.store import PatchStore
from revisit.patches.tally import CUT_OFF


def test_classes(pair_store: PatchStore) -> None:
    """A class is a label from a tenth of the patch on; a class no training patch has is none."""
    assert pair_store.attrs["classes"] == ["Tree cover", "Cropland", "Permanent water"]
    everyone = np.arange(pair_store.samples)
    cover = pair_store.land_cover(everyone)
    expected = [(cover == code).mean(axis=(1, 2)) >= 0.1 for code in (10, 40, 80)]
    np.testing.assert_array_equal(pair_store.multi_label(everyone), np.stack(expected, axis=1))


def test_how_far_the_dates_of_a_pair_may_be_apart(pair_store: PatchStore) -> None:
    """A map by a model of pairs is of a pair like its samples: its card has this from the index."""
    assert pair_store.attrs["max_days_apart"] == 10


def test_classes_asked_for(cubes: Any, tmp_path: Path) -> None:
    """Classes of the config are taken in their order; one that nothing shows is an error, or allowed."""
    store = cubes.collect(tmp_path / "some", cubes.entry("pairs", classes=[80, 10]))
    assert store.attrs["classes"] == ["Permanent water", "Tree cover"]
    labels = store.multi_label(store.indices("train", labelled=True))
    assert store.attrs["class_samples"]["train"] == labels.sum(axis=0).tolist()
    entry = cubes.entry("pairs", classes=[80, 20])
    with pytest.raises(
        RevisitError, match=r"no sample of class 20 \(Shrubland\) in train, of \d+ labelled in"
    ):
        cubes.collect(tmp_path / "none", entry)
    with pytest.raises(RevisitError, match=r"class 10 .* in train, of 0 labelled"):
        cubes.collect(tmp_path / "unlabelled", cubes.entry("pairs", classes=[10]), labels=[])
    allowed = cubes.collect(tmp_path / "allowed", entry | {"allow_empty": True})
    assert allowed.attrs["class_samples"]["test"][1] == 0


def test_what_is_labelled(pair_store: PatchStore, cubes: Any, tmp_path: Path) -> None:
    """Only images near the map in time are; the others are samples all the same, with no label set."""
    store = cubes.collect(tmp_path / "near", cubes.entry("pairs", label_years_apart=0))
    batch = store.batch(np.arange(store.samples), ["red"])
    in_2020 = batch.dates[:, 0].astype("datetime64[ns]").astype("datetime64[Y]").astype(int) == 50
    mapped = np.rint((batch.coordinates[:, 0] - 600_000) % 10_000 / 10) < 96  # no map in the last columns
    np.testing.assert_array_equal(store.labelled, in_2020 & mapped)
    assert 0.2 < in_2020.mean() < 0.9
    assert not store.land_cover(np.flatnonzero(~store.labelled)).any()
    assert not store.multi_label(np.flatnonzero(~store.labelled)).any()
    assert store.land_cover(np.flatnonzero(store.labelled)).any(axis=(1, 2)).all()
    assert store.samples == pair_store.samples
    assert pair_store.labelled.sum() == mapped.sum() > store.labelled.sum()
    counts = {part: int(store.labelled[store.indices(part)].sum()) for part in ("train", "val", "test")}
    assert store.attrs["labelled"] == counts


def test_a_place_near_the_map_keeps_a_label(cubes: Any, tmp_path: Path) -> None:
    """Where only one pair of a place is taken, it is one that the map holds for."""
    entry = cubes.entry("pairs", label_years_apart=0, samples_per_place=1)
    store = cubes.collect(tmp_path, entry)
    dates = store.batch(np.arange(store.samples), ["red"]).dates[:, 0].astype("datetime64[ns]")
    assert (dates >= np.datetime64("2020")).all()
    assert len(np.unique(dates)) > 1


def test_a_region_without_labels(cubes: Any, tmp_path: Path) -> None:
    """It joins those that have them: its samples are not labelled."""
    entry = cubes.entry("pairs")
    stores = [cubes.tile(tmp_path, "here", entry, labels=[]), cubes.tile(tmp_path, "there", entry)]
    for memory_mb in (512, 0):
        store = PatchStore(cubes.index(tmp_path, stores, entry).path, memory_mb)
        here = store.where()["region"] == "here"
        assert not store.labelled[here].any()
        assert not store.multi_label(np.flatnonzero(here)).any()
        assert not store.land_cover(np.flatnonzero(here)[:3]).any()
        shown = store.land_cover(np.flatnonzero(~here))
        np.testing.assert_array_equal(shown.any(axis=(1, 2)), store.labelled[~here])
        assert store.labelled[~here].sum() > 50


def test_attributes(pair_store: PatchStore, cubes: Any) -> None:
    """What training and the model card need to know is in the index."""
    attrs = pair_store.attrs
    assert (attrs["study"], attrs["collection"], attrs["regions"]) == ("test", "some", ["here", "there"])
    assert attrs["bands"] == cubes.bands
    band = {"lower": -24.0, "upper": 0.0, "mean": 0.1, "std": 0.2, "valid_pixels": 9}
    assert attrs["scaling"]["sentinel-1"] == {
        "clip_sigma": 3.0, "source_unit": "dB", "bands": {"vv": band, "vh": band}
    }  # fmt: skip
    assert attrs["split_distance_m"] == {"train-test": 80, "train-val": 80, "val-test": 80}
    assert attrs["parts_touch"] is False
    assert (attrs["patch_pixels"], attrs["resolution_m"], attrs["stage"]) == (cubes.patch, 10, "patches")
    paths = [
        cubes.scaled(region, sensor).as_posix() for region in ("here", "there") for sensor in cubes.bands
    ]
    assert attrs["source_cubes"] == paths


def test_a_region_joins(pair_store: PatchStore, cubes: Any, tmp_path: Path) -> None:
    """Samples count on in the order of the regions' names, places too; one region alone is the same."""
    entry = cubes.entry("pairs")
    alone = cubes.index(tmp_path, [cubes.tile(tmp_path, "there", entry)], entry)
    samples = np.arange(pair_store.samples)
    there = samples[pair_store.where()["region"] == "there"]
    assert there[0] == pair_store.samples - alone.samples
    bands = ["vv", "red"]
    own = np.arange(alone.samples)
    np.testing.assert_array_equal(pair_store.images(there, bands), alone.images(own, bands))
    np.testing.assert_array_equal(pair_store.positions[there], alone.positions + cubes.places)


def test_stores_that_do_not_belong_together(cubes: Any, tmp_path: Path) -> None:
    """Other limits, another patch size, labels in one region only, another collection."""
    entry, there = cubes.entry("pairs"), tmp_path / "there"
    here = cubes.tile(tmp_path, "here", entry)
    cubes.write_scaled(tmp_path / "other.zarr", "there", "sentinel-2", upper=0.5)
    radar = cubes.scaled("there", "sentinel-1")
    wrong = {
        "scaling is not that of .*one limits.json": ({"cubes": [radar, tmp_path / "other.zarr"]}, entry),
        "patch_pixels is not that of": ({}, cubes.entry("pairs", patch_pixels=8)),
        "split is not that of": ({"split": {"gap_pixels": 9}}, entry),
    }
    for message, (given, other) in wrong.items():
        store = cubes.tile(there, "there", other, **given)
        with pytest.raises(RevisitError, match=message):
            cubes.index(tmp_path, [store, here], entry)
    with pytest.raises(RevisitError, match="of the collection some, not other"):
        cubes.index(tmp_path, [here], entry, name="other")
    older = tmp_path / "older" / "here.zarr"
    shutil.copytree(here, older)
    content = json.loads((older / "zarr.json").read_text())
    del content["attributes"]["layout"]
    (older / "zarr.json").write_text(json.dumps(content))
    with pytest.raises(RevisitError, match=r"older/here.zarr: a patch store of layout 1, but"):
        cubes.index(tmp_path, [older], entry)
    with pytest.raises(RevisitError, match="not a finished patch store"):
        cubes.index(tmp_path, [cubes.labels("here")], entry)
    assert not (tmp_path / "index.json").exists()


def test_a_part_without_samples(cubes: Any, tmp_path: Path) -> None:
    """A part that should have samples and has none over the whole collection is an error that says why."""
    small = {"train": 0.95, "val": 0.025, "test": 0.025}
    with pytest.raises(
        RevisitError, match=r"collection some: no sample in val, of \d+ in all; patches there: none"
    ):
        cubes.collect(tmp_path, cubes.entry("pairs"), split=small)
    clouds = tmp_path / "clouds.zarr"
    cubes.write_scaled(clouds, "there", "sentinel-2", clouded=slice(0, 40))  # where its strip of test lies
    paths = [cubes.scaled("there", "sentinel-1"), clouds]
    entry = cubes.entry("pairs")
    stores = [cubes.tile(tmp_path, "there", entry, cubes=paths)]
    with pytest.raises(
        RevisitError, match=r"no sample in test, .* there 16 without a clear date of sentinel-2;"
    ):
        cubes.index(tmp_path, stores, entry)
    store = cubes.index(tmp_path, stores, entry | {"allow_empty": True})
    assert len(store.indices("test")) == 0


def test_what_was_lost(cubes: Any, tmp_path: Path) -> None:
    """Patches are lost by cause, region by region and in all, and every patch is accounted for."""
    clouds = tmp_path / "clouds.zarr"
    cubes.write_scaled(clouds, "there", "sentinel-2", clouded=slice(0, 20))
    paths = [cubes.scaled("there", "sentinel-1"), clouds]
    entry = cubes.entry("pairs")
    stores = [cubes.tile(tmp_path, "here", entry), cubes.tile(tmp_path, "there", entry, cubes=paths)]
    attrs = cubes.index(tmp_path, stores, entry).attrs
    cloud = {"without a clear date of sentinel-2": 16}
    assert attrs["lost_by_region"] == {"here": {CUT_OFF: 8}, "there": cloud | {CUT_OFF: 8}}
    assert attrs["lost"] == cloud | {CUT_OFF: 16}
    kept = sum(store["places"] for store in attrs["stores"])
    assert kept + sum(attrs["lost"].values()) == 2 * (cubes.size // cubes.patch) ** 2


def test_a_region_without_a_year(cubes: Any, tmp_path: Path) -> None:
    """A year that one region has and another has not is masked there; where it is required it is an error."""
    late = tmp_path / "late.zarr"
    cubes.write_scaled(late, "there", "sentinel-2", times=["2020-07-01", "2020-07-09", "2020-11-30"])
    paths = [cubes.scaled("there", "sentinel-1"), late]

    def collect(folder: Path, **changes: Any) -> PatchStore:
        entry = cubes.entry("yearly", **changes)
        stores = [cubes.tile(folder, "here", entry), cubes.tile(folder, "there", entry, cubes=paths)]
        return cubes.index(folder, stores, entry)

    missing = "region there: no sample; patches: 56 without enough of sentinel-2 in 2019"
    with pytest.raises(RevisitError, match=missing):
        collect(tmp_path / "required", required_years=[2019])
    store = collect(tmp_path / "allowed", required_years=[2019], allow_empty=True)
    assert store.attrs["regions"] == ["here"]
    assert list(store.attrs["empty_regions"]) == ["there"]
    assert store.attrs["lost"]["without enough of sentinel-2 in 2019"] == 57
    store = collect(tmp_path / "mask")
    assert store.attrs["masked"] == {"sentinel-1": {}, "sentinel-2": {"2019": 1 + cubes.places}}
    for memory_mb in (512, 0):
        store = PatchStore(store.path, memory_mb)
        there = np.flatnonzero(store.where()["region"] == "there")
        batch = store.batch(there[:3], ["red", "vv"])
        np.testing.assert_array_equal(batch.present, [[[False, True], [True, True]]] * 3)
        assert (batch.images[:, 0, 0] == 128).all()
        assert batch.images[:, 1, 0].std() > 10
        np.testing.assert_array_equal(store.present(["red", "vv"])[there], [[False, True]] * len(there))
        assert store.present(["vv"]).all()
        assert store.present(["red"], time=1).all()
        assert (~store.present(["red"], time=0)).sum() == 1 + cubes.places


def test_distances_across_regions(tmp_path: Path, pair_store: PatchStore, cubes: Any) -> None:
    """Regions that end apart count too, and those that lie over each other are refused."""
    stores = []
    for name in ("here", "there"):
        path = pair_store.path / f"{name}.zarr"
        attributes = json.loads((path / "zarr.json").read_text())["attributes"]
        stores.append({**attributes, "path": path, "split_distance_m": {}})
    where = pair_store.where()
    found = distances(stores, 10 * cubes.patch, 80)
    for pair, metres in found.items():
        least = np.inf
        for one, other in (pair.split("-"), reversed(pair.split("-"))):
            centres = [
                np.stack([where["x"], where["y"]], axis=1)[
                    (where["region"] == region) & (where["split"] == part)
                ]
                for region, part in (("here", one), ("there", other))
            ]
            least = min(least, distance(*centres, 10 * cubes.patch))
        assert metres == least > 8000
    assert len(found) == 3
    again = [stores[0], {**stores[0], "region": "again"}]
    expected = {"train-val": 80, "train-test": 480, "val-test": 80}  # the strip of val lies between
    assert distances(again, 10 * cubes.patch, 80) == expected
    with pytest.raises(
        RevisitError, match="regions here and again: train-val patches lie 80 m apart, less than"
    ):
        distances(again, 10 * cubes.patch, 90)
    with pytest.raises(RevisitError, match="overlap"):
        distances(again, 18 * cubes.patch, 0)
    near = {**stores[0], "split_distance_m": {"val-test": 70}}
    with pytest.raises(RevisitError, match="val-test patches lie 70 m"):
        distances([near], 10 * cubes.patch, 80)


def test_distances_across_zones(tmp_path: Path, pair_store: PatchStore, cubes: Any) -> None:
    """The same places in the coordinates of the next zone lie as far apart as in their own."""
    path, side = pair_store.path / "here.zarr", 10 * cubes.patch
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]
    here = {**attributes, "path": path, "split_distance_m": {}}
    shutil.copytree(path, tmp_path / "next.zarr")
    group = zarr.open_group(tmp_path / "next.zarr", mode="r+", use_consolidated=False)
    coordinates, split = group["coordinates"][:], group["split"][:]
    coordinates[:, :2] = np.column_stack(
        Transformer.from_crs(32631, 32632, always_xy=True).transform(*coordinates[:, :2].T)
    )
    group["coordinates"][:] = coordinates
    bounds = {
        name: [*(places.min(axis=0) - side / 2), *(places.max(axis=0) + side / 2)]
        for name, part in (("train", 0), ("val", 1), ("test", 2))
        for places in [coordinates[split == part, :2]]
    }
    there = {**here, "region": "next", "epsg": 32632, "bounds": bounds, "path": tmp_path / "next.zarr"}
    for stores in ([here, there], [there, here]):
        found = distances(stores, side, 60)
        # Squares of the two zones lie aslant to each other, by 3.5 degrees.
        assert [found[pair] for pair in ("train-val", "val-test")] == pytest.approx([80, 80], abs=12)
        with pytest.raises(
            RevisitError, match=r"regions \w+ and \w+: train-val patches lie \S+ m apart, less"
        ):
            distances(stores, side, 100)
    with pytest.raises(RevisitError, match="overlap"):
        distances([here, there], 20 * cubes.patch, 0)


@pytest.mark.parametrize("lost", ["sentinel-2", "sentinel-1_valid", "split", "labelled"])
def test_a_store_that_has_lost_a_file_is_refused(pair_store: PatchStore, tmp_path: Path, lost: str) -> None:
    """Zarr would read its samples as images of nothing; said where it is opened, and where it is indexed."""
    folder = tmp_path / "pairs"
    shutil.copytree(pair_store.path, folder)
    PatchStore(folder)
    next(file for file in (folder / f"here.zarr/{lost}/c").rglob("*") if file.is_file()).unlink()
    with pytest.raises(RevisitError, match=r"here\.zarr: damaged, it has .* run the stage that makes it"):
        PatchStore(folder)
