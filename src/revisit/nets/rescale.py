"""Whether images are scaled as an encoder's were, and how to take those that are not.

A patch store's ``scaling`` says for each sensor and band which physical values its 0 to 255 span. The same
stored number means the same reflectance or decibel only between the same limits; but for ``MISSING``, which
means the same between all. Whether numbers were rounded to 8 bit changes none of that: an encoder takes both.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.patches.batch import MISSING
from revisit.patches.modality import sensor_of
from revisit.patches.standardise import standardise

TOLERANCE = 1e-6  # relative
# Standardised values no farther apart are of one grey value; of 8 bit, others lie at least 2 / 255 apart.
SAME_GREY = 1e-4


class Rescaling(NamedTuple):
    """What makes of a band's standardised values those an encoder knows: factor * z + shift, cut to ± limit.

    ``missing`` is the z of a pixel without data, and ``becomes`` what that is to the encoder.
    """

    factor: float = 1.0
    shift: float = 0.0
    limit: float = float("inf")
    missing: float = float("nan")
    becomes: float = 0.0


class Limits(NamedTuple):
    """What fixes the meaning of z = clip_sigma (2 (x - lower) / (upper - lower) - 1), for x in ``unit``."""

    unit: str
    clip_sigma: float
    lower: float
    upper: float

    @property
    def middle(self) -> float:
        """The x whose z is 0."""
        return (self.upper + self.lower) / 2

    @property
    def step(self) -> float:
        """By how much x rises where z rises by 1."""
        return (self.upper - self.lower) / (2 * self.clip_sigma)


def check_scaling(
    folder: Path, own: Mapping[str, Any], given: Mapping[str, Any], bands: Sequence[str]
) -> None:
    """Raise RevisitError unless ``bands`` are scaled alike in both; ``folder``: the encoder's, to name it."""
    ours, theirs = limits_of(own), limits_of(given)
    for band in bands:
        _present(folder, band, theirs)
        for key in Limits._fields:
            value, other = getattr(ours[band], key), getattr(theirs[band], key)
            if not _same(value, other):
                raise RevisitError(
                    f"{folder}: trained with {key.replace('_', ' ')} {value} of band {band!r}, the images "
                    f"have {other}; use the patch store it was pretrained on, one scaled alike, or rescale"
                )


def rescaling(
    folder: Path, own: Mapping[str, Any], given: Mapping[str, Any], bands: Sequence[str]
) -> dict[str, Rescaling]:
    """For each band, what makes of values standardised as ``given`` values standardised as ``own``.

    Raises RevisitError where the unit is another, which no factor mends.
    """
    ours, theirs = limits_of(own), limits_of(given)
    result = {}
    for band in bands:
        _present(folder, band, theirs)
        new, old = ours[band], theirs[band]
        if new.unit != old.unit:
            raise RevisitError(
                f"{folder}: trained with band {band!r} in {new.unit}, the images have {old.unit}; "
                f"rescaling cannot change the unit"
            )
        becomes, missing = (float(standardise(torch.tensor(MISSING), of.clip_sigma)) for of in (new, old))
        # The physical value of z is middle + z * step, in either scaling.
        factor, shift = old.step / new.step, (old.middle - new.middle) / new.step
        result[band] = Rescaling(factor, shift, new.clip_sigma, missing, becomes)
    return result


def rescale_images(images: Tensor, rows: Tensor, bands: Sequence[str]) -> Tensor:
    """Standardised images [B, C, H, W] of these bands, rescaled by ``rows`` [fields of Rescaling, C].

    A sensor sees a pixel in all of its bands or in none, so a pixel is missing that is so in each of them.
    """
    factor, shift, limit, missing, becomes = rows[:, :, None, None]
    result = (images * factor + shift).clamp(-limit, limit)
    empty = (images - missing).abs() < SAME_GREY
    sensors = [sensor_of(band) for band in bands]
    for sensor in set(sensors):
        own = [channel for channel, other in enumerate(sensors) if other == sensor]
        empty[:, own] = empty[:, own].all(1, keepdim=True)
    return torch.where(empty, becomes, result)


def _present(folder: Path, band: str, theirs: Mapping[str, Limits]) -> None:
    if band not in theirs:
        raise RevisitError(f"{folder}: the images' scaling has no band {band!r}; it has {sorted(theirs)}")


def _same(value: str | float, other: str | float) -> bool:
    if isinstance(value, str) or isinstance(other, str):
        return value == other
    return abs(value - other) <= TOLERANCE * max(abs(value), abs(other))


def limits_of(scaling: Mapping[str, Any]) -> dict[str, Limits]:
    """The limits of each band of a patch store's ``scaling``."""
    return {
        band: Limits(sensor["source_unit"], sensor["clip_sigma"], limits["lower"], limits["upper"])
        for sensor in scaling.values()
        for band, limits in sensor["bands"].items()
    }
