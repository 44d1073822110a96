"""Dates are drawn from those a place has; eras lie the stated time apart, and what a place lacks is told."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.parts.times import YEAR, Eras, different, nearest_season, tell_eras, with_repeats
from revisit.patches.batch import NO_DATE


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dates_of(*places: list[float]) -> tuple[Tensor, Tensor]:
    """Dates of places, in years since 2015, in as many slots as the fullest has, and which are there."""
    slots = max(map(len, places))
    start = int(np.datetime64("2015-01-01", "ns").astype("int64"))
    dates = torch.full((len(places), slots), NO_DATE)
    for row, years in enumerate(places):
        for slot, year in enumerate(years):
            dates[row, slot] = start + round(year * YEAR)
    return dates, dates != NO_DATE


def test_draws_with_repeats_are_uniform_over_what_is_there() -> None:
    """As SeCo's code: each by itself, so that one date may come twice; never one that is not there."""
    present = torch.tensor([True, False, True, True]).expand(3000, -1)
    dates = torch.zeros(3000, 4, dtype=torch.int64)
    chosen = with_repeats(dates, present, 1.0, generator())
    shares = torch.bincount(chosen.flatten(), minlength=4) / chosen.numel()
    assert shares.tolist() == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3], abs=0.02)
    same = (chosen[:, 0] == chosen[:, 2]).float().mean().item()
    assert same == pytest.approx(1 / 3, abs=0.03)
    assert with_repeats(dates[:2], torch.zeros(2, 4, dtype=torch.bool), 1.0, generator()).shape == (2, 3)


def test_seasons_are_of_one_year() -> None:
    """Contrast of dates years apart would be that of eras under the name of seasons."""
    dates, present = dates_of(*[[0, 0.4, 0.8, 4, 4.3, 4.9]] * 300)
    for span, reached in ((1.0, {(0, 0), (1, 1)}), (10.0, {(0, 0), (0, 1), (1, 0), (1, 1)})):
        seasonal = with_repeats(dates, present, span, generator()) // 3  # of which era each is
        assert {(first, other) for first, *rest in seasonal.tolist() for other in rest} == reached
    slots = Eras(gap_years=2.0).draw(dates, present, 0.45, generator(), aligned=False).chosen
    first, others = dates.gather(1, slots[..., 0]), dates.gather(1, slots.flatten(1)).view(300, 2, 3)
    assert ((others - first[..., None]).abs() <= 0.45 * YEAR).all()
    assert set(slots.unique().tolist()) == set(range(6))


@pytest.mark.parametrize(("held", "distinct"), [([0, 1, 2, 3, 4], 3), ([1, 2, 4], 3), ([0, 3], 2), ([2], 1)])
def test_dates_of_an_era_are_different_as_far_as_it_has_them(held: list[int], distinct: int) -> None:
    members = torch.zeros(200, 5, dtype=torch.bool)
    members[:, held] = True
    chosen = different(members, generator())
    assert set(chosen.flatten().tolist()) == set(held)
    assert {len(set(row)) for row in chosen.tolist()} == {distinct}
    if distinct > 1:  # the estimate of change compares these two
        assert (chosen[:, 0] != chosen[:, 2]).all()


def test_eras_lie_the_gap_apart() -> None:
    """Dates near the middle of a place's span are of neither; without a gap each is of one."""
    dates, present = dates_of([0, 0.4, 0.9, 2.4, 3.5, 4.4, 5.0], [0, 1, 2], [0, 0.3], [1.0])
    members, two = Eras(gap_years=3.0).members(dates, present)
    assert two.tolist() == [True, False, False, False]
    assert members[0].int().tolist() == [[1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1]]
    assert torch.equal(members[1:, 0], present[1:]) and torch.equal(members[1:, 1], present[1:])
    members, two = Eras(gap_years=0.0).members(dates, present)
    assert two.tolist() == [True, True, True, False]
    assert torch.equal(members[:3].sum(1), present[:3].long())


def test_what_a_place_lacks_is_told() -> None:
    """A place with one era has it twice; nothing is compared with an era of one date."""
    dates, present = dates_of([0, 0.3, 0.6, 4, 4.3, 4.6], [0, 4.0, 4.2], [2, 2.1, 2.2, 2.3])
    for seed in range(20):
        drawn = Eras(gap_years=2.0).draw(dates, present, 5.0, generator(seed), aligned=False)
        assert drawn.era.tolist() == [[0, 1], [0, 1], [0, 0]]
        assert drawn.comparable.tolist() == [[True, True], [False, True], [False, False]]
        assert set(drawn.chosen[0, 0].tolist()) == {0, 1, 2} and set(drawn.chosen[0, 1].tolist()) == {3, 4, 5}
        assert drawn.chosen[1, 0].tolist() == [0, 0, 0] and set(drawn.chosen[1, 1].tolist()) == {1, 2}
        assert drawn.chosen[2].max() < 4 and len(set(drawn.chosen[2, 0].tolist())) == 3


def test_season_goes_round_the_year() -> None:
    """The nearest to December is January, be the years what they may."""
    dates, present = dates_of([0.95, 3.5, 5.03, 6.8])
    members = present.clone()
    members[0, 0] = False
    assert nearest_season(dates, members, torch.tensor([0])).tolist() == [2]
    members[0, 2] = False
    assert nearest_season(dates, members, torch.tensor([0])).tolist() == [3]


def test_aligned_eras_begin_in_like_season() -> None:
    dates, present = dates_of([0.1, 0.4, 0.8, 5.82, 5.12, 5.43])
    partner = {0: 4, 1: 5, 2: 3}
    for seed in range(10):
        chosen = Eras().draw(dates, present, 5.0, generator(seed), aligned=True).chosen[0]
        assert int(chosen[1, 0]) == partner[int(chosen[0, 0])]
        assert len(set(chosen[1].tolist())) == 3
    free = [Eras().draw(dates, present, 5.0, generator(seed), aligned=False).chosen[0] for seed in range(20)]
    assert any(int(chosen[1, 0]) != partner[int(chosen[0, 0])] for chosen in free)


def test_draws_follow_the_generator() -> None:
    dates, present = dates_of(*[[0, 0.3, 0.6, 4, 4.3, 4.6]] * 30)
    first, again, other = (Eras().draw(dates, present, 5.0, generator(s), False).chosen for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_places_with_two_eras_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A collection that has none would train SeCo under another name."""
    dates, _ = dates_of([0, 3], [0, 0.5], [1, 1.2], [0, 5])

    def store(indices: list[int]) -> Any:
        return SimpleNamespace(
            dates=lambda bands: dates.numpy()[None], indices=lambda split: np.array(indices)
        )

    with caplog.at_level("INFO"):
        tell_eras("caco", Eras(), store([0, 1, 2]), ("red",))
    assert "1 of 3 places have two eras" in caplog.text
    with pytest.raises(RevisitError, match="caco: no place has dates more than 1 years apart"):
        tell_eras("caco", Eras(), store([1, 2]), ("red",))
