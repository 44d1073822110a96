"""Which places keep their labels, of a share or a number: nested subsets with the classes of the whole."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError


def labelled_places(
    positions: NDArray[Any], labels: NDArray[Any], fraction: float, seed: int, every_class: bool = True
) -> NDArray[np.int64]:
    """Sorted indices into ``positions`` (sample,) of the samples that keep their labels.

    ``labels`` (sample, class) says which classes a sample shows. The subsets are

    - by place: all dates of a place are in or out; ``fraction`` is of the places, at least one is kept;
    - nested: with one seed a larger fraction contains every smaller one;
    - stratified: each class keeps its share of places as nearly as possible, and with ``every_class`` at
      least one place (the rarest classes first, where too few places are kept for all).

    Raises RevisitError for a fraction outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise RevisitError(
            f"label_fractions: {fraction} is not in (0, 1]; give fractions such as 0.05 or 1.0"
        )
    place, order = _in_order(positions, labels, seed, every_class)
    kept = order[: math.ceil(round(fraction * len(order), 6))]
    return np.flatnonzero(np.isin(place, kept))


def labelled_samples(
    positions: NDArray[Any], labels: NDArray[Any], count: int, seed: int
) -> NDArray[np.int64]:
    """Sorted indices of ``count`` samples that keep their labels; some more where whole places make it more.

    The same subsets as of ``labelled_places``, with every class, but for where they end. Raises RevisitError
    where there are fewer samples.
    """
    if count > len(positions):
        raise RevisitError(
            f"label_counts: {count} labelled samples, but the training part has {len(positions)}; lower it"
        )
    place, order = _in_order(positions, labels, seed, every_class=True)
    held = np.bincount(place)[order].cumsum()
    return np.flatnonzero(np.isin(place, order[: np.searchsorted(held, count) + 1]))


def _in_order(
    positions: NDArray[Any], labels: NDArray[Any], seed: int, every_class: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of each sample's place (sample,), and the places (place,) in the order they are kept in."""
    places, place = np.unique(positions, return_inverse=True)
    shown = np.zeros((len(places), labels.shape[1]), bool)
    samples, classes = np.nonzero(labels)
    shown[place[samples], classes] = True
    order = stratified_order(shown, seed)
    if every_class:
        order = _rarest_first(order, shown)
    return place, order


def stratified_order(shown: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """An order of places (place,) whose every beginning shows the classes about as often as the whole.

    ``shown``: bool (place, class). The places are lined up so that neighbours show similar classes: by the
    rarest class, within it by the next. Then the line is halved over and over, one of each two neighbours
    going into the first half and the other into the second.
    """
    random, n = np.random.default_rng(seed), len(shown)
    by_rarity = shown[:, np.argsort(shown.sum(0), kind="stable")]
    order = random.permutation(n)
    order = order[np.lexsort(by_rarity[order].T[::-1])]
    part = np.zeros(n, np.int64)  # which the places of the line are in; the places of a part lie together
    for _ in range(math.ceil(math.log2(n))):
        part = 2 * part + _second_half(shown[order], part, random)
        together = np.argsort(part, kind="stable")
        order, part = order[together], part[together]
    return order


def _second_half(
    shown: NDArray[np.bool_], part: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.bool_]:
    """Which places (place,) of a line go into the second half of their part.

    Neighbours are parted pair by pair, so as to undo the difference between the halves that the pairs before
    them have made, and at random where that makes no odds.
    """
    rank = np.arange(len(part)) - np.searchsorted(part, part)
    one = np.flatnonzero(rank % 2 == 0)
    other = one + 1
    alone = np.append(part, -1)[other] != part[one]  # the last of an odd number
    difference = shown[one].astype(np.int64) - np.append(shown, shown[:1], axis=0)[other] * ~alone[:, None]
    sign = random.choice([-1, 1], len(one))  # -1: `one` goes into the second half

    differ = np.flatnonzero(difference.any(1))
    turn = np.arange(len(differ)) - np.searchsorted(part[one[differ]], part[one[differ]])
    balance = np.zeros((part[-1] + 1, shown.shape[1]), np.int64)  # first half less second, of each part
    by_turn = differ[np.argsort(turn, kind="stable")]
    for pairs in np.split(by_turn, np.cumsum(np.bincount(turn))[:-1]):  # one pair of each part at a time
        inside, added = part[one[pairs]], difference[pairs]
        lean = np.sign((balance[inside] * added).sum(1))
        sign[pairs] = np.where(lean == 0, sign[pairs], -lean)
        balance[inside] += sign[pairs, None] * added

    second = np.zeros(len(part), bool)
    second[one] = sign < 0
    second[other[~alone]] = sign[~alone] > 0
    return second


def _rarest_first(order: NDArray[np.int64], shown: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The order with the first place of each class in front, as far as classes are not shown there yet."""
    counts, front = shown.sum(0), list[int]()
    for one in np.argsort(counts, kind="stable"):
        if counts[one] and not shown[front, one].any():
            front.append(int(order[np.argmax(shown[order, one])]))
    return np.concatenate([np.array(front, np.int64), order[~np.isin(order, front)]])
