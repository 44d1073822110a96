"""Which dates of a place are looked at: drawn from all it has, or from each of two eras that lie years apart.

Dates are nanoseconds since 1970, int64 [B, T]; a slot without one is not ``present``, bool [B, T]. All draws
are from the step's generator, the whole batch at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from revisit import stage
from revisit.errors import RevisitError
from revisit.methods.method import Store
from revisit.patches.batch import NO_DATE
from revisit.record import Record

YEAR = round(365.2425 * 86_400 * 10**9)  # in nanoseconds
SHOWN = 3  # dates of a place, or of each of its eras, that are drawn


class Drawn(NamedTuple):
    """Dates of two eras.

    ``chosen``: of each era three slots, int64 [B, 2, 3]. ``era``: which era they are of, int64 [B, 2]: 0 and
    1, or twice 0 where a place has one era only. ``comparable``: whether there are two eras, and the first
    and the last slot of this one are two dates, bool [B, 2]: then what changed between eras can be held
    against what changes within this one.
    """

    chosen: Tensor
    era: Tensor
    comparable: Tensor


class Eras(Record):
    """The earlier and the later part of a place's dates."""

    gap_years: float = Field(1.0, ge=0)
    """Least time between the two eras of a place: dates within half of it from the middle between the place's
    first and last belong to neither. A place whose dates span no more than this has one era, of all of
    them."""

    def members(self, dates: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Which slots are of each era, bool [B, 2, T], and whether a place has two eras, bool [B].

        Of a place with one era both rows are all its dates.
        """
        most, least = torch.iinfo(torch.int64).max, torch.iinfo(torch.int64).min
        first = dates.masked_fill(~present, most).amin(1, keepdim=True)
        last = dates.masked_fill(~present, least).amax(1, keepdim=True)
        after = dates - (first + (last - first) // 2)
        half = round(self.gap_years * YEAR) // 2
        earlier = present & (after <= -half)
        later = present & (after >= half) & ~earlier
        two = (earlier.any(1) & later.any(1))[:, None]
        return torch.stack([torch.where(two, part, present) for part in (earlier, later)], 1), two[:, 0]

    def draw(
        self, dates: Tensor, present: Tensor, span_years: float, generator: torch.Generator, aligned: bool
    ) -> Drawn:
        """Three dates of each era, different ones as far as it has them within ``span_years`` of the first.

        With two, the second slot repeats the first; with one, all are the same. ``aligned``: the later era's
        first slot is that of its dates whose season is nearest to that of the earlier era's first.
        """
        members, two = self.members(dates, present)
        earlier, later = members.unbind(1)
        firsts = [one_of(earlier, generator)]
        firsts.append(nearest_season(dates, later, firsts[0]) if aligned else one_of(later, generator))
        chosen = [
            different(within(dates, members, first, span_years), generator, first)
            for members, first in zip((earlier, later), firsts, strict=True)
        ]
        slots = torch.stack(chosen, 1)
        era = torch.stack([torch.zeros_like(two), two], 1).long()
        return Drawn(slots, era, two[:, None] & (slots[..., 0] != slots[..., 2]))


def with_repeats(dates: Tensor, present: Tensor, span_years: float, generator: torch.Generator) -> Tensor:
    """Three of the slots that are present, int64 [B, 3]: the first by chance, the others within
    ``span_years`` of it, each drawn by itself."""
    first = one_of(present, generator)
    near = within(dates, present, first, span_years).float()
    others = torch.multinomial(near, SHOWN - 1, replacement=True, generator=generator)
    return torch.cat([first[:, None], others], 1)


def one_of(members: Tensor, generator: torch.Generator) -> Tensor:
    """One of the slots ``members`` [B, T], int64 [B]; any where there is none."""
    noise = torch.rand(members.shape, generator=generator, device=generator.device)
    return (noise + ~members).argmin(1)


def within(dates: Tensor, members: Tensor, first: Tensor, span_years: float) -> Tensor:
    """Which of the slots ``members`` [B, T] are no more than ``span_years`` from slot ``first`` [B], which
    always is one of them."""
    apart = (dates - dates.gather(1, first[:, None])).abs()
    return (members & (apart <= span_years * YEAR)).scatter(1, first[:, None], True)


def different(members: Tensor, generator: torch.Generator, first: Tensor | None = None) -> Tensor:
    """Three of the slots ``members`` [B, T], int64 [B, 3]: all different where there are so many.

    Of two, the outer ones are different. ``first`` [B]: the slots to begin with, else one by chance.
    """
    noise = torch.rand(members.shape, generator=generator, device=generator.device)
    if first is not None:
        noise = noise.scatter(1, first[:, None], -1.0)
    order = (noise + 2 * ~members).argsort(1)
    count = members.sum(1, keepdim=True).clamp(min=1)
    turns = torch.tensor([0, 2, 1], device=members.device)  # the second of two goes last
    return order.gather(1, turns % count)


def nearest_season(dates: Tensor, members: Tensor, anchor: Tensor) -> Tensor:
    """The slot among ``members`` [B, T] whose day of the year is nearest to that of slot ``anchor`` [B]."""
    phase = (dates % YEAR).float() / YEAR
    apart = (phase - phase.gather(1, anchor[:, None])).abs()
    return torch.minimum(apart, 1 - apart).masked_fill(~members, torch.inf).argmin(1)


def origins_of(place: Tensor, era: Tensor) -> Tensor:
    """Place and era of each image, int64 [2 B, 2], of places [B] and the eras of their images [B, 2]."""
    return torch.stack([place[:, None].expand_as(era), era], -1).flatten(0, 1)


def tell_eras(name: str, eras: Eras, store: Store, bands: Sequence[str]) -> None:
    """Say in the log how many places to train on have two eras; raises RevisitError where none has.

    ``name``: of the method; ``bands``: of one sensor.
    """
    dates = torch.from_numpy(store.dates(bands)[0][store.indices("train")])
    two = int(eras.members(dates, dates != NO_DATE)[1].sum())
    if not two:
        raise RevisitError(
            f"{name}: no place has dates more than {eras.gap_years:g} years apart, so none has two eras; "
            "lower eras.gap_years, or choose a collection of more years"
        )
    stage.log.info(f"{two:,} of {len(dates):,} places have two eras; the others are contrasted within one")
