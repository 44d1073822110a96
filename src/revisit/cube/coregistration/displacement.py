"""Where each date of a cube lies: dates against their composite, and a composite against another sensor's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy import ndimage

from revisit import stage
from revisit.cube.averages import mean_of_valid, median_of_valid
from revisit.cube.contract import clearest, grid_of, values_of
from revisit.cube.coregistration.centre import is_refined, weights
from revisit.cube.coregistration.match import (
    ANY,
    BEYOND,
    LEAST_VALID,
    STRICT,
    Match,
    agree,
    orientations,
    window_shifts,
)
from revisit.cube.coregistration.move import move
from revisit.cube.grid import Block
from revisit.cube.in_order import each

# Bands whose edges are matched: of 10 m, and unlike each other.
MATCH_BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["red", "nir"]}
# Pixels times dates that are looked at: bounds memory to a few hundred MB, whatever the region's size.
MOST_SAMPLES = 2**24
CLEAREST_DATES = 12
STRIP = 128  # rows of a composite that are made at a time
TALL_VH_DB = -17.0  # mean gamma nought from which ground counts as tall: forest near -14, fields near -19
# Pixels that layover and shadow alone may make of nothing: a stand of 10 m shows its near edge 8 to 18 m
# nearer to Sentinel-1 (29 to 46 degrees), and its far edge in its shadow.
TALL_SHIFT = 0.5
ROUNDS = 2
# Of fewer dates, once they lie near enough to each other, a composite leaves out the date that is matched
# with it: its own noise would hold it where it is.
FEW = 6
HELD = 4.0  # times the stated error of a match with a composite of few that the date is in, by simulation
ALONE = "alone"  # the cause of a date that no other shows the ground of, or whose others do not match

Compose = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Sample:
    """A part of the region on some dates: images (time, band, y, x) float32, valid (time, y, x) bool."""

    images: np.ndarray
    valid: np.ndarray


def optical(cube: xr.Dataset, max_shift: float, threads: int = 1) -> list[Match]:
    """Displacement of each date of a Sentinel-2 cube from the centre of its dates, which stands for the map.

    The composite is the median of the clearest dates, at first as they lie, then as found.
    """
    samples = _samples(cube, np.arange(cube.sizes["time"]), _blocks(cube), threads)
    refined = np.array([is_refined(baselines) for baselines in cube["processing_baseline"].values])
    return _settle(samples, clearest(cube, CLEAREST_DATES), refined, median_of_valid, max_shift, threads)


def radar(
    cube: xr.Dataset, reference: xr.Dataset | None, max_shift: float, threads: int = 1
) -> tuple[list[Match], dict[int, Match]]:
    """Displacement of each date of a Sentinel-1 cube from the reference; also that of each relative orbit.

    The dates of an orbit see the ground alike, so they are compared among themselves, with their mean
    in dB, in which speckle fades. That mean is then compared with the ``reference``, an aligned
    Sentinel-2 cube, and its error is added to theirs. Without a reference, or where the two do not match, an
    orbit keeps the centre of its dates.
    """
    matches = [Match()] * cube.sizes["time"]
    offsets: dict[int, Match] = {}
    orbits, blocks = cube["relative_orbit"].values, _blocks(cube)
    low_ground = _low if "vh" in cube["band"].values else _known
    medians = [] if reference is None else _medians(reference, blocks, threads)
    for orbit in np.unique(orbits):
        dates = np.flatnonzero(orbits == orbit)
        samples = _samples(cube, dates, blocks, threads)
        alike = np.zeros(len(dates), bool)
        found = _settle(samples, np.arange(len(dates)), alike, mean_of_valid, max_shift, threads)
        if medians:
            placed = [date for date, match in enumerate(found) if not match.cause] or range(len(dates))
            means = [
                mean_of_valid(*_put_back(sample, found, np.array(placed), threads)) for sample in samples
            ]
            offset = _across(medians, means, [low_ground(mean) for mean in means], max_shift, threads)
            offsets[int(orbit)] = offset
            if len(dates) == 1 and not offset.cause:
                found = [offset]
            elif not offset.cause:
                found = [match if match.cause else _onto(match, offset) for match in found]
        for date, match in zip(dates, found, strict=True):
            matches[date] = match
    return matches, offsets


def _onto(match: Match, offset: Match) -> Match:
    """A date's displacement from the reference, by that from its orbit's centre and the orbit's."""
    error = float(np.hypot(match.error, offset.error))
    return replace(match, x=match.x + offset.x, y=match.y + offset.y, error=error)


def _across(
    optical: Sequence[np.ndarray],
    radar: Sequence[np.ndarray],
    low_ground: Sequence[np.ndarray],
    max_shift: float,
    threads: int = 1,
) -> Match:
    """Displacement of mean backscatter from median reflectance, (band, y, x) each.

    Matched on ``low_ground`` (y, x). Where that is too little for an answer, all ground is asked: its
    windows must agree better, lie farther off than tall ground alone would have them, and not contradict
    those of the low ground there is.
    """
    low = _across_on(low_ground, optical, radar, max_shift, threads)
    on_low = agree(low)
    if not on_low.cause:
        return on_low
    known = [_known(mean) for mean in radar]
    on_all = agree(_across_on(known, optical, radar, max_shift, threads), STRICT)
    hint = agree(low, ANY)
    apart = np.hypot(on_all.x - hint.x, on_all.y - hint.y)
    contradicted = not hint.cause and apart > BEYOND * np.hypot(on_all.error, hint.error)
    sure = not on_all.cause and np.hypot(on_all.x, on_all.y) > TALL_SHIFT and not contradicted
    stage.log.info("low ground: %s; all ground is %s", on_low.cause, "taken" if sure else "not sure either")
    return on_all if sure else on_low


def _across_on(
    grounds: Sequence[np.ndarray],
    optical: Sequence[np.ndarray],
    radar: Sequence[np.ndarray],
    max_shift: float,
    threads: int = 1,
) -> np.ndarray:
    """The shifts of all windows (n, 3), matched where the ``grounds`` (y, x) are true."""

    def shifts(sample: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        ground, median, mean = sample
        valid = ground & _known(median)
        return window_shifts(orientations(median, valid), [orientations(mean, valid)], max_shift)[0]

    return np.concatenate(each(shifts, zip(grounds, optical, radar, strict=True), threads))


def _known(image: np.ndarray) -> np.ndarray:
    known: np.ndarray = ~np.isnan(image).any(axis=0)
    return known


def _low(mean: np.ndarray) -> np.ndarray:
    """Valid ground (y, x) without forest and houses, by the mean backscatter in VH (the last band).

    Layover moves the edges of what is tall towards the radar, and its shadows move them away from the
    sun: half a pixel and more each, which would pass for a displacement.
    """
    valid = _known(mean)
    tall = ndimage.gaussian_filter(np.where(valid, mean[-1], TALL_VH_DB - 10), 1) > TALL_VH_DB
    low: np.ndarray = valid & ~ndimage.binary_dilation(tall, iterations=2)
    return low


def _settle(
    samples: Sequence[Sample],
    composed: np.ndarray,
    refined: np.ndarray,
    compose: Compose,
    max_shift: float,
    threads: int = 1,
) -> list[Match]:
    """Displacement of all dates from the centre of those that match.

    ``composed`` are the dates that make the composites; ``refined``, one bool a date, the two kinds of
    products. A date is matched where another shows the ground as well: with itself it would always agree.
    """
    dates = range(len(samples[0].images))
    shared = [_shared(sample.valid, composed) for sample in samples]
    fields = [_fields(sample, part, threads) for sample, part in zip(samples, shared, strict=True)]
    # Pixels of each date, in all samples: those it shares, those it has.
    in_common, own = (
        np.sum([part.sum(axis=(1, 2)) for part in parts], axis=0)
        for parts in (shared, [sample.valid for sample in samples])
    )
    alone = in_common < LEAST_VALID * own
    matches = [Match() for _ in dates]
    few, held = 1 < len(composed) < FEW, matches
    for without in [False] + [True] * ROUNDS if few else [False] * ROUNDS:
        windows = [
            _compare(
                _put_back(sample, matches, composed, threads),
                part,
                composed,
                compose,
                max_shift,
                without,
                threads,
            )
            for sample, part in zip(samples, fields, strict=True)
        ]
        found = [agree(np.concatenate(parts)) for parts in zip(*windows, strict=True)]
        if without:
            found = [_from_all(*three, len(composed)) for three in zip(found, matches, held, strict=True)]
        else:
            held = found
        found = [Match(cause=ALONE) if alone[date] else found[date] for date in dates]
        matches = _centred(found, refined)
    return matches


def _fields(sample: Sample, shared: np.ndarray, threads: int) -> list[np.ndarray]:
    """The ``orientations`` of each date where it is ``shared`` (time, y, x)."""
    return each(lambda date: orientations(sample.images[date], shared[date]), range(len(shared)), threads)


def _shared(valid: np.ndarray, composed: np.ndarray) -> np.ndarray:
    """Where each date is valid and so is another of those ``composed``: (time, y, x) bool."""
    own = np.zeros((len(valid), 1, 1), int)
    own[composed] = 1
    seen = valid[composed].sum(axis=0)
    shared: np.ndarray = valid & (seen - own > 0)
    return shared


def _compare(
    placed: tuple[np.ndarray, np.ndarray],
    fields: Sequence[np.ndarray],
    composed: np.ndarray,
    compose: Compose,
    max_shift: float,
    without: bool,
    threads: int = 1,
) -> list[np.ndarray]:
    """The windows' shifts of each date's field (y, x) from a composite, ``without`` the date itself if so.

    ``placed``: images and valid of the dates ``composed``.
    """

    def edges(images: np.ndarray, valid: np.ndarray, threads: int) -> np.ndarray:
        def strip(top: int) -> np.ndarray:
            rows = slice(top, top + STRIP)
            return compose(images[..., rows, :], valid[..., rows, :])

        composite = np.concatenate(each(strip, range(0, valid.shape[1], STRIP), threads), axis=1)
        return orientations(composite, _known(composite))

    if not without:
        return window_shifts(edges(*placed, threads), fields, max_shift, threads=threads)

    def from_others(date: int) -> np.ndarray:
        images, valid = (part[composed != date] for part in placed)
        return window_shifts(edges(images, valid, 1), [fields[date]], max_shift)[0]

    return each(from_others, range(len(fields)), threads)


def _from_all(match: Match, before: Match, held: Match, count: int) -> Match:
    """A match with the other ``count - 1`` dates as one with all of them.

    Where the others alone do not match it stays ``held``, the match with all, which its own noise keeps
    nearer to where it is than it says.

    Put back from where they were found ``before``, all together lie in the middle; so the others lie off it,
    to the other side of this date, by what that is off over ``count - 1``.
    """
    if match.cause:
        return replace(held, error=HELD * held.error)
    x, y = (((count - 1) * now + then) / count for now, then in ((match.x, before.x), (match.y, before.y)))
    return replace(match, x=x, y=y, error=match.error * (count - 1) / count)


def _centred(matches: Sequence[Match], refined: np.ndarray) -> list[Match]:
    """The matches seen from the centre of the trusted ones; its error is added to theirs."""
    trusted = np.array([not match.cause for match in matches])
    if trusted.sum() < 2:
        return [match if match.cause else Match(cause=ALONE) for match in matches]
    places, errors = (
        np.array([(match.x, match.y, match.error) for match in matches])[trusted][:, part]
        for part in (slice(2), 2)
    )
    counts = weights(places, refined[trusted])
    x, y = counts @ places
    error = np.sqrt(counts**2 @ errors**2)
    return [
        match
        if match.cause
        else replace(match, x=match.x - x, y=match.y - y, error=float(np.hypot(match.error, error)))
        for match in matches
    ]


def _put_back(
    sample: Sample, matches: Sequence[Match], dates: np.ndarray, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Images (time, band, y, x) and valid (time, y, x) of dates put back from where they were found.

    They are matched by their edges and then forgotten, so backscatter may be moved in dB here.
    """
    images, valid = sample.images[dates], sample.valid[dates]

    def put(place: int) -> None:
        match = matches[dates[place]]
        if match.x or match.y:
            images[place] = move(images[place], -match.x, -match.y, valid[place])
            valid[place] = _known(images[place])

    each(put, range(len(dates)), threads)
    return images, valid


def _medians(reference: xr.Dataset, blocks: Sequence[Block], threads: int) -> list[np.ndarray]:
    samples = _samples(reference, clearest(reference, CLEAREST_DATES), blocks, threads)
    return each(lambda sample: median_of_valid(sample.images, sample.valid), samples, threads)


def _blocks(cube: xr.Dataset) -> list[Block]:
    """The whole grid, or four squares spread over it, whichever is less than the bound allows."""
    grid, dates = grid_of(cube), cube.sizes["time"]
    if grid.width * grid.height * dates <= MOST_SAMPLES:
        return [(slice(0, grid.height), slice(0, grid.width))]
    side = max(128, int(np.sqrt(MOST_SAMPLES / dates / 4)))
    return [
        (slice(top, top + min(side, grid.height)), slice(left, left + min(side, grid.width)))
        for top in _starts(grid.height, side)
        for left in _starts(grid.width, side)
    ]


def _starts(length: int, side: int) -> list[int]:
    """Two places along an axis, a quarter of what is left over from its ends."""
    spare = max(length - side, 0)
    return sorted({spare // 4, spare - spare // 4})


def _samples(cube: xr.Dataset, dates: np.ndarray, blocks: Sequence[Block], threads: int) -> list[Sample]:
    names = cube["band"].values.tolist()
    bands = [names.index(band) for band in MATCH_BANDS[cube.attrs["sensor"]] if band in names]
    return [
        _sample(cube.isel(y=rows, x=columns), dates, bands or [0, 1], threads) for rows, columns in blocks
    ]


def _sample(part: xr.Dataset, dates: np.ndarray, bands: Sequence[int], threads: int) -> Sample:
    # A slice, of which the bands are taken: the rust codecs read no bands that lie apart.
    span = slice(min(bands), max(bands) + 1)
    wanted = [band - span.start for band in bands]

    def read(date: int) -> tuple[np.ndarray, np.ndarray]:
        image = values_of(part)[date, span].values[wanted]
        return image, part["valid"][date].values.astype(bool) & _known(image)

    images, valid = (np.stack(parts) for parts in zip(*each(read, dates, threads), strict=True))
    return Sample(images, valid)
