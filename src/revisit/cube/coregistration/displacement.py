"""Where each date of a cube lies: dates against their composite, and a composite against another sensor's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy import ndimage

from revisit.cube.averages import mean_of_valid, median_of_valid
from revisit.cube.contract import clearest, grid_of, values_of
from revisit.cube.coregistration.match import Match, agree, orientations, window_shifts
from revisit.cube.coregistration.move import move, move_mask
from revisit.cube.grid import Block

# Bands whose edges are matched: of 10 m, and unlike each other.
MATCH_BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["red", "nir"]}
# Pixels times dates that are looked at: bounds memory to a few hundred MB, whatever the region's size.
MOST_SAMPLES = 2**24
CLEAREST_DATES = 12
TALL_VH_DB = -17.0  # mean gamma nought from which ground counts as tall: forest near -14, fields near -19
ROUNDS = 2
# Since this baseline Sentinel-2 products are laid onto the Global Reference Image, which brought pairs of
# dates from 12 m to within 3 to 5 m of each other (95 %; ESA data quality reports): older ones tell a
# ninth as much about where the map is.
REFINED_SINCE, UNREFINED_WEIGHT = 3.0, 1 / 9

Compose = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Sample:
    """A part of the region on some dates: images (time, band, y, x) float32, valid (time, y, x) bool."""

    images: np.ndarray
    valid: np.ndarray


def optical(cube: xr.Dataset, max_shift: float) -> list[Match]:
    """Displacement of each date of a Sentinel-2 cube from the centre of its dates, which stands for the map.

    The composite is the median of the clearest dates, at first as they lie, then as found. Dates of
    geometrically refined products count more towards the centre.
    """
    samples = _samples(cube, np.arange(cube.sizes["time"]), _blocks(cube))
    weights = np.array([_weight(baseline) for baseline in cube["processing_baseline"].values])
    return _settle(samples, clearest(cube, CLEAREST_DATES), weights, median_of_valid, max_shift)[0]


def radar(
    cube: xr.Dataset, reference: xr.Dataset | None, max_shift: float
) -> tuple[list[Match], dict[int, Match]]:
    """Displacement of each date of a Sentinel-1 cube from the reference; also that of each relative orbit.

    The dates of an orbit see the ground alike, so they are compared among themselves, with their mean
    in dB, in which speckle fades. That mean is then compared with the ``reference``, an aligned
    Sentinel-2 cube. Without one, or where the two do not match, an orbit keeps the centre of its dates.
    """
    matches = [Match()] * cube.sizes["time"]
    offsets: dict[int, Match] = {}
    orbits, blocks = cube["relative_orbit"].values, _blocks(cube)
    medians = [] if reference is None else _medians(reference, blocks)
    for orbit in np.unique(orbits):
        dates = np.flatnonzero(orbits == orbit)
        samples = _samples(cube, dates, blocks)
        found, means = _settle(samples, np.arange(len(dates)), np.ones(len(dates)), mean_of_valid, max_shift)
        if medians:
            offset = _across(medians, means, max_shift)
            offsets[int(orbit)] = offset
            found = [replace(match, x=match.x + offset.x, y=match.y + offset.y) for match in found]
        for date, match in zip(dates, found, strict=True):
            matches[date] = match
    return matches, offsets


def _across(optical: Sequence[np.ndarray], radar: Sequence[np.ndarray], max_shift: float) -> Match:
    """Displacement of mean backscatter from median reflectance, (band, y, x) each, matched on low ground."""
    references, fields = [], []
    for median, mean in zip(optical, radar, strict=True):
        valid = _low(mean) & ~np.isnan(median).any(axis=0)
        references.append(orientations(median, valid))
        fields.append([orientations(mean, valid)])
    return _agreed(references, fields, max_shift)[0]


def _low(mean: np.ndarray) -> np.ndarray:
    """Valid ground (y, x) without forest and houses, by the mean backscatter in VH (the last band).

    Layover moves the edges of what is tall towards the radar, and its shadows move them away from the
    sun: half a pixel and more each, which would pass for a displacement.
    """
    valid = ~np.isnan(mean).any(axis=0)
    tall = ndimage.gaussian_filter(np.where(valid, mean[-1], TALL_VH_DB - 10), 1) > TALL_VH_DB
    low: np.ndarray = valid & ~ndimage.binary_dilation(tall, iterations=2)
    return low


def _settle(
    samples: Sequence[Sample],
    composed: np.ndarray,
    weights: np.ndarray,
    compose: Compose,
    max_shift: float,
) -> tuple[list[Match], list[np.ndarray]]:
    """Displacement of all dates from the centre of those that match, and the composites there.

    ``composed`` are the dates that make the composites; ``weights``, one a date, those of the centre.
    """
    dates = range(len(samples[0].images))
    fields = [[orientations(sample.images[date], sample.valid[date]) for date in dates] for sample in samples]
    matches = [Match() for _ in dates]
    composites: list[np.ndarray] = []
    for _ in range(ROUNDS):
        composites = [_composite(sample, matches, composed, compose) for sample in samples]
        references = [_field(composite) for composite in composites]
        matches = _centred(_agreed(references, fields, max_shift), weights)
    return matches, composites


def _agreed(
    references: Sequence[np.ndarray], fields: Sequence[Sequence[np.ndarray]], max_shift: float
) -> list[Match]:
    """A match for each date, from a reference for each sample and a field for each sample and date."""
    found = [
        window_shifts(reference, part, max_shift) for reference, part in zip(references, fields, strict=True)
    ]
    return [agree(np.concatenate(windows)) for windows in zip(*found, strict=True)]


def _centred(matches: Sequence[Match], weights: np.ndarray) -> list[Match]:
    """The matches seen from the weighted mean of the trusted ones without outliers: nearest to the map."""
    trusted = np.array([not match.cause for match in matches])
    if not trusted.any():
        return list(matches)
    places = np.array([(match.x, match.y) for match in matches])[trusted]
    away = np.abs(places - np.median(places, axis=0))
    near = away <= 3 * 1.4826 * np.median(away, axis=0) + 1e-9
    x, y = np.average(places, axis=0, weights=near * weights[trusted, None])
    return [match if match.cause else replace(match, x=match.x - x, y=match.y - y) for match in matches]


def _weight(baselines: str) -> float:
    """Weight of a date by the processing baselines of its products, such as ``02.09 05.00``."""
    try:
        oldest = min(float(baseline) for baseline in baselines.split())
    except ValueError:  # not stated
        return UNREFINED_WEIGHT
    return 1.0 if oldest >= REFINED_SINCE else UNREFINED_WEIGHT


def _composite(sample: Sample, matches: Sequence[Match], dates: np.ndarray, compose: Compose) -> np.ndarray:
    """A composite (band, y, x) of dates put back from where they were found."""
    images, valid = sample.images[dates], sample.valid[dates]
    for place, date in enumerate(dates):
        match = matches[date]
        if match.x or match.y:
            images[place] = move(images[place], -match.x, -match.y)
            valid[place] = move_mask(valid[place], -match.x, -match.y) & ~np.isnan(images[place]).any(axis=0)
    return compose(images, valid)


def _field(image: np.ndarray) -> np.ndarray:
    return orientations(image, ~np.isnan(image).any(axis=0))


def _medians(reference: xr.Dataset, blocks: Sequence[Block]) -> list[np.ndarray]:
    samples = _samples(reference, clearest(reference, CLEAREST_DATES), blocks)
    return [median_of_valid(sample.images, sample.valid) for sample in samples]


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


def _samples(cube: xr.Dataset, dates: np.ndarray, blocks: Sequence[Block]) -> list[Sample]:
    bands = [band for band in MATCH_BANDS[cube.attrs["sensor"]] if band in cube["band"].values]
    part = cube.sel(band=bands or cube["band"].values[:2])
    samples = []
    for rows, columns in blocks:
        images = np.stack([values_of(part)[date, :, rows, columns].values for date in dates])
        valid = np.stack([part["valid"][date, rows, columns].values for date in dates]).astype(bool)
        samples.append(Sample(images, valid & ~np.isnan(images).any(axis=1)))
    return samples
