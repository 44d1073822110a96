"""A series is clear dates of a place, spread over seasons and years, with what is lacking masked."""

from typing import Any

import numpy as np

from revisit.patches.batch import MISSING
from revisit.patches.kind import Ground, Look
from revisit.patches.kinds.series import Series, SeriesEntry
from revisit.patches.store import PatchStore

ENTRY = {"kind": "series", "patch_pixels": 8, "min_valid": 0.9}


def look(months: int, cloudy: tuple[int, ...] = ()) -> Look:
    """A date a month from January 2019 on, its values the number of the month."""
    times = (np.datetime64("2019-01") + np.arange(months)).astype("datetime64[ns]")
    values = np.tile(np.arange(months, dtype=np.uint8)[:, None, None, None], (1, 2, 8, 8))
    valid = np.ones((months, 8, 8), bool)
    valid[list(cloudy), 0] = False
    return Look(values, valid, times)


def samples(looks: dict[str, Look], **own: Any) -> tuple[list[dict[str, Look]], str]:
    series = Series(SeriesEntry.model_validate(ENTRY | own), {}, 3)
    return series.samples(Ground(10, 20, 0, looks, np.zeros((8, 8), np.uint8)))


def test_clear_dates_only() -> None:
    """Covered dates are not taken; the values are those of the dates, which are in order."""
    (sample,), _ = samples({"sentinel-2": look(24, cloudy=(1, 2, 8, 20))}, dates=6, min_dates=2)
    found = sample["sentinel-2"]
    months = (found.times.astype("datetime64[M]") - np.datetime64("2019-01")).astype(int)
    np.testing.assert_array_equal(found.values[:, 0, 0, 0], months)
    assert not {1, 2, 8, 20} & set(months.tolist())
    assert (np.diff(months) > 0).all()
    assert found.valid.all()


def test_spread() -> None:
    """Four dates of two years lie in both years, and in at least three seasons."""
    (sample,), _ = samples({"sentinel-2": look(24)}, dates=4, min_dates=1)
    months = sample["sentinel-2"].values[:, 0, 0, 0]
    assert set((months // 12).tolist()) == {0, 1}
    assert len(set((months % 12 // 3).tolist())) >= 3


def test_too_few() -> None:
    """Fewer dates than taken leave slots without a date; fewer than asked for leave no sample."""
    (sample,), _ = samples({"sentinel-1": look(9), "sentinel-2": look(3)}, dates=5, min_dates=3)
    found = sample["sentinel-2"]
    np.testing.assert_array_equal(np.isnat(found.times), [False, False, False, True, True])
    assert not found.valid[3:].any()
    assert sample["sentinel-1"].values.shape == found.values.shape == (5, 2, 8, 8)
    assert not np.isnat(sample["sentinel-1"].times).any()
    looks = {"sentinel-1": look(9), "sentinel-2": look(3, cloudy=(1,))}
    assert samples(looks, dates=5, min_dates=3) == ([], "3 clear dates of sentinel-2")


def test_one_date_is_enough() -> None:
    """Missing dates lose no place that has one of each sensor, unless the collection asks for more."""
    (sample,), _ = samples({"sentinel-1": look(1), "sentinel-2": look(1)}, dates=4)
    assert [np.isnat(found.times).sum() for found in sample.values()] == [3, 3]
    assert samples({"sentinel-1": look(1), "sentinel-2": look(1, cloudy=(0,))}, dates=4)[0] == []


def test_labels_hold_for_every_date() -> None:
    """A series that has a date too far from the map is not labelled; empty slots do not count."""
    near, far = (
        {"sentinel-1": look(9), "sentinel-2": look(3)},
        {"sentinel-1": look(9), "sentinel-2": look(30)},
    )
    for looks, apart, labelled in ((near, 1, True), (near, 0, False), (far, 1, True), (far, 0, False)):
        entry = SeriesEntry.model_validate(ENTRY | {"dates": 5, "label_years_apart": apart})
        series = Series(entry, {}, 3, [2020])
        (sample,), _ = series.samples(Ground(10, 20, 0, looks, np.zeros((8, 8), np.uint8)))
        assert series.labelled(sample) is labelled
    assert not Series(entry, {}, 3).labelled(sample)


def test_collection(cubes: Any, tmp_path: Any) -> None:
    """Tiled and read, a series has its time axis, its dates and its mask; one sensor may be taken alone."""
    entry = cubes.entry("series", sensors=["sentinel-2"], dates=5, min_dates=2)
    store: PatchStore = cubes.collect(tmp_path, entry)
    assert list(store.bands) == ["sentinel-2"]
    assert (store.times(["red"]), store.years(["red"])) == (5, ())
    batch = store.batch(np.arange(store.samples), ["red", "blue"])
    assert batch.images.shape == (store.samples, 5, 2, cubes.patch, cubes.patch)
    counts = np.unique(batch.present.sum(axis=(1, 2))).tolist()
    assert counts == [3, 4, 5]
    assert (batch.images[~batch.present[..., 0]] == MISSING).all()
    times = batch.dates[..., 0][batch.present[..., 0]].astype("datetime64[ns]").astype("datetime64[D]")
    assert set(times.astype(str)) == set(cubes.times["sentinel-2"])
    assert store.samples == len(np.unique(batch.places)) == 2 * cubes.places
