"""The index makes one collection of the stores of regions, and refuses those that are not of one kind."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit.cube.split import distance
from revisit.errors import RevisitError
from revisit.patches.index import _distances
from revisit.patches.store import PatchStore


def test_classes(pair_store: PatchStore) -> None:
    """A class is a label from a tenth of the patch on; a class no training patch has is none."""
    assert pair_store.attrs["classes"] == ["Tree cover", "Cropland", "Permanent water"]
    everyone = np.arange(pair_store.samples)
    cover = pair_store.land_cover(everyone)
    expected = [(cover == code).mean(axis=(1, 2)) >= 0.1 for code in (10, 40, 80)]
    np.testing.assert_array_equal(pair_store.multi_label(everyone), np.stack(expected, axis=1))


def test_classes_asked_for(cubes: Any, tmp_path: Path) -> None:
    """Classes of the config are taken as they are, in their order, shown or not."""
    store = cubes.collect(tmp_path, cubes.entry("pairs", classes=[80, 20]))
    assert store.attrs["classes"] == ["Permanent water", "Shrubland"]
    labels = store.multi_label(np.arange(store.samples))
    assert labels[:, 0].any()
    assert not labels[:, 1].any()


def test_attributes(pair_store: PatchStore, cubes: Any) -> None:
    """What training and the model card need to know is in the index."""
    attrs = pair_store.attrs
    assert (attrs["study"], attrs["collection"], attrs["regions"]) == ("test", "some", ["here", "there"])
    assert attrs["bands"] == cubes.bands
    band = {"lower": -24.0, "upper": 0.0, "mean": 0.1, "std": 0.2, "valid_pixels": 9}
    assert attrs["scaling"]["sentinel-1"] == {
        "clip_sigma": 3.0, "source_unit": "dB", "bands": {"vv": band, "vh": band}
    }  # fmt: skip
    assert attrs["split_distance_m"] == {"train-test": 0, "train-val": 0, "val-test": 0}
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
    np.testing.assert_array_equal(pair_store.positions[there], alone.positions + 64)


def test_stores_that_do_not_belong_together(cubes: Any, tmp_path: Path) -> None:
    """Other limits, another patch size, labels in one region only, another collection."""
    entry, there = cubes.entry("pairs"), tmp_path / "there"
    here = cubes.tile(tmp_path, "here", entry)
    cubes.write_scaled(tmp_path / "other.zarr", "there", "sentinel-2", upper=0.5)
    radar = cubes.scaled("there", "sentinel-1")
    wrong = {
        "scaling is not that of .*one limits.json": ({"cubes": [radar, tmp_path / "other.zarr"]}, entry),
        "class_codes is not that of": ({"labels": []}, entry),
        "patch_pixels is not that of": ({}, cubes.entry("pairs", patch_pixels=32)),
        "split is not that of": ({"split": {"block_pixels": 64}}, entry),
    }
    for message, (given, other) in wrong.items():
        store = cubes.tile(there, "there", other, **given)
        with pytest.raises(RevisitError, match=message):
            cubes.index(tmp_path, [store, here], entry)
    with pytest.raises(RevisitError, match="of the collection some, not other"):
        cubes.index(tmp_path, [here], entry, name="other")
    with pytest.raises(RevisitError, match="not a finished patch store"):
        cubes.index(tmp_path, [cubes.labels("here")], entry)
    assert not (tmp_path / "index.json").exists()


def test_a_part_without_samples(cubes: Any, tmp_path: Path) -> None:
    """A part that should have samples and has none over the whole collection is an error."""
    split = {"train": 0.95, "val": 0.025, "test": 0.025}
    with pytest.raises(RevisitError, match="collection some: test: no sample left, of 256"):
        cubes.collect(tmp_path, cubes.entry("pairs"), split=split)


def test_a_region_without_a_year(cubes: Any, tmp_path: Path) -> None:
    """A year that one region has and another has not empties the other, or is masked where asked for."""
    late = tmp_path / "late.zarr"
    cubes.write_scaled(late, "there", "sentinel-2", times=["2020-07-01", "2020-07-09", "2020-11-30"])
    paths = [cubes.scaled("there", "sentinel-1"), late]

    def collect(folder: Path, **changes: Any) -> PatchStore:
        entry = cubes.entry("yearly", **changes)
        stores = [cubes.tile(folder, "here", entry), cubes.tile(folder, "there", entry, cubes=paths)]
        return cubes.index(folder, stores, entry)

    with pytest.raises(RevisitError, match="region there: no sample, no date of sentinel-2 in 2019, which"):
        collect(tmp_path / "drop")
    store = collect(tmp_path / "allowed", allow_empty=True)
    assert store.attrs["regions"] == ["here"]
    assert store.attrs["empty_regions"] == {
        "there": "no date of sentinel-2 in 2019, which other regions have"
    }
    for memory_mb in (512, 0):
        store = collect(tmp_path / "mask", missing_years="mask")
        store = PatchStore(store.path, memory_mb)
        there = np.flatnonzero(store.where()["region"] == "there")
        batch = store.batch(there[:3], ["red", "vv"])
        np.testing.assert_array_equal(batch.present, [[[False, True], [True, True]]] * 3)
        assert (batch.images[:, 0, 0] == 128).all()
        assert batch.images[:, 1, 0].std() > 10
        here = store.batch(np.arange(40), ["red"])
        assert here.present[:, 1].all()
        assert (~here.present[:, 0]).sum() in (0, 1)


def test_distances_across_regions(tmp_path: Path, pair_store: PatchStore, cubes: Any) -> None:
    """Regions that end apart count too, and those that lie over each other are refused."""
    stores = []
    for name in ("here", "there"):
        path = pair_store.path / f"{name}.zarr"
        attributes = json.loads((path / "zarr.json").read_text())["attributes"]
        stores.append({**attributes, "path": path, "split_distance_m": {}})
    where = pair_store.where()
    found = _distances(stores, 10 * cubes.patch)
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
    again = [stores[0], {**stores[0], "region": "again", "split_distance_m": {}}]
    _distances(again, 10 * cubes.patch)
    with pytest.raises(RevisitError, match="overlap"):
        _distances(again, 15 * cubes.patch)
