"""Batches: every sample once an epoch, the same after a resume, from all years, and no runaway thread."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from revisit.errors import RevisitError
from revisit.patches.store import PatchStore
from revisit.training.batches import ahead, batches, draws, epoch_order


def test_epoch_holds_every_sample_once() -> None:
    indices = np.arange(100, 137)
    orders = [epoch_order(indices, seed=1, epoch=epoch) for epoch in range(2)]
    for order in orders:
        assert sorted(order) == list(indices)
    assert not np.array_equal(*orders)


def test_seeds_draw_differently() -> None:
    indices = np.arange(50)
    assert not np.array_equal(epoch_order(indices, 1, 0), epoch_order(indices, 2, 0))


def test_draws_resume_anywhere() -> None:
    """Step n draws the same samples whether the run began at 0 or at n; no batch is short."""
    indices = np.arange(25)
    whole = list(draws(indices, 10, seed=3, steps=9))
    assert [step for step, _ in whole] == list(range(9))
    assert {len(chosen) for _, chosen in whole} == {10}
    for (step, chosen), (same, again) in zip(whole[5:], draws(indices, 10, 3, 9, first=5), strict=True):
        assert step == same
        np.testing.assert_array_equal(chosen, again)
    assert len({int(i) for _, chosen in whole[:2] for i in chosen}) == 20  # no repeats within an epoch


def test_ahead_keeps_order_and_stays_bounded() -> None:
    """A reader that runs far ahead of training would fill the memory."""
    read: list[int] = []
    results = ahead(range(20), lambda job: read.append(job) or job, depth=3)
    assert next(results) == 0
    time.sleep(0.1)
    assert len(read) <= 4
    assert list(results) == list(range(1, 20))


def test_closing_ends_the_reading_thread() -> None:
    """An interrupted run must exit at once, without reading what is queued."""
    before = threading.active_count()
    results = ahead(range(1000), lambda job: job, depth=2)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_faults_in_reading_reach_the_loop() -> None:
    def read(job: int) -> int:
        if job == 2:
            raise RevisitError("chunk 2 is damaged")
        return job

    with pytest.raises(RevisitError, match="chunk 2"):
        list(ahead(range(5), read))


@pytest.mark.parametrize("series", [False, True])
def test_images_are_those_of_the_drawn_samples(yearly: Path, series: bool) -> None:
    store, indices = PatchStore(yearly), np.arange(24)
    draw = batches(store, ("vv", "red"), indices, 8, 0, steps=4, series=series, pin=False)
    for drawn, (_, chosen) in zip(draw(1), draws(indices, 8, 0, 4, first=1), strict=True):
        images = drawn.images
        assert images.dtype == torch.uint8
        np.testing.assert_array_equal(drawn.samples, chosen)
        np.testing.assert_array_equal(drawn.places, store.positions[chosen])
        assert drawn.dates.shape == drawn.present.shape == ((8, 3, 2) if series else (8, 2))
        expected = store.images(chosen, ("vv", "red"))
        if series:
            np.testing.assert_array_equal(images, expected)
        else:
            days = store.dates(("vv", "red"))[0][chosen]
            slots = (drawn.dates[:, :1].numpy() == days).argmax(1)
            np.testing.assert_array_equal(images, expected[np.arange(8), slots])


def test_single_dates_of_a_yearly_store_come_from_all_years(yearly: Path) -> None:
    """A method of single images on a yearly store must not learn from its first year only."""
    draw = batches(PatchStore(yearly), ("vv",), np.arange(24), 8, 0, steps=30, series=False, pin=False)
    levels = {int(level) // 40 for drawn in draw(0) for level in drawn.images.amin((1, 2, 3))}
    assert levels == {0, 1, 2, 3}


def test_images_of_a_batch_are_of_several_dates(yearly: Path) -> None:
    """Contrast within a batch of one date, or of blocks of dates, is solved by what the date looks like."""
    draw = batches(PatchStore(yearly), ("vv",), np.arange(24), 8, 0, steps=30, series=False, pin=False)
    assert min(len(drawn.dates[:, 0].unique()) for drawn in draw(0)) > 1


def test_sample_without_the_drawn_year_shows_another(tmp_path: Path, collection: Callable[..., Path]) -> None:
    """What a place lacks is a constant image, from which a method of single images would learn nonsense."""
    store = PatchStore(collection(tmp_path, "yearly", without=(0, 1, 2, 3)))
    assert not store.batch(np.arange(4), ("vv",), 0).present.any()
    draw = batches(store, ("vv",), np.arange(4), 4, 0, steps=30, series=False, pin=False)
    for drawn in draw(0):
        assert drawn.present.all()
        years = drawn.dates[:, 0].numpy().astype("datetime64[ns]").astype("datetime64[Y]").astype(int) + 1970
        levels = drawn.images.amin((1, 2, 3)) // 40
        np.testing.assert_array_equal(levels, years - 2018)
